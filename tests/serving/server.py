"""A server in a thread of this process."""

import socket
import threading
from typing import Any

import uvicorn

from condgen.serving.server import Server


class listening:  # noqa: N801 (a context manager)
    """A server in a thread, on a free port of this machine."""

    def __init__(self, app: Any) -> None:
        kind = Server if hasattr(app, "state") else uvicorn.Server
        self._server = kind(uvicorn.Config(app, log_level="critical"))
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [self._socket]})

    def __enter__(self) -> str:
        self._thread.start()
        return f"http://127.0.0.1:{self._socket.getsockname()[1]}"

    def __exit__(self, *error: object) -> None:
        self._server.should_exit = True
        self._thread.join()
        self._socket.close()
