"""The addresses of the API."""

import asyncio
import math
from collections.abc import AsyncIterator, Callable, Coroutine
from functools import partial
from threading import Event
from typing import Annotated, Any, Literal, TypeVar

from fastapi import APIRouter, Depends, File, Form, Path, Request, Response, UploadFile
from fastapi.routing import APIRoute
from pydantic import Field
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, StreamingResponse
from starlette.types import Receive, Scope, Send

from condgen.errors import RequestError, unknown
from condgen.imprint import Origin
from condgen.runs.generator import Generator, edits
from condgen.runs.samples import Samples
from condgen.serving import answers, editing
from condgen.serving.asking import Answerable, Plan, planned
from condgen.serving.batching import Batcher, ClosedError
from condgen.serving.bodies import (
    Format,
    Health,
    ModelInfo,
    ModelList,
    ModelSchema,
    ReadAnswer,
    SampleAnswer,
    SampleBody,
)
from condgen.serving.metrics import TYPE as METRICS_TYPE
from condgen.serving.problems import documented, of_error
from condgen.serving.served import Served, Serving
from condgen.serving.tickets import Deadline, Ticket, unless_gone

T = TypeVar("T")
P = TypeVar("P", bound=Plan)


class RoomFirst(APIRoute):
    """A route that refuses work for a model without room for it before its body is read: a flood then costs little."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The function that answers requests."""
        answer = super().get_route_handler()

        async def answer_if_there_is_room(request: Request) -> Response:
            served = serving_of(request).models.get(request.path_params.get("model", ""))
            if served and request.method == "POST":
                served.batcher.must_have_room()
            return await answer(request)

        return answer_if_there_is_room


router = APIRouter(generate_unique_id_function=lambda route: route.name, route_class=RoomFirst)


def serving_of(request: Request) -> Serving:
    """The state of the application."""
    found: Serving = request.app.state.serving
    return found


async def _served(
    request: Request, model: Annotated[str, Path(description="A model's name.", examples=["digits"])]
) -> Served:
    """The model that an address names. Raises HTTPException (404)."""
    models = serving_of(request).models
    if model not in models:
        raise HTTPException(404, f"There is no model '{model[:100]}' here. Served: {', '.join(models)}.")
    return models[model]


SEVERAL = "image"  # the field of a form that may be sent several times


async def must_know_fields(request: Request) -> None:
    """Raise RequestError for a field of a form that nothing would use, such as one that is sent again."""
    known = [field.alias for field in request.scope["route"].dependant.body_params]
    form = await request.form()
    for name in form:
        if name not in known:
            raise unknown("field", name, known)
        if name != SEVERAL and (times := len(form.getlist(name))) > 1:
            raise RequestError(f"The field '{name}' was sent {times} times; send it once.")


TheModel = Annotated[Served, Depends(_served)]


SMALL = 16_384  # values in an answer; fewer are written sooner than another thread has begun


async def beside(serving: Serving, work: Callable[..., T], *arguments: Any, small: bool = False) -> T:
    """The result of work in another thread, while the event loop goes on. Small work is done at once."""
    if small:
        return work(*arguments)
    return await asyncio.get_running_loop().run_in_executor(serving.threads, partial(work, *arguments))


async def accepted(
    http: Request, served: Served, plan: Callable[[Generator], P], small: bool = False, stop: Event | None = None
) -> tuple[P, Ticket]:
    """Plan a request and queue it, before one deadline. If the model is read again in between, the new one is asked.

    small: whether planning takes less time than another thread needs to begin.
    stop: set as soon as nobody waits for the plan any more.
    """
    deadline = Deadline(serving_of(http).limits.deadline)
    while True:
        batcher = served.batcher
        made = plan(batcher.generator) if small else await _planned(http, batcher, plan, deadline, stop or Event())
        try:
            return made, Ticket(batcher, made.job, deadline)
        except ClosedError:
            if served.batcher is batcher:
                raise


async def _planned(
    http: Request, batcher: Batcher, plan: Callable[[Generator], P], deadline: Deadline, stop: Event
) -> P:
    with batcher.reading():
        return await considered(http, deadline, stop, plan, batcher.generator)


