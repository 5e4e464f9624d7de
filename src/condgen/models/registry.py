"""The families of models by name: those of condgen, and those that other packages add.

A new family is one file, with its builder and its `Family`, and one line here. A package of somebody else names its
`Family` in an entry point of the group `condgen.families` (docs/extending.md).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

from condgen.errors import RequestError
from condgen.registry import Registry

if TYPE_CHECKING:
    from condgen.models.base import Model
    from condgen.schema import Schema

SHAPES = {"image": (1, 8, 8), "vector": (3,)}  # of the smallest observations of each sort


@dataclass(frozen=True)
class Practice:
    """How `condgen.testing` trains a family in its tiny worlds, briefly.

    arguments: of the builder, where the usual ones would need longer.
    falls:     whether the loss falls as it learns. Of players against each other, no loss says who is winning.
    """

    arguments: Mapping[str, Any] = field(default_factory=dict)
    steps: int = 120
    lr: float = 1e-2
    momentum: float = 0.9
    falls: bool = True


@dataclass(frozen=True)
class Family:
    """A family of models: how one is built, and what others need to know of it.

    builder:    (schema, shape, *, …) → Model; its keyword arguments are the family's settings, and the first line of
                its docstring says what the family is.
    training:   settings of training that differ from the usual defaults.
    variants:   arguments that make models of other abilities, for instance a guided one.
    suits:      sorts of observations, of image and vector.
    as_student: settings with which it learns from a trained model; None for families that cannot.
    practice:   how tests train it.
    """

    builder: Callable[..., "Model"]
    training: Mapping[str, Any] = field(default_factory=dict)
    variants: tuple[Mapping[str, Any], ...] = ()
    suits: tuple[str, ...] = ("image", "vector")
    as_student: Mapping[str, Any] | None = None
    practice: Practice = field(default_factory=Practice)

    @property
    def sentence(self) -> str:
        """What the family is, for a person who chooses."""
        return (self.builder.__doc__ or "").strip().partition("\n")[0]


FAMILIES: Registry[Family] = Registry(
    "model",
    "condgen.families",
    {
        "autoencoder": "condgen.models.vae.builders:AUTOENCODER",
        "vae": "condgen.models.vae.builders:PLAIN_VAE",
        "cvae": "condgen.models.vae.builders:CVAE",
        "gan": "condgen.models.gan.builders:PLAIN_GAN",
        "cgan": "condgen.models.gan.builders:CGAN",
        "acgan": "condgen.models.gan.builders:ACGAN",
        "tacgan": "condgen.models.gan.builders:TACGAN",
        "adcgan": "condgen.models.gan.builders:ADCGAN",
        "reacgan": "condgen.models.gan.builders:REACGAN",
        "projection": "condgen.models.gan.builders:PROJECTION",
        "infogan": "condgen.models.gan.infogan:INFOGAN",
        "flow": "condgen.models.flow.flow:FLOW",
        "meanflow": "condgen.models.flow.meanflow:MEANFLOW",
    },
    accepts=lambda entry: isinstance(entry, Family),
    wanted="condgen.models.Family",
)


DEFAULT = "cvae"  # what is trained unless a person chooses


def build(name: str, schema: "Schema", shape: tuple[int, ...], **arguments: Any) -> "Model":
    """A new model by name, for observations of this shape and attributes of this schema.

    Raises RequestError for an unknown model or argument (with the nearest valid ones) and for combinations that cannot
    work.
    """
    from condgen.models import base

    return base.build(FAMILIES[name].builder, name, schema, shape, **arguments)


def counting(recipe: Mapping[str, Any], schema: "Schema", shape: tuple[int, ...]) -> dict[str, Any]:
    """All arguments of a recipe that count, defaults included. Those of earlier versions name some that do not."""
    from condgen.parameters import used

    return used(FAMILIES[recipe["model"]].builder, recipe["arguments"], (schema, shape), strict=False)


def rebuild(recipe: Mapping[str, Any], schema: "Schema", shape: tuple[int, ...]) -> "Model":
    """The model of a recipe, its weights new."""
    return build(recipe["model"], schema, shape, **counting(recipe, schema, shape))


def that_can(ability: type | Callable[["Model"], object], most: int = 3) -> str:
    """Models with an ability, as messages mention settings: `model='flow'`, `model='cvae', prior='flow'`.

    ability: a protocol, or any question about a model. Every family is built small and asked, so nothing is promised
    that is not so; names at most `most`.
    """
    from condgen.messages import setting

    found = (
        {"model": name} | dict(arguments)
        for name, arguments, model in _examples()
        if (isinstance(model, ability) if isinstance(ability, type) else ability(model))
    )
    first = {each["model"]: setting(**each) for each in reversed(list(found))}  # of each family its plainest
    return ", ".join([*reversed(first.values())][:most])


@cache
def _examples() -> list[tuple[str, Mapping[str, Any], "Model"]]:
    """Every family and its variants, with a small model of each that can be built."""
    from condgen.schema import Flag, Schema

    schema, found = Schema(attributes=(Flag(name="yes"),)), []
    for name, family in FAMILIES.items():
        for arguments in ({}, *family.variants):
            try:
                found.append((name, arguments, build(name, schema, SHAPES[family.suits[-1]], **arguments)))
            except RequestError:
                continue  # a package's own mistake, which building it in earnest will tell
    return found
