"""The description of a model from which the page makes its controls: made of the schema and the labels alone."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, Field

from condgen.models.abilities import Guided
from condgen.models.flow.samplers import SAMPLERS
from condgen.requests.text import vocabulary
from condgen.runs.generator import Generator, edits
from condgen.schema import Attribute
from condgen.schema.controls import Control, readable
from condgen.studio.labels import Labels, unlabelled

UNLESS_NONE: Any = Field(default=None, exclude_if=lambda value: value is None)
Pictures = Mapping[tuple[str, str], str]  # by attribute and value: the data URI of a small picture


class ValueAbout(BaseModel):
    """A value that can be chosen."""

    value: str
    label: str = Field(description="As people write it.")
    count: int | None = Field(description="Training examples that have it. null if that is unknown.")
    picture: str | None = Field(description="The data URI of a small picture.")


class Histogram(BaseModel):
    """The counts of numbers in bins. There is one more edge than there are bins."""

    edges: list[float]
    counts: list[int]


class AttributeAbout(BaseModel):
    """An attribute, as a control shows it. Members that its kind does not have are left out."""

    name: str
    label: str = Field(description="As people write it.")
    kind: str
    values: list[ValueAbout] | None = UNLESS_NONE
    low: float | None = UNLESS_NONE
    high: float | None = UNLESS_NONE
    unit: str | None = UNLESS_NONE
    log: bool | None = UNLESS_NONE
    whole: bool | None = UNLESS_NONE
    histogram: Histogram | None = UNLESS_NONE
    size: int | None = UNLESS_NONE


class About(BaseModel):
    """Everything that the page must know of a model."""

    name: str
    shape: list[int]
    example: str
    family: str = Field(description="Empty if it is unknown, as for a model of another server.")
    mechanism: str
    images: int = Field(description="Training examples shown to it, repetitions included.")
    data: str
    fingerprint: str
    examples: int | None = Field(description="Rows of the training data.")
    conditional: bool
    guided: bool
    guidance: float | None
    steps: int | None
    samplers: list[str]
    can_leave_free: bool
    edits: bool
    features: list[str] = Field(description="The parts of the page that it has, beside asking.")
    attributes: list[AttributeAbout]
    most: int = Field(description="Largest number of samples at once.")


def about(
    generator: Generator,
    name: str,
    *,
    labels: Labels | None,
    features: Iterable[str],
    pictures: Pictures | None = None,
    most: int = 1_000,
) -> About:
    """The description of a model.

    labels: of its training data, if they are known.
    pictures: one of each value, as far as there are any.
    most: samples that can be asked for at once.
    """
    return About(
        name=name,
        shape=list(generator.shape),
        example=generator.schema.example,
        fingerprint=generator.fingerprint,
        examples=labels.total if labels else None,
        edits=edits(generator),
        features=list(features),
        attributes=[_attribute(a, labels, pictures or {}) for a in generator.schema],
        most=most,
        **_training(generator),
        **_sampling(generator),
    )


def _training(generator: Generator) -> dict[str, Any]:
    """Facts about the training, as far as the generator knows them."""
    info: Any = getattr(generator, "info", getattr(generator, "header", None))
    recipe = getattr(info, "recipe", {})
    source = getattr(generator, "source", None)
    return {
        "family": str(recipe.get("model", "")),
        "mechanism": str(recipe.get("arguments", {}).get("mechanism", "")),
        "images": getattr(info, "images", 0),
        "data": source.describe() if source else "",
    }


def _sampling(generator: Generator) -> dict[str, Any]:
    """The ways in which the generator can be sampled."""
    model: Any = getattr(generator, "model", None)
    guided = isinstance(model, Guided)
    return {
        "conditional": getattr(model, "conditional", True),
        "can_leave_free": getattr(model, "conditional", False) and model.handles_missing,
        "guided": guided,
        "guidance": _weight(model.guidance.weights) if guided else None,
        "steps": getattr(model, "steps", None) if guided else None,
        "samplers": list(SAMPLERS) if guided else [],
    }


def _weight(weights: float | Mapping[str, float]) -> float:
    """The weight of the whole request, or the largest of an attribute."""
    return float(max(weights.values(), default=1.0) if isinstance(weights, Mapping) else weights)


def _attribute(a: Attribute, labels: Labels | None, pictures: Pictures) -> AttributeAbout:
    control = labels.control(a) if labels else unlabelled(a)
    ranged = control.low is not None
    return AttributeAbout(
        name=a.name,
        label=a.label,
        kind=a.kind,
        values=_values(a, control.counts if labels else [None] * len(a.choices), pictures) if a.choices else None,
        low=control.low,
        high=control.high,
        unit=a.unit(vocabulary()) if ranged else None,
        log=control.log if ranged else None,
        whole=control.whole if ranged else None,
        histogram=_histogram(control),
        size=control.size,
    )


def _values(a: Attribute, counts: Sequence[int | None], pictures: Pictures) -> list[ValueAbout]:
    return [
        ValueAbout(value=value, label=readable(value), count=count, picture=pictures.get((a.name, value)))
        for value, count in zip(a.choices, counts, strict=True)
    ]


def _histogram(control: Control) -> Histogram | None:
    return Histogram(edges=list(control.edges), counts=list(control.heights)) if control.edges else None
