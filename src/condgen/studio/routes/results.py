"""Addresses about samples that the page shows: whether they obey, what training data is near, all as a data set."""

import base64
import binascii
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from condgen.data.coordinates import Coordinates
from condgen.errors import RequestError
from condgen.imprint import png
from condgen.runs.generator import Generator
from condgen.runs.samples import Samples
from condgen.schema import Attribute, Condition
from condgen.serving import editing
from condgen.serving.bodies import Name, Text
from condgen.serving.editing import Upload
from condgen.serving.problems import documented, problem
from condgen.serving.routes import TheModel, beside, names_of, serving_of
from condgen.serving.served import Served
from condgen.studio.bundle import zipped
from condgen.studio.material import Material
from condgen.studio.routes.training import measured
from condgen.studio.state import studio_of

if TYPE_CHECKING:
    from condgen.evaluation.judge.judge import Reading

router = APIRouter(prefix="/studio", generate_unique_id_function=lambda route: f"studio_{route.name}")
MOST = 1_000  # samples at once
SIGNATURE = b"\x89PNG\r\n\x1a\n"
Png = Annotated[str, Field(max_length=2**24, description="A PNG in base64.")]
Row = Annotated[dict[Name, Text | None], Field(max_length=10_000)]


class Judged(BaseModel):
    """An image, and what was asked for."""

    image: Png
    condition: Row


class JudgeBody(BaseModel):
    """Images to judge."""

    samples: list[Judged] = Field(min_length=1, max_length=MOST)


class Verdict(BaseModel):
    """The judge's reading of one attribute."""

    asked: str
    read: str
    obeyed: bool
    certainty: float | None = Field(description="The probability of the value that is read. null for numbers.")


class Verdicts(BaseModel):
    """The judge's readings, by attribute, of each image."""

    verdicts: list[dict[str, Verdict]]


class NearestBody(BaseModel):
    """Images whose nearest training images are wanted."""

    images: list[Png] = Field(min_length=1, max_length=MOST)


class Near(BaseModel):
    """A training image."""

    image: Png
    distance: float = Field(description="Root mean square difference of the pixels, from 0 to 1.")
    condition: Row
    row: int = Field(description="Its index in the training part of the data.")


class Nearest(BaseModel):
    """The nearest training image of each image."""

    nearest: list[Near]
    usual: float = Field(description="The distance at which a real image that was held out has its nearest one.")


class Kept(BaseModel):
    """A sample as it was shown."""

    image: Png | None = None
    values: list[float | None] | None = Field(default=None, max_length=100_000)
    seed: int = Field(default=0, ge=0, lt=2**40)
    condition: Row


class DatasetBody(BaseModel):
    """Samples to download."""

    samples: list[Kept] = Field(min_length=1, max_length=MOST)


@router.post(
    "/{model}/judge",
    summary="Whether images obey",
    response_model=Verdicts,
    responses=documented(401, 404, 409, 413, 422),
)
async def judge(served: TheModel, body: JudgeBody, request: Request) -> Any:
    """Read every attribute that was asked for from the images, by the judge that evaluations use.

    Answers with 409 and the seconds that it would take if no judge of the training data was trained yet.
    """
    serving, material = serving_of(request), studio_of(request).material(served)
    if await beside(serving, material.judge) is None:
        seconds = await beside(serving, _expected, material)
        detail = "No judge of this data was trained yet. It is trained once, and then kept."
        return problem(409, detail, needs="judge", seconds=seconds)
    return await beside(serving, _verdicts, material, served, body)


@router.post("/{model}/judge/train", summary="A job that trains the judge", status_code=201)
def train_judge(served: TheModel, request: Request) -> dict[str, Any]:
    """Train the judge of a model's training data, as a job."""
    return measured(request, "judge", served.name)


def _expected(material: Material) -> float:
    from condgen.evaluation.judge.judge import expected_seconds

    return round(expected_seconds(material.must_have_data()), 1)


def _verdicts(material: Material, served: Served, body: JudgeBody) -> Verdicts:
    import torch

    judge, schema = material.judge(), served.generator.schema
    assert judge, "it was there a moment ago"
    reading = judge.read(torch.as_tensor(decoded([each.image for each in body.samples], served)))
    asked = Condition.of(schema, [each.condition for each in body.samples], extrapolate=True)
    by_attribute = {a.name: list(_of_attribute(a, reading, asked)) for a in schema}
    verdicts = [
        {name: each[k] for name, each in by_attribute.items() if asked.given(name)[k]} for k in range(len(asked))
    ]
    return Verdicts(verdicts=verdicts)


