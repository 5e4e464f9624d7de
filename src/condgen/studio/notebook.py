"""The studio in a notebook: one server in the background of this process, and its page in a cell."""

import secrets
import threading
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

from condgen.errors import RequestError
from condgen.notebook import frame
from condgen.runs.generator import Generator, name_of
from condgen.serving.background import Background
from condgen.serving.served import named
from condgen.studio.app import create_studio
from condgen.studio.opening import add_found, fitting

# Pages of notebooks on this machine, which show the studio in a cell: Jupyter's and VS Code's.
NOTEBOOKS = ("http://localhost:*", "http://127.0.0.1:*", "https://localhost:*", "vscode-webview:")
HEIGHT = 760  # pixels of the page in a cell


class StudioServer(Background):
    """A studio's server in the background of this process, on any free port of this machine.

    runs: the folder of the runs that the page trains, and shows if no model is named.

    Raises RunError if it does not start.
    """

    def __init__(self, runs: Path):
        self.runs = runs
        self.token = secrets.token_urlsafe(16)  # the page in the cell has it, and nobody else on this machine
        app = create_studio(runs=runs, token=self.token, frames=NOTEBOOKS)
        self.serving = app.state.serving
        super().__init__(app)


_BACKGROUND: list[StudioServer] = []  # the one of this process, if there is one
_STARTING = threading.Lock()


@dataclass(frozen=True, repr=False)
class Page:
    """The studio's page, which shows itself in a notebook's cell.

    address: the page's, with the token that it needs. It is for browsers on this machine alone.
    height: pixels of the page in a cell.
    """

    address: str
    height: int = HEIGHT

    def __repr__(self) -> str:
        return f"The studio: {self.address}"

    def _repr_html_(self) -> str:
        return str(frame(self.address, "The studio", self.height))

    def stop(self) -> None:
        """Stop the server of this process. The pages of other cells stop answering, too."""
        with _STARTING:
            while _BACKGROUND:
                _BACKGROUND.pop().stop()


def studio(*models: Generator | str | Path, runs: str | Path | None = None, height: int = HEIGHT) -> Page:
    """The studio's page on models, on a server in the background of this process.

    models: opened, or paths of runs and exported models. The first is shown. Without any, those below `runs`.
    runs: the folder of the runs that the page trains, by default `runs`. One for all calls.
    height: pixels of the page in a cell.

    All calls share one server, which ends with the process. Raises RequestError for another folder of runs than that
    of the server, and RunError for a model that cannot be read.
    """
    server = _background(runs)
    shown = [_served(server, model) for model in models]
    if not models:
        add_found(server.serving, server.runs)
    place = f"#token={server.token}&/ask" + (f"?{urlencode({'model': shown[0]})}" if shown else "")
    return Page(f"{server.address}/{place}", height)


def _background(runs: str | Path | None) -> StudioServer:
    """The server of this process, started if there is none."""
    with _STARTING:
        if not _BACKGROUND or not _BACKGROUND[0].running:
            _BACKGROUND[:] = [StudioServer(Path(runs or "runs").absolute())]
        server = _BACKGROUND[0]
    if runs is not None and server.runs != Path(runs).absolute():
        raise RequestError(
            f"The studio of this process trains runs in {server.runs}. Stop it first (`studio.stop()`), or leave out "
            "`runs`."
        )
    return server


def _served(server: StudioServer, model: Generator | str | Path) -> str:
    """The name under which a model is served, from now on."""
    if isinstance(model, str | Path):
        [(name, place)] = named([model]).items()
        return str(server.serving.add(fitting(name), place).name)
    return str(server.serving.add(fitting(name_of(model)), model).name)
