"""Addresses about what a model can be asked."""

import asyncio
from threading import Event
from typing import Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from condgen.errors import RequestError
from condgen.requests.request import Request as Asking
from condgen.runs.generator import Generator
from condgen.serving.asking import SamplePlan, parsed
from condgen.serving.bodies import Asked, ModelInfo, SampleBody, Understood
from condgen.serving.limits import Limits
from condgen.serving.problems import documented, spell
from condgen.serving.routes import TheModel, accepted, beside, considered, info, serving_of
from condgen.serving.served import Served
from condgen.serving.tickets import Deadline
from condgen.studio import thumbnails
from condgen.studio.about import About, Pictures, about
from condgen.studio.features import features
from condgen.studio.labels import Labels, rarity
from condgen.studio.state import studio_of

LOADING = 0.4  # seconds for which the description of a model waits for its training data
MAKING = 2.0  # seconds for which it waits for pictures that the model makes, if there is no data yet
router = APIRouter(prefix="/studio", generate_unique_id_function=lambda route: f"studio_{route.name}")


class Shown(ModelInfo):
    """A model that the page shows."""

    features: list[str] = Field(description="The parts of the page that it has, beside asking.")


class AllShown(BaseModel):
    """The models that the page shows, and whether it can train more."""

    models: list[Shown]
    trains: bool


class Question(BaseModel):
    """A request to understand."""

    request: Asked = Field(default="", description="In words or terms, or by names and values.")


class Term(Understood):
    """A request as it was understood, and as controls show it."""

    terms: dict[str, Any] = Field(description="By attribute: a value, several, the ends of a range, or {'not': …}.")


class Unclear(BaseModel):
    """A text that is not understood, which is an answer too: whoever types has not finished yet."""

    detail: str = Field(description="What is wrong, and what to do.")
    words: list[str] = Field(description="Its unknown words. Without them the rest may be understood.")


class Answer(BaseModel):
    """The requests that words stand for, and how the training data shows the first of them."""

    requests: list[Term]
    unclear: Unclear | None = Field(default=None, description="The reason why a text stands for no request.")
    examples: int | None = Field(description="Training examples that fit. null if they cannot be counted.")
    note: str | None = Field(description="A remark about requests that the data shows seldom or never.")


@router.get("/models", summary="The models that the page shows", responses=documented(401))
async def models(request: Request) -> AllShown:
    """List the models, with the parts of the page that each of them has."""
    studio = studio_of(request)
    found = [
        Shown(**info(served).model_dump(), features=features(studio.material(served)))
        for served in serving_of(request).models.values()
    ]
    return AllShown(models=found, trains=studio.trains)


@router.get("/{model}/about", summary="What a model can be asked", responses=documented(401, 404))
async def describe(served: TheModel, request: Request) -> About:
    """Describe a model such that controls can be made for it. Pictures are of its training data, if that is at hand."""
    serving, studio = serving_of(request), studio_of(request)
    generator, material = served.generator, studio.material(served)
    data = await asyncio.to_thread(material.data, LOADING)
    alike = data if data and data.schema == generator.schema else None  # codes that were discovered are in no data
    pictures = await (asyncio.to_thread(thumbnails.of_data, alike.train) if alike else _generated(request, served))
    return await asyncio.to_thread(
        about,
        generator,
        served.name,
        labels=Labels.of(generator, data),
        features=features(material),
        pictures=pictures,
        most=serving.limits.samples,
    )


async def _generated(request: Request, served: Served) -> Pictures:
    """Pictures of values that the model makes. None if it takes too long or fails: a page can do without."""
    values, asked, how = await beside(serving_of(request), thumbnails.asked_of_model, served.generator)
    if not values:
        return {}
    _, ticket = await accepted(request, served, lambda generator: SamplePlan(asked, 1, 0, how))
    try:
        images = [x for part in await asyncio.wait_for(ticket.whole(), MAKING) for x in part.x]
    except Exception:
        return {}
    finally:
        ticket.close()
    return {value: thumbnails.data_uri(image) for value, image in zip(values, images, strict=True)}


@router.post("/{model}/understand", summary="What words stand for", responses=documented(401, 404, 413, 422))
async def understand(served: TheModel, body: Question, request: Request) -> Answer:
    """Tell what a request asks for, in terms that controls show, and how many training examples fit it."""
    serving, material = serving_of(request), studio_of(request).material(served)
    data = material.data(patience=0.0)  # counts exactly what is thinned in the model, once it is loaded
    work = (_understood, served.generator, body, serving.limits, Labels.of(served.generator, data))
    return await considered(request, Deadline(serving.limits.deadline), Event(), *work)


def _understood(generator: Generator, body: Question, limits: Limits, labels: Labels | None) -> Answer:
    try:
        found = parsed(generator, SampleBody(request=body.request).asked(), 1, limits)
    except RequestError as error:
        if not isinstance(body.request, str):
            raise
        unclear = Unclear(detail=spell(str(error)), words=list(error.words))
        return Answer(requests=[], unclear=unclear, examples=None, note=None)
    examples = labels.fitting(found[0]) if labels and len(found) == 1 else None
    return Answer(
        requests=[_term(each, generator) for each in found],
        examples=examples,
        note=rarity(examples, labels.total if labels else None),
    )


def _term(asked: Asking, generator: Generator) -> Term:
    terms = {name: constraint.term(generator.schema[name]) for name, constraint in asked.constraints.items()}
    return Term(text=asked.text, asked=asked.asked, notes=list(asked.notes), terms=terms)
