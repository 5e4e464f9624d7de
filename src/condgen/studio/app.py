"""The studio as an application: the HTTP API of `condgen serve`, the page's own addresses, and the page's files."""

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

from fastapi import APIRouter, FastAPI
from starlette.middleware.gzip import GZipMiddleware

from condgen.bearer import checked_token
from condgen.runs.generator import Generator
from condgen.serving.app import application
from condgen.serving.limits import Limits
from condgen.studio.guards import PageGuard, TokenGuard
from condgen.studio.routes import ask, edit, explore, files, report, results, training
from condgen.studio.state import Studio

LIMITS = Limits(body=32 * 2**20)  # a data set to download comes back as the images that were shown
ROUTERS: Sequence[APIRouter] = (  # none imports PyTorch until it is asked
    ask.router,
    edit.router,
    explore.router,
    results.router,
    report.router,
    training.router,
    files.router,
)


def create_studio(
    models: Mapping[str, Generator | str | Path] | None = None,
    *,
    runs: str | Path = "runs",
    limits: Limits | None = None,
    token: str | None = None,
    watch: float | None = 2.0,
    frames: Sequence[str] = (),
) -> FastAPI:
    """The application behind the studio's page. It has all addresses of `condgen.serving.create_app` as well.

    models: by name, as for `create_app`. There may be none. `app.state.serving.add` adds one while it runs.
    runs: the folder of the runs that the page trains, and of no others.
    token: the bearer token that everything but the page's files needs.
    frames: origins of pages that may show this one in a frame, beside its own.

    Raises errors as `create_app` does.
    """
    app = application(models or {}, limits=limits or LIMITS, watch=watch)
    app.state.studio = Studio(Path(runs), trains=find_spec("torch") is not None, frames=tuple(frames))
    for router in ROUTERS:
        app.include_router(router)
    app.add_middleware(GZipMiddleware, minimum_size=1_000, compresslevel=4)
    if token:
        app.add_middleware(TokenGuard, token=checked_token(token))
    app.add_middleware(PageGuard)
    return app