async def considered(http: Request, deadline: Deadline, stop: Event, work: Callable[..., T], *arguments: Any) -> T:
    """The result of reading a request in another thread. `stop` is set when nobody waits for it any more.

    Raises LateError at the deadline, and GoneError as soon as the client has closed the connection.
    """
    reading = asyncio.get_running_loop().run_in_executor(serving_of(http).planners, partial(work, *arguments))
    try:
        return await deadline.keep(unless_gone(http, reading))
    finally:
        stop.set()


_content: dict[str, Any] = {
    media: {"schema": {"type": "string", "format": "binary"}} for media in ("image/png", "multipart/mixed")
} | {"application/x-ndjson": {"schema": {"$ref": "#/components/schemas/Sample"}}}
ANSWER: dict[int | str, dict[str, Any]] = {
    200: {
        "model": SampleAnswer,
        "description": "The samples: as JSON, as one line of JSON per sample while they are made, as one PNG with a "
        "row per request, or as a part of JSON and a part of PNG per image.",
        "content": _content,
    }
}
NUMBERS: dict[int | str, dict[str, Any]] = {
    200: {"description": "All numbers.", "content": {"text/plain": {"schema": {"type": "string"}}}}
}

Images = Annotated[list[UploadFile], File(description="One or several images, cropped and resized to the model's.")]
MASK = "A grey image of where all images may change: white may, black stays. By default everywhere."
LONGEST = 100_000  # characters of a field: each number of a vector takes twenty in JSON
CHANGE = "The attributes to change: a request, or a mapping in JSON, whose numbers are not rounded."
SOURCE = "The attributes of the images as they are, in the same form. By default the model reads them."
STRENGTH = "Strength of the change, or auto: small changes are exaggerated more."
Strength = Annotated[float, Field(allow_inf_nan=False)] | Literal["auto"]


@router.post(
    "/v1/{model}/sample",
    summary="Samples for requests",
    response_class=Response,
    responses=ANSWER | documented(400, 401, 404, 406, 413, 415, 422, 429, 503, 504),
)
async def sample(served: TheModel, body: SampleBody, request: Request) -> Response:
    """Generate samples. The same request with the same seed gives the same samples."""
    serving = serving_of(request)
    form = answers.chosen(body.format, request.headers.get("accept", ""), len(served.generator.shape) == 3)
    stop = Event()
    plan, ticket = await accepted(
        request, served, lambda model: planned(model, body, serving.limits, stop), body.is_small, stop
    )
    return await answered(served, request, ticket, plan, form)


@router.post(
    "/v1/{model}/edit",
    summary="Images with other attributes",
    dependencies=[Depends(must_know_fields)],
    response_class=Response,
    responses=ANSWER | documented(400, 401, 404, 406, 413, 415, 422, 429, 503, 504),
)
async def edit(
    served: TheModel,
    http: Request,
    image: Images,
    request: Annotated[str, Form(description=CHANGE, max_length=LONGEST, examples=["digit=7"])],
    source: Annotated[str | None, Form(description=SOURCE, max_length=LONGEST)] = None,
    seed: Annotated[int, Form(description="Seed of image 0, for attributes that are drawn.", ge=0, lt=2**40)] = 0,
    strength: Annotated[Strength | None, Form(description=STRENGTH)] = None,
    decoded: Annotated[bool, Form(description="Decode the image anew instead of adding the change to it.")] = False,
    mask: Annotated[UploadFile | None, File(description=MASK)] = None,
    format: Annotated[Format | None, Form(description="Form of the answer.")] = None,  # noqa: A002 (its name in a form)
) -> Response:
    """Change attributes of given images and keep the rest."""
    serving = serving_of(http)
    form = answers.chosen(format, http.headers.get("accept", ""), len(served.generator.shape) == 3)
    where = (await uploads([mask]))[0] if mask else None
    wanted = editing.Wanted(await uploads(image), request, source, seed, strength, decoded, where)
    plan, ticket = await accepted(http, served, lambda model: editing.planned(model, wanted, serving.limits))
    return await answered(served, http, ticket, plan, form)


@router.post(
    "/v1/{model}/read",
    summary="Attributes of images",
    dependencies=[Depends(must_know_fields)],
    responses=documented(400, 401, 404, 413, 415, 422, 429, 503, 504),
)
async def read(served: TheModel, http: Request, image: Images) -> ReadAnswer:
    """Tell the attributes that the model reads in given images, as an edit does that is not told them."""
    serving, images = serving_of(http), await uploads(image)
    _, ticket = await accepted(http, served, lambda model: editing.planned_reading(model, images, serving.limits))
    try:
        [samples] = await unless_gone(http, ticket.whole())
        return ReadAnswer(conditions=samples.condition.rows())
    finally:
        ticket.close()


