"""The studio on a port of this machine, and in its browser."""

import os
import socket
import sys
import threading
import webbrowser
from urllib.parse import quote

from fastapi import FastAPI

from condgen.bearer import checked_token
from condgen.errors import RunError
from condgen.progress import SILENT, Progress
from condgen.serving.server import address_of, listening, server_of

HOST, PORT = "127.0.0.1", 8000


def show(
    app: FastAPI,
    port: int | None = None,
    *,
    token: str | None = None,
    browser: bool = True,
    progress: Progress = SILENT,
) -> None:
    """Serve a studio on this machine alone until SIGINT or SIGTERM.

    port: 0 is any free one, and None is 8000 or, if that is in use, any free one.
    token: told in the address that is opened, where no server sees it.
    browser: open the page, if this machine has a screen.

    Raises RunError if the port cannot be used.
    """
    with listen(port) as listener:
        address = address_of(listener, HOST) + "/" + (f"#token={quote(checked_token(token), safe='')}" if token else "")
        progress.note(f"The studio: {address} (this machine only; Ctrl-C stops it)")
        if browser and _has_a_screen():
            threading.Thread(target=webbrowser.open, args=[address], daemon=True).start()
        server_of(app, patience=5).run(sockets=[listener])


def listen(port: int | None) -> socket.socket:
    """A socket that listens on this machine alone. Raises RunError."""
    if port is not None:
        return listening(HOST, port)
    try:
        return listening(HOST, PORT)
    except RunError:
        return listening(HOST, 0)


def _has_a_screen() -> bool:
    """Whether a browser has a window to open. Elsewhere it would take over the terminal."""
    return sys.platform in ("darwin", "win32") or any(map(os.environ.get, ("DISPLAY", "WAYLAND_DISPLAY")))
