"""Addresses about what happens between and inside samples: ways, directions of noise, FiLM, the map of latents."""

import asyncio
import base64
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter
from fastapi import Request as Http
from pydantic import BaseModel, ConfigDict, Field

from condgen.errors import RequestError
from condgen.imprint import png
from condgen.requests.request import Request
from condgen.runs.answering import Answering
from condgen.runs.generator import Generator
from condgen.runs.samples import Samples
from condgen.runs.sampling import Part, SamplingOptions
from condgen.serving.asking import must_take_few, parsed
from condgen.serving.batching import Deliver, Errand
from condgen.serving.bodies import Asked, Name, Number, SampleBody, Weight
from condgen.serving.limits import Limits
from condgen.serving.problems import documented
from condgen.serving.routes import TheModel, accepted, beside, serving_of
from condgen.serving.served import Served
from condgen.serving.tickets import unless_gone
from condgen.studio.insight import answering, must_modulate
from condgen.studio.state import studio_of

if TYPE_CHECKING:
    from condgen.runs.modulation import LayerPart

router = APIRouter(prefix="/studio/{model}")
REFUSALS = documented(400, 401, 404, 413, 415, 422, 429, 503, 504)
Seed = Annotated[int, Field(ge=0, lt=2**40)]


class How(BaseModel):
    """Settings of sampling. null is the model's own default."""

    model_config = ConfigDict(extra="forbid")

    guidance: Weight | dict[Name, Weight] | None = None
    interval: tuple[Number, Number] | None = None
    steps: Annotated[int, Field(ge=1, le=2**31)] | None = None
    sampler: Name | None = None

    def options(self, limits: Limits) -> SamplingOptions:
        """The same for the library. Raises RequestError for more steps than the limit."""
        must_take_few(self.steps, limits)
        return SamplingOptions(guidance=self.guidance, interval=self.interval, steps=self.steps, sampler=self.sampler)


class OneSample(BaseModel):
    """A sample: what was asked, and its seed."""

    model_config = ConfigDict(extra="forbid")

    request: Asked = ""
    seed: Seed = 0


class Way(BaseModel):
    """Two samples, and the number of pictures from one to the other."""

    start: OneSample = Field(alias="from")
    end: OneSample = Field(alias="to")
    steps: int = Field(default=9, ge=2, le=64, description="Pictures, both ends included.")
    how: How = How()


class MovedSample(OneSample):
    """A sample whose noise is moved along directions."""

    along: dict[Annotated[int, Field(ge=0, le=63)], Annotated[float, Field(ge=-10, le=10)]] = Field(
        default={}, description="Standard deviations by the index of a direction."
    )


class Moved(BaseModel):
    """Samples whose noise is moved along directions."""

    cells: list[MovedSample] = Field(min_length=1, max_length=256)
    how: How = How()


class Pair(BaseModel):
    """Two requests with one seed."""

    request: Asked = ""
    versus: Asked = ""
    seed: Seed = 0


@dataclass(frozen=True)
class Work:
    """Work that has a model to itself: a call that gives samples."""

    call: Callable[[Any], Samples]
    size: int

    def job(self, deliver: Deliver) -> Errand:
        """The work for a batcher."""
        return Errand(self.call, self.size, deliver)


async def _done(served: Served, http: Http, plan: Callable[[Generator], Work]) -> Samples:
    """The samples of work that was planned and accepted."""
    _, ticket = await accepted(http, served, plan)
    try:
        return Samples.cat(await unless_gone(http, ticket.whole()))
    finally:
        ticket.close()


def _one(generator: Generator, asked: Asked, limits: Limits) -> Request:
    """The one request that a text or terms stand for. Raises RequestError for several."""
    found = parsed(generator, SampleBody(request=asked).asked(), 1, limits)
    if len(found) > 1:
        raise RequestError(f"That stands for {len(found)} requests; here it has to be one.")
    return found[0]


def _images(x: Any) -> list[str]:
    """Pictures [n, channel, height, width] as PNGs in base64."""
    from condgen.pictures import pil_image

    return [base64.b64encode(png(pil_image(each))).decode() for each in x]


def _shown(samples: Samples) -> list[dict[str, Any]]:
    """Samples for the page. They carry no origin, as no request alone gives them."""
    contents = [{"image": each} for each in _images(samples.x)] if samples.images else []
    contents = contents or [{"values": row} for row in samples.values.tolist()]
    labels = zip(samples.condition.rows(), samples.seeds.tolist(), contents, strict=True)
    return [{"request": 0, "condition": row, "seed": seed, **content} for row, seed, content in labels]


