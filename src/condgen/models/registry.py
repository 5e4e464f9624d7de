"""The families of models by name: condgen's own, and those of other packages.

A new family is one file, with its builder and its `Family`, and one line here. Another package names its `Family` in an
entry point of the group `condgen.families` (docs/extending/family.md).
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from inspect import Parameter, signature
from typing import TYPE_CHECKING, Any

from condgen.errors import RequestError
from condgen.registry import Registry

if TYPE_CHECKING:
    from condgen.models.base import Model
    from condgen.schema import Schema

SHAPES = {"image": (1, 8, 8), "vector": (3,)}  # shapes of the smallest observations of each sort


@dataclass(frozen=True)
class Practice:
    """Settings with which `condgen.testing` briefly trains a family in its tiny worlds.

    arguments: of the builder, where the defaults would take longer.
    falls: whether the loss falls with training. The losses of adversaries do not show progress.
    """

    arguments: Mapping[str, Any] = field(default_factory=dict)
    steps: int = 120
    lr: float = 1e-2
    momentum: float = 0.9
    falls: bool = True


@dataclass(frozen=True)
class Family:
    """A family of models: its builder, and the facts that other code needs about it.

    builder: (schema, shape, *, …) → Model. Its keyword arguments are the family's settings, and the first line of its
        docstring describes the family.
    training: training settings that differ from the usual defaults.
    variants: arguments that give models with other abilities, for instance a guided one.
    suits: sorts of observations, of image and vector.
    as_student: settings for learning from a trained model, or None for families that cannot.
    practice: settings for tests.
    """

    builder: Callable[..., "Model"]
    training: Mapping[str, Any] = field(default_factory=dict)
    variants: tuple[Mapping[str, Any], ...] = ()
    suits: tuple[str, ...] = ("image", "vector")
    as_student: Mapping[str, Any] | None = None
    practice: Practice = field(default_factory=Practice)

    def __post_init__(self) -> None:
        kinds = [parameter.kind for parameter in signature(self.builder).parameters.values()]
        if Parameter.VAR_KEYWORD in kinds:
            raise TypeError(
                f"{getattr(self.builder, '__name__', 'the builder')} takes any settings (**). Name each one after a *, "
                "with its type and default, so that it can be listed and checked"
            )

    @property
    def sentence(self) -> str:
        """The family in one sentence, for choosing among families."""
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
        "codec": "condgen.models.latents.learning:CODEC",
    },
    accepts=lambda entry: isinstance(entry, Family),
    wanted="condgen.models.Family",
)


def build(name: str, schema: "Schema", shape: tuple[int, ...], **arguments: Any) -> "Model":
    """A new model of the named family, for observations of this shape and attributes of this schema.

    Raises RequestError for an unknown model or argument (with the nearest valid ones) and for combinations that cannot
    work.
    """
    from condgen.models import base

    return base.build(FAMILIES[name].builder, name, schema, shape, **arguments)


def used_arguments(recipe: Mapping[str, Any], schema: "Schema", shape: tuple[int, ...]) -> dict[str, Any]:
    """All arguments of a recipe that are in use, defaults included. Arguments without effect are left out.

    Recipes of earlier versions contain such arguments.
    """
    from condgen.parameters import used

    return used(FAMILIES[recipe["model"]].builder, recipe["arguments"], (schema, shape), strict=False)


def rebuild(recipe: Mapping[str, Any], schema: "Schema", shape: tuple[int, ...]) -> "Model":
    """The model of a recipe, with new weights: one of images, of vectors, or of a codec's latents."""
    if not recipe.get("codec"):
        return build(recipe["model"], schema, shape, **used_arguments(recipe, schema, shape))
    from condgen.models.latents.kinds import rebuilt
    from condgen.models.latents.within import in_latents

    codec = rebuilt(recipe["codec"])
    inner = rebuild({**recipe, "codec": None}, schema, codec.latent_shape(shape))
    return in_latents(inner, codec, shape)


def that_can(ability: type | Callable[["Model"], object], most: int = 3) -> str:
    """Models with an ability, in the form in which messages mention settings: `model='flow'`, `model='cvae',
    prior='flow'`.

    ability: a protocol, or any predicate of a model. Every family is built small and tested, so the answer is true. At
        most `most` are named.
    """
    from condgen.messages import setting

    found = (
        {"model": name} | dict(arguments)
        for name, arguments, model in _examples()
        if (isinstance(model, ability) if isinstance(ability, type) else ability(model))
    )
    first = {each["model"]: setting(**each) for each in reversed(list(found))}  # the plainest model of each family
    return ", ".join([*reversed(first.values())][:most])


def without_labels() -> list[str]:
    """The families that learn from data without any label: there is nothing to ask for, or they discover it."""
    from condgen.models.protocols import Discovers

    plain = {name: model for name, arguments, model in _examples() if not arguments}
    return [name for name, model in plain.items() if not model.conditional or isinstance(model, Discovers)]


def instead(ability: type | Callable[["Model"], object], schema: "Schema", verb: str) -> str:
    """The end of a sentence on an ability that a model lacks: `; model='flow' does`.

    Empty if the schema has no attributes: models with such abilities would have nothing to learn them from.
    """
    return f"; {that_can(ability)} {verb}" if len(schema) else ""


@cache
def _examples() -> list[tuple[str, Mapping[str, Any], "Model"]]:
    """Every family and its variants, with a small model of each that can be built."""
    from condgen.schema import Flag, Schema

    schema, found = Schema(attributes=(Flag(name="yes"),)), []
    for name, family in FAMILIES.items():
        try:
            for arguments in ({}, *family.variants):
                with suppress(RequestError):  # a mistake in another package, reported when that family is built
                    found.append((name, arguments, build(name, schema, SHAPES[family.suits[-1]], **arguments)))
        except Exception as error:  # the builder of another package may raise anything
            FAMILIES.excuse(name, error)
    return found