def _of_attribute(a: Attribute, reading: "Reading", asked: Condition) -> Iterator[Verdict]:
    """The verdict on one attribute of each image. It means nothing where the attribute was not asked for."""
    codes, read, outputs = asked.values[a.name], reading.condition.values[a.name], reading.outputs[a.name]
    sure = outputs.exp().amax(1).tolist() if a.choices else [None] * len(asked)
    for wanted, seen, wrong, p in zip(codes.tolist(), read.tolist(), reading.misread(a.name, codes), sure, strict=True):
        yield Verdict(asked=a.show(wanted), read=a.show(seen), obeyed=not wrong, certainty=p)


@router.post("/{model}/nearest", summary="The nearest training images", responses=documented(401, 404, 413, 422))
async def nearest(served: TheModel, body: NearestBody, request: Request) -> Nearest:
    """Find the training image whose pixels differ least from each image: near ones may be copies."""
    return await beside(serving_of(request), _nearest, studio_of(request).material(served), served, body)


def _nearest(material: Material, served: Served, body: NearestBody) -> Nearest:
    train = material.must_have_data().train  # first: without it there may be no PyTorch either
    import torch

    from condgen.evaluation.metrics.memorisation import nearest_one

    distances, rows = nearest_one(torch.as_tensor(decoded(body.images, served)), train.observations)
    shown = Samples(train[rows].floats, train.condition[rows], rows, 0 * rows)
    images = [base64.b64encode(png(image)).decode() for image in shown.to_pil()]
    found = zip(distances.tolist(), rows.tolist(), shown.condition.rows(), images, strict=True)
    return Nearest(
        nearest=[Near(image=image, distance=d, condition=row, row=k) for d, k, row, image in found],
        usual=material.usual,
    )


@router.post(
    "/{model}/dataset",
    summary="Samples as a data set",
    response_class=Response,
    responses={**documented(401, 404, 413, 422), 200: {"content": {"application/zip": {}}}},
)
async def dataset(served: TheModel, body: DatasetBody, request: Request) -> Response:
    """Put samples into a ZIP, as the data set that `condgen sample` writes."""
    content = await beside(serving_of(request), _bundled, served, body)
    name = f'attachment; filename="{served.name}-samples.zip"'
    return Response(content, media_type="application/zip", headers={"Content-Disposition": name})


def _bundled(served: Served, body: DatasetBody) -> bytes:
    generator, kept = served.generator, body.samples
    images = len(generator.shape) == 3
    x: Any = decoded([each.image or "" for each in kept], served) if images else _vectors(kept, generator)
    condition = Condition.of(generator.schema, [each.condition for each in kept], extrapolate=True, like=x)
    seeds: Any = np.array([each.seed for each in kept], dtype=np.int64)
    pngs = [_content(each.image or "") for each in kept] if images else []
    return zipped(Samples(x, condition, seeds, 0 * seeds, _coordinates(generator)), pngs)


def _coordinates(generator: Generator) -> Coordinates | None:
    """The coordinates of vectors in the data's own units. None for images."""
    names = tuple(names_of(generator))
    return replace(Coordinates.plainly(len(names)), names=names) if names else None


def _vectors(kept: Sequence[Kept], generator: Generator) -> np.ndarray:
    """The vectors [n, dimension]. Raises RequestError for other lengths."""
    (dimension,) = generator.shape
    rows = [each.values or [] for each in kept]
    if any(len(row) != dimension for row in rows):
        raise RequestError(f"Every sample has {dimension} `values` here.")
    return np.array([[np.nan if v is None else v for v in row] for row in rows], dtype=np.float32)


def decoded(images: Sequence[str], served: Served) -> np.ndarray:
    """Images in base64 in the form for models. Raises RequestError and DataError for what is none."""
    if len(served.generator.shape) != 3:
        raise RequestError("This model makes vectors, not images.")
    uploads = [Upload(f"image {k}", _content(image)) for k, image in enumerate(images)]
    found: Any = editing.decoded(uploads, served.generator.shape)
    return found


def _content(image: str) -> bytes:
    """The bytes of a PNG in base64. Raises RequestError if it is none."""
    try:
        content = base64.b64decode(image, validate=True)
    except binascii.Error:
        content = b""
    if not content.startswith(SIGNATURE):
        raise RequestError("Every sample has an `image` here, a PNG in base64.")
    return content
