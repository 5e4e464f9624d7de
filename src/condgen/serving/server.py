"""The application on a port, until the process is told to stop."""

import ipaddress
import socket
from collections.abc import Iterable
from typing import Any

import uvicorn
from fastapi import FastAPI

from condgen.errors import RunError
from condgen.progress import SILENT, Progress


def serve(
    app: FastAPI, host: str = "127.0.0.1", port: int = 8000, *, patience: int | float = 60, progress: Progress = SILENT
) -> None:
    """Serve an application until SIGINT or SIGTERM. It then accepts no more and finishes what it accepted.

    host: 127.0.0.1 is this machine alone, 0.0.0.0 every network that it is on.
    port: 0 is any free one.
    patience: largest number of seconds for finishing.

    Raises RunError if the port cannot be used.
    """
    with listening(host, port) as listener:
        address = address_of(listener, host)
        progress.note(said(address, host, app.state.serving.models))
        server_of(app, patience).run(sockets=[listener])


class Server(uvicorn.Server):
    """A server that tells its application at once that it ends, so that answers without an end stop."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept no more, and finish what was accepted."""
        application: Any = self.config.app
        application.state.serving.closing = True
        await super().shutdown(sockets)


def server_of(app: FastAPI, patience: int | float = 60) -> Server:
    """The server of an application, which runs on sockets that listen."""
    config = uvicorn.Config(
        app, log_level="warning", access_log=False, server_header=False, timeout_graceful_shutdown=round(patience)
    )
    return Server(config)


def said(address: str, host: str, names: Iterable[str]) -> str:
    """The line that says which models are served, and to whom."""
    reach = "this machine only" if is_loopback(host) else "every machine that reaches this one"
    return f"Serving {', '.join(names)} at {address} ({reach})"


def address_of(listener: socket.socket, host: str) -> str:
    """The address of a socket that listens."""
    return f"http://{_shown(host)}:{listener.getsockname()[1]}"


def listening(host: str, port: int) -> socket.socket:
    """A socket that listens. Raises RunError with the system's reason."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        listener = socket.create_server((host, port), family=family, backlog=2048)
    except (OSError, OverflowError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise RunError(
            f"Nothing can be served at {host}, port {port}: {reason}. Choose another (`port=8001`)."
        ) from None
    # Connections inherit it. Else an answer's body waits until the client acknowledges its head, 40 ms on Linux.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def is_loopback(host: str) -> bool:
    """Whether an address reaches this machine alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _shown(host: str) -> str:
    return f"[{host}]" if ":" in host else host
