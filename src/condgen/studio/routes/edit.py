"""Addresses about given images: whether a model can change them, and what it sees in them."""

import base64
from dataclasses import dataclass, field

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from condgen.arrays import Array, namespace
from condgen.errors import RequestError
from condgen.imprint import png
from condgen.runs.editing import STRENGTH, EditOptions
from condgen.runs.generator import Generator, reader
from condgen.runs.samples import Samples
from condgen.schema import Condition
from condgen.serving.batching import Deliver, Errand
from condgen.serving.editing import must_edit_images, observations
from condgen.serving.problems import documented
from condgen.serving.routes import Images, TheModel, accepted, beside, serving_of, uploads
from condgen.serving.tickets import unless_gone
from condgen.studio.material import without_labels

router = APIRouter(prefix="/studio")
UNLABELLED = "This model cannot edit: its data has no labels, from which a model learns what can be changed."


class Editing(BaseModel):
    """Whether a model can change given images."""

    why_not: str | None = Field(description="The reason why it cannot. null if it can.")
    strength: float = Field(description="The strength that suits the model.")


class Seen(BaseModel):
    """A given image as the model takes it."""

    image: str = Field(description="A PNG in base64.")
    condition: dict[str, str | None] = Field(description="The attributes that the model reads in it. null is unknown.")


class AllSeen(BaseModel):
    """Given images as the model takes them."""

    seen: list[Seen]
    note: str | None = Field(description="The reason why the model reads nothing in them. null if it does.")


@dataclass(frozen=True)
class Look:
    """Images to be read by a model, as it takes them."""

    x: Array
    notes: list[str] = field(default_factory=list)

    @property
    def note(self) -> str | None:
        """The reason why the model reads nothing in the images, if there is one."""
        return next(iter(self.notes), None)

    def job(self, deliver: Deliver) -> Errand:
        """The work for a batcher."""
        return Errand(self._seen, len(self.x), deliver, makes=0)

    def _seen(self, generator: Generator) -> Samples:
        none = namespace(self.x).zeros(len(self.x), dtype=namespace(self.x).int64)
        return Samples(self.x, self._read(generator), none, none)

    def _read(self, generator: Generator) -> Condition:
        try:
            return reader(generator).read(self.x)
        except RequestError as error:
            self.notes.append(str(error))
            return Condition.free(generator.schema, len(self.x), like=self.x)


@router.get("/{model}/editing", summary="Whether a model edits", responses=documented(401, 404, 422))
async def editing(served: TheModel) -> Editing:
    """Tell whether the model changes given images, and how strongly it does by default."""
    suited = EditOptions.suited(getattr(served.generator, "model", None))
    try:
        must_edit_images(served.generator)
    except RequestError as error:
        return Editing(why_not=UNLABELLED if without_labels(served.generator) else str(error), strength=1)
    return Editing(why_not=None, strength=1 if suited.decoded else STRENGTH)


@router.post(
    "/{model}/look",
    summary="What a model sees in images",
    responses=documented(400, 401, 404, 413, 415, 422, 429, 503, 504),
)
async def look(
    served: TheModel,
    http: Request,
    image: Images,
) -> AllSeen:
    """Read attributes in images, and show them as the model takes them."""
    serving = serving_of(http)
    images = await uploads(image)

    def planned(generator: Generator) -> Look:
        must_edit_images(generator)
        return Look(observations(images, generator.shape, serving.limits))

    plan, ticket = await accepted(http, served, planned)
    try:
        [samples] = await unless_gone(http, ticket.whole())
        return AllSeen(seen=await beside(serving, _shown, samples), note=plan.note)
    finally:
        ticket.close()


def _shown(samples: Samples) -> list[Seen]:
    pictures = (base64.b64encode(png(picture)).decode() for picture in samples.to_pil())
    return [Seen(image=image, condition=row) for image, row in zip(pictures, samples.condition.rows(), strict=True)]
