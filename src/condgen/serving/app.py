"""The HTTP API of trained models as an application."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic.json_schema import models_json_schema

from condgen.bearer import checked_token
from condgen.errors import RequestError
from condgen.runs.generator import Generator
from condgen.serving import routes
from condgen.serving.guards import BodyGuard, TokenGuard
from condgen.serving.limits import Limits
from condgen.serving.metrics import Metrics
from condgen.serving.problems import Mistake, Problem, answer_errors
from condgen.serving.served import Serving, opened

ENCODERS = 2  # threads that write answers
PLANNERS = 2  # threads that read requests, apart from those: whoever waits for an answer waits for no long request


def create_app(
    models: Mapping[str, Generator | str | Path],
    *,
    limits: Limits | None = None,
    token: str | None = None,
    watch: float | None = 2.0,
    apart: bool = False,
) -> FastAPI:
    """The application that serves models by name.

    models: generators, or paths of runs and exported models.
    token: the bearer token that every request needs, except those for the server's health.
    watch: seconds between looks at the models' files, which are read again when they change. None never looks.
    apart: whether each model that was given by its path computes in a process of its own, so that it and the answers
        do not wait for each other. Its weights are in that process only.

    Raises RequestError for a wrong name, limit or token, and RunError for a model that cannot be read.
    """
    if not models:
        raise RequestError("Name at least one model to serve.")
    return application(models, limits=limits, token=token, watch=watch, apart=apart)


def application(
    models: Mapping[str, Generator | str | Path],
    *,
    limits: Limits | None = None,
    token: str | None = None,
    watch: float | None = 2.0,
    apart: bool = False,
) -> FastAPI:
    """The same without the promise of a model: `app.state.serving.add` adds one while it runs."""
    limits, metrics = limits or Limits(), Metrics()
    found = opened(models, limits, metrics, apart)
    encoders, planners = (
        ThreadPoolExecutor(ENCODERS, "condgen-encoder"),
        ThreadPoolExecutor(PLANNERS, "condgen-planner"),
    )
    serving = Serving(found, limits, metrics, encoders, planners)
    app = FastAPI(
        title="condgen",
        version=version("condgen"),
        description="Samples of trained models, asked for by attributes.",
        lifespan=_lifespan,
        docs_url=None,  # its page would load scripts from elsewhere
        redoc_url=None,
    )
    app.state.serving, app.state.watch = serving, watch
    app.include_router(routes.router)
    answer_errors(app)
    app.add_middleware(metrics.counting, models=serving.models)
    app.add_middleware(BodyGuard, most=limits.body)
    if token:
        app.add_middleware(TokenGuard, token=checked_token(token))
    app.openapi = lambda: _described(app, secured=bool(token))  # type: ignore[method-assign]
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Watch the models' files. In the end, finish all accepted work."""
    serving: Serving = app.state.serving
    watching = asyncio.create_task(_watch(serving, app.state.watch))
    try:
        yield
    finally:
        serving.closing = True
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)  # however it ended, all accepted work is finished
        for served in [*serving.models.values()]:
            await asyncio.to_thread(served.close)


async def _watch(serving: Serving, seconds: float | None) -> None:
    while seconds is not None:
        await asyncio.sleep(seconds)
        for served in [*serving.models.values()]:
            await asyncio.to_thread(served.refresh)


def _described(app: FastAPI, secured: bool) -> dict[str, Any]:
    """The description of the API in OpenAPI. It names the models that are served at present."""
    names = list(app.state.serving.models)
    if not app.openapi_schema or app.state.described != names:
        found = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
        schemas = found["components"]["schemas"]
        for unused in ("HTTPValidationError", "ValidationError"):  # FastAPI's own, in whose place are problems
            schemas.pop(unused, None)
        schemas |= models_json_schema(
            [(model, "serialization") for model in (Problem, Mistake)], ref_template="#/components/schemas/{model}"
        )[1]["$defs"]
        for parameter in _parameters(found):
            if (parameter["in"], parameter["name"]) == ("path", "model"):
                parameter["schema"]["enum"] = names
        if secured:
            found["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
            found["security"] = [{"token": []}]
        app.openapi_schema, app.state.described = found, names
    return app.openapi_schema


def _parameters(description: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for path in description["paths"].values():
        for operation in path.values():
            yield from operation.get("parameters", [])
