"""The server of models in a thread of this process, for Python and notebooks."""

import atexit
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, overload

from fastapi import FastAPI

from condgen.errors import RunError
from condgen.progress import Progress, shown
from condgen.runs.generator import Generator
from condgen.serving.app import create_app
from condgen.serving.limits import Limits, all_but_one
from condgen.serving.served import named
from condgen.serving.server import address_of, listening, said, server_of

STARTING = 30.0  # seconds after which a server that does not start is given up


class Background:
    """An application on a port, in a thread of this process, until it is stopped or the process ends.

    patience: largest number of seconds for finishing what was accepted.

    Raises RunError if it does not start, or the port cannot be used.
    """

    def __init__(self, app: FastAPI, host: str = "127.0.0.1", port: int = 0, *, patience: int | float = 5):
        self.app = app
        self._listener = listening(host, port)
        self.address = address_of(self._listener, host)
        self._server = server_of(app, patience)
        self._ended = threading.Event()  # a thread that is waited for is taken for dead after Ctrl-C (bpo-45274)
        threading.Thread(target=self._run, name="condgen-server", daemon=True).start()
        self._wait_for_the_start()
        _before_the_end(self.stop)

    def _run(self) -> None:
        try:
            self._server.run(sockets=[self._listener])
        finally:
            self._ended.set()

    def _wait_for_the_start(self) -> None:
        until = time.monotonic() + STARTING
        while not self._server.started:
            if self._ended.is_set() or time.monotonic() > until:
                raise RunError("The server did not start. Its log says why.")
            time.sleep(0.01)

    @property
    def names(self) -> list[str]:
        """The names of the models that are served."""
        return list(self.app.state.serving.models)

    @property
    def running(self) -> bool:
        """Whether it still answers."""
        return not self._ended.is_set() and not self._server.should_exit

    def wait(self) -> None:
        """Return when it is stopped. Ctrl-C, or interrupting the notebook's cell, stops it."""
        try:
            while not self._ended.wait(timeout=1.0):  # without a time, some systems do not interrupt it
                pass
        except KeyboardInterrupt:
            self.stop()

    def stop(self) -> None:
        """Accept no more, finish what was accepted, and return when that is done."""
        self._server.should_exit = True
        self._ended.wait()
        self._listener.close()

    def __enter__(self) -> "Background":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        self.stop()

    def __repr__(self) -> str:
        asked = "; ".join(f"condgen.Client('{self.address}/{name}')" for name in self.names)
        return f"Server at {self.address}{'' if self.running else ' (stopped)'}\n  {asked}"


@overload
def serve(*models: Generator | str | Path, background: Literal[True], **settings: Any) -> Background: ...


@overload
def serve(*models: Generator | str | Path, background: Literal[False] = False, **settings: Any) -> None: ...


def serve(
    *models: Generator | str | Path,
    host: str = "127.0.0.1",
    port: int = 8000,
    token: str | None = None,
    background: bool = False,
    progress: Progress | None = None,
    **limits: Any,
) -> Background | None:
    """Serve models at http://HOST:PORT/v1/NAME until Ctrl-C or, with `background`, until the result is stopped.

    models: runs, exported models, or their paths. "NAME=PATH" gives one another name.
    port: 0 is any free one.
    token: the bearer token that every request needs.
    background: return at once. The result has an `address` and `stop()`, and may be used as a context.
    limits: see `condgen.serving.Limits`.

    A model that is given by its path is read again when its file changes. Models compute in this process. Those of
    `condgen serve` have processes of their own, which answer more at once. Raises RequestError for a wrong name or
    limit, and RunError for a model that cannot be read or a port that cannot be used.
    """
    how = Limits(**({"threads": all_but_one()} | limits))
    app = create_app(named(models), limits=how, token=token)
    server = Background(app, host, port, patience=how.deadline)
    if background:
        return server
    (progress or shown()).note(said(server.address, host, server.names))
    server.wait()
    return None


def _before_the_end(call: Callable[[], object]) -> None:
    """Call a function when Python ends, while threads and executors still work. Those of `atexit` come too late."""
    register: Callable[[Callable[[], object]], object] = getattr(threading, "_register_atexit", atexit.register)
    register(call)