@router.post("/interpolate", summary="The way from one sample to another", responses=REFUSALS)
async def interpolate(served: TheModel, body: Way, http: Http) -> dict[str, Any]:
    """Generate samples on the way from one to another, through encoded requests and noise."""
    serving = serving_of(http)

    def planned(generator: Generator) -> Work:
        run = answering(generator)
        run.must_interpolate()
        start, end = (_one(generator, each.request, serving.limits) for each in (body.start, body.end))
        how = body.how.options(serving.limits)

        def call(model: Answering) -> Samples:
            return model.interpolate(start, end, body.steps, body.start.seed, body.end.seed, how)

        return Work(call, body.steps)

    return {"samples": await beside(serving, _shown, await _done(served, http, planned))}


# ---- directions of the noise


@router.get("/directions", summary="The directions of the noise that change samples most", responses=REFUSALS)
async def directions(served: TheModel, http: Http) -> dict[str, Any]:
    """Tell the share of each direction in all that the noise changes. There are none in the noise of whole images."""
    try:
        insight = studio_of(http).insight(served)
        found = await beside(serving_of(http), lambda: insight.directions)
    except RequestError as error:
        return {"shares": [], "note": str(error)}
    return {"shares": found.shares.tolist(), "note": None}


@router.post("/along", summary="Samples moved along directions of the noise", responses=REFUSALS)
async def along(served: TheModel, body: Moved, http: Http) -> dict[str, Any]:
    """Generate samples whose noise is moved along directions, counted from the one with the largest effect."""
    import numpy as np

    from condgen.runs.directions import moved

    serving, insight = serving_of(http), studio_of(http).insight(served)
    found = await beside(serving, lambda: insight.directions)
    amounts = np.zeros((len(body.cells), len(found.vectors)), np.float32)
    for row, cell in zip(amounts, body.cells, strict=True):
        for index, amount in cell.along.items():
            if index >= len(row):
                raise RequestError(f"There are {len(row)} directions, counted from 0, so none is {index}.")
            row[index] = amount

    def planned(generator: Generator) -> Work:
        run = answering(generator)
        asked = [_one(generator, cell.request, serving.limits) for cell in body.cells]
        parts = [Part(each, range(c.seed, c.seed + 1)) for each, c in zip(asked, body.cells, strict=True)]
        how = body.how.options(serving.limits)
        how.validate_for(run.model)
        return Work(lambda model: moved(model, parts, amounts @ found.vectors, how), len(parts))

    return {"samples": await beside(serving, _shown, await _done(served, http, planned))}


# ---- FiLM


@router.post("/film", summary="FiLM, layer by layer", responses=REFUSALS)
async def film(served: TheModel, body: Pair, http: Http) -> dict[str, Any]:
    """Tell γ and β of two requests in each layer, and show the samples with those of one layer replaced."""
    must_modulate(studio_of(http).material(served))
    from condgen.runs.modulation import layer_by_layer

    serving, layers = serving_of(http), list["LayerPart"]()

    def planned(generator: Generator) -> Work:
        one, other = (_one(generator, each, serving.limits) for each in (body.request, body.versus))

        def call(model: Any) -> Samples:
            found = layer_by_layer(model, one, other, body.seed)
            layers.extend(found.layers)
            return found.samples

        return Work(call, 2)

    samples = await _done(served, http, planned)
    return {
        "samples": await beside(serving, _shown, samples),
        "layers": await beside(serving, lambda: [_layer(each, samples) for each in layers]),
    }


def _layer(part: "LayerPart", samples: Samples) -> dict[str, Any]:
    """A layer for the page. `effect`: mean absolute change of each picture without the layer's modulation."""
    return {
        "name": part.modulation.name,
        "scale": _rounded(part.modulation.scale),
        "shift": _rounded(part.modulation.shift),
        "silent": _images(part.silent),
        "exchanged": _images(part.exchanged),
        "effect": (part.silent - samples.x).abs().flatten(1).mean(1).tolist(),
    }


def _rounded(rows: Any) -> list[list[float]]:
    """Numbers with the digits that a chart can show."""
    return [[round(number, 4) for number in row] for row in rows.tolist()]


# ---- the map of latents


@router.get("/latents", summary="The map of the latents of held-out data", responses=REFUSALS)
async def latents(served: TheModel, http: Http, attribute: str | None = None, telling: bool = False) -> dict[str, Any]:
    """Place held-out examples by their latents, encoded with and without their conditions."""
    insight = studio_of(http).insight(served)
    names = served.generator.schema.names
    return await asyncio.to_thread(lambda: insight.encoded().shown(attribute or names[0], telling))