async def uploads(images: list[UploadFile]) -> list[editing.Upload]:
    """The uploaded images with their bytes."""
    return [editing.Upload(each.filename or "image", await each.read()) for each in images]


async def answered(served: Served, request: Request, ticket: Ticket, plan: Answerable, form: Format) -> Response:
    """The answer to an accepted request: lines as they are made, anything else when it is whole."""
    serving = serving_of(request)
    origin = Origin([each.text for each in plan.asked], served.name, served.batcher.fingerprint, plan.given)
    try:
        if form == "ndjson":
            parts = ticket.parts()
            return _Lines(serving, ticket, origin, await unless_gone(request, anext(parts)), parts)
        made = await unless_gone(request, ticket.whole())
        small = form == "json" and sum(len(part) for part in made) * math.prod(served.generator.shape) <= SMALL
        content = await beside(serving, answers.encoded, form, plan.asked, origin, made, small=small)
        ticket.close()
        return Response(content, media_type=answers.MEDIA[form])
    except BaseException:
        ticket.close()
        raise


class _Lines(StreamingResponse):
    """Lines of JSON, sent as the samples are made. An error after the first of them becomes the last line."""

    def __init__(self, serving: Serving, ticket: Ticket, origin: Origin, first: Samples, rest: AsyncIterator[Samples]):
        self._serving, self._ticket, self._origin = serving, ticket, origin
        super().__init__(self._lines(first, rest), media_type=answers.MEDIA["ndjson"])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the lines. Afterwards, also where the client has gone, the request is done."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._ticket.close()

    async def _lines(self, first: Samples, rest: AsyncIterator[Samples]) -> AsyncIterator[bytes]:
        try:
            yield await beside(self._serving, answers.as_lines, first, self._origin)
            async for part in rest:
                yield await beside(self._serving, answers.as_lines, part, self._origin)
        except Exception as error:
            yield b'{"problem":' + bytes(of_error(error).body) + b"}\n"


@router.get("/v1", include_in_schema=False)
async def index() -> Response:
    """Send whoever looks around to the list of models."""
    return RedirectResponse("/v1/models")


@router.get("/v1/models", summary="All models", responses=documented(401))
async def models(request: Request) -> ModelList:
    """List the models that are served."""
    return ModelList(models=[info(served) for served in serving_of(request).models.values()])


@router.get("/v1/{model}/schema", summary="Attributes of a model", responses=documented(401, 404, 422))
async def schema(served: TheModel, request: Request) -> ModelSchema:
    """Tell everything that a model can be asked for."""
    generator = served.generator
    return ModelSchema(
        **info(served).model_dump(),
        attributes=generator.schema.model_dump(mode="json")["attributes"],
        coordinates=names_of(generator),
        most=serving_of(request).limits.samples,
        most_edited=serving_of(request).limits.batch,
    )


def info(served: Served) -> ModelInfo:
    """A model in a list."""
    batcher = served.batcher
    return ModelInfo(
        name=served.name,
        shape=list(batcher.generator.shape),
        example=batcher.generator.schema.example,
        edits=edits(batcher.generator),
        fingerprint=batcher.fingerprint,
    )


def names_of(generator: Generator) -> list[str]:
    """The names of a vector's coordinates. Empty for images."""
    coordinates = getattr(generator, "coordinates", None)
    return [] if coordinates is None else list(coordinates.names)


@router.get("/healthz", summary="Whether the server runs")
async def healthz() -> Health:
    """Answer as long as the server runs."""
    return Health(status="ok")


@router.get("/readyz", summary="Whether the server accepts requests", responses=documented(503))
async def readyz(request: Request) -> Health:
    """Answer with 503 as soon as the server is about to stop."""
    if serving_of(request).closing:
        raise ClosedError
    return Health(status="ok")


@router.get(
    "/metrics",
    summary="Numbers for Prometheus",
    response_class=Response,
    responses=NUMBERS | documented(401),
)
async def metrics(request: Request) -> Response:
    """Tell counts of answers, samples and batches, seconds, and the work that waits."""
    return Response(serving_of(request).metrics.text(), media_type=METRICS_TYPE)
