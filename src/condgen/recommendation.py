"""Recommendations: the model, settings, size and number of images that suit data, from its shape and number.

The rules put together the parts of which the presets are made; docs/results.md says what these reach.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from time import perf_counter
from typing import Any

from condgen.errors import unknown
from condgen.models.registry import FAMILIES, build
from condgen.parameters import keyword_arguments, validated
from condgen.presets import (
    FEW_PHOTOGRAPHS_GAN,
    FEW_VECTORS,
    NARROW,
    PHOTOGRAPHS_GAN,
    SMALL_PICTURES,
    SMALL_PICTURES_FLOW,
    SOON,
    VECTORS,
    WIDE,
    Preset,
)
from condgen.schema import Attribute, Condition, Schema
from condgen.schema.attributes import fold
from condgen.training import TrainingConfig
from condgen.training.pace import images_per_second
from condgen.units import approximately

TINY, SMALL = 16, 32  # pixels: the side from which a picture is small and not tiny, and the largest of a small one
WIDE_FROM = 24  # pixels: the smallest side for which a wide network pays
SIDE = 64  # pixels to which larger pictures are brought, unless their size was chosen
GRID = 16  # patches along the sides of a photograph: with more of them a step costs too much
FEW, MANY = 500, 10_000  # rows below which a flow is small, pictures from which a network is wide
SCARCE = 8_000  # photographs below which a critic soon knows them by heart, unless it is held more firmly
VIEWS = 27  # of every photograph, as in the presets that were measured
FEWEST = 60_000  # pictures before which adversaries have learned too little to be asked for anything
HALF = 0.5  # the share of rows with a label below which a model must learn from the others too
FAMILIES_USED = ("flow", "gan", "projection")
PLACED = 2  # numbers asked for, from which they probably place something in a small picture
# Words of attributes, or of their values, that a mirror image contradicts.
SIDES = {"x", "horizontal", "left", "right", "side", "east", "west", "hand", "clockwise"}
TURNS = {"direction", "heading", "facing", "turn", "pan", "yaw", "azimuth", "angle", "rotation", "orientation"}
WRITING = {"digit", "letter", "character", "word", "text"}
SIDED = SIDES | TURNS | WRITING


@dataclass(frozen=True)
class Recommendation:
    """A model for some data, with its settings and the reason for it.

    arguments: of the model's builder and of TrainingConfig.
    shape: of the observations to train on.
    size: side in pixels to bring pictures to. None if they keep theirs.
    images: number to see in training.
    seconds: expected on this machine. None unless measured.
    """

    model: str
    arguments: Mapping[str, Any]
    shape: tuple[int, ...]
    size: int | None
    images: int
    reason: str
    seconds: float | None = None

    @property
    def preset(self) -> Preset:
        """The recommendation as a preset."""
        return {"model": self.model, **self.arguments, "images": self.images}

    @property
    def named(self) -> str:
        """The model, and the size of its pictures."""
        return self.model + (f" at {self.shape[2]}×{self.shape[1]}" if len(self.shape) == 3 else "")

    @property
    def sentence(self) -> str:
        """The recommendation for people, in one line."""
        time = f", {approximately(self.seconds)} on this machine" if self.seconds is not None else ""
        return self.lasting(f"{self.images:,} {'images' if len(self.shape) == 3 else 'rows'} to see{time}")

    def lasting(self, how_long: str) -> str:
        """The same line with another length of training."""
        return f"{self.named}, {how_long}. {self.reason}"

    def as_dict(self) -> dict[str, Any]:
        """Plain data, for JSON."""
        return asdict(self) | {"shape": list(self.shape)}


def recommend(
    shape: tuple[int, ...], examples: int, schema: Schema, labelled: float = 1.0, *, chosen: bool = False
) -> Recommendation:
    """The recommendation for data of this shape, (channel, height, width) or (dimension,).

    examples: number of them for training.
    labelled: share of them that have a label of any attribute.
    chosen: somebody chose the sides of pictures, which then keep them.
    """
    size = SIDE if len(shape) == 3 and max(shape[1:]) > SIDE and not chosen else None
    shape = (shape[0], size, size) if size else shape
    if len(shape) == 1:
        preset, images, reason = _vectors(examples, bool(len(schema)))
    elif max(shape[1:]) <= SMALL:
        preset, images, reason = _small_pictures(shape, examples, schema, labelled)
    else:
        preset, images, reason = _photographs(shape, examples, schema)
    if preset["model"] == "projection" and not len(schema):
        preset = preset | {"model": "gan"}
    return Recommendation(preset["model"], _known(preset), shape, size, images, reason)


def _vectors(examples: int, labelled: bool) -> tuple[Preset, int, str]:
    images = _within(200 * examples, 30_000, 3_000_000)
    if not labelled:
        sizes = FEW_VECTORS if examples < FEW else VECTORS
        preset = SMALL_PICTURES | {key: sizes[key] for key in ("channels", "depth", "previews")}
        return preset, images, "There is nothing to ask for, so adversaries do; with attributes it would be a flow."
    if examples < FEW:
        return FEW_VECTORS, images, "A flow learns vectors best; of few rows a small one, briefly, or it repeats them."
    return VECTORS, images, "A flow learns the distribution of vectors best."


def _small_pictures(shape: tuple[int, ...], examples: int, schema: Schema, labelled: float) -> tuple[Preset, int, str]:
    views = 300 if max(shape[1:]) >= TINY else 150  # of tiny ones, twice as many were remembered
    images = _within(views * examples, 60_000, 640_000)
    if len(schema) and labelled < HALF:
        return SMALL_PICTURES_FLOW, images, "Most examples have no label, and a flow learns from these too."
    if len(schema.measured) >= PLACED:
        reason = (
            "Adversaries with the settings of photographs obey numbers soonest. If these place things, expect blurred "
            "outlines: no model here draws those well yet."
        )
        return PHOTOGRAPHS_GAN | {"flip": False}, _views(examples), reason
    wide = max(shape[1:]) >= WIDE_FROM and examples >= MANY
    return SMALL_PICTURES | (WIDE if wide else NARROW), images, "Adversaries come nearest to real small pictures."


def _photographs(shape: tuple[int, ...], examples: int, schema: Schema) -> tuple[Preset, int, str]:
    """A GAN. Colour pictures are mirrored, unless that would change an attribute."""
    mirrored = shape[0] == 3 and not any(map(_sided, schema))
    so = ", and the pictures are mirrored at random" if mirrored else ""
    reason = f"Adversaries come nearest to real photographs{so}."
    if len(schema):
        reason += " To edit pictures, take a preset with a CVAE."
    held = FEW_PHOTOGRAPHS_GAN if examples < SCARCE else PHOTOGRAPHS_GAN
    images = _views(examples)
    if max(shape[1:]) <= SIDE:
        return held | {"flip": mirrored}, images, reason
    reason += f" Pictures larger than {SIDE}×{SIDE} stay coarse for long."
    return held | {"flip": mirrored, "patch": _patch(*shape[1:])}, images, reason


def _patch(height: int, width: int) -> int:
    """The side of patches that divides both sides, of which there are about GRID along the longer one."""
    patch = 4
    while max(height, width) > GRID * patch and not (height % (2 * patch) or width % (2 * patch)):
        patch *= 2
    return patch


def _views(examples: int) -> int:
    return _within(VIEWS * examples, 50_000, 250_000)


def _sided(attribute: Attribute) -> bool:
    """Whether a mirrored picture has another value of an attribute, as its schema declares or its words suggest."""
    words = {word for name in (*attribute.names, *attribute.choices) for word in fold(name).split()}
    return "flip" in attribute.unsafe or not SIDED.isdisjoint(words)


def _within(images: int, least: int, most: int) -> int:
    """A number of images, rounded to two digits and kept within bounds."""
    return min(max(int(float(f"{images:.2g}")), least), most)


def _known(preset: Preset) -> dict[str, Any]:
    """The arguments of a preset that its family has, and those of training."""
    return {k: v for k, v in preset.items() if takes(preset["model"], k)}


def takes(model: str, name: str) -> bool:
    """Whether a family of models, or its training, has a setting of this name."""
    return name in keyword_arguments(FAMILIES[model].builder) or name in keyword_arguments(TrainingConfig)


def in_time(
    advised: Recommendation,
    seconds: float,
    schema: Schema,
    condition: Condition,
    clock: Callable[[], float] = perf_counter,
) -> Recommendation:
    """The recommendation for so many seconds: another model if adversaries would only have begun by then.

    condition, clock: as for `timed`.
    """
    sooner = learns_sooner(advised)
    if sooner is None:
        return advised
    whole = timed(advised, schema, condition, clock).seconds
    assert whole, "it was measured"
    seen = _within(round(advised.images * seconds / whole), 1, advised.images)
    if seen >= FEWEST:
        return advised
    needed = approximately(whole * FEWEST / advised.images)
    reason = f"{sooner.reason} With {needed} or more: {advised.model}."
    return replace(sooner, reason=reason)


def learns_sooner(advised: Recommendation) -> Recommendation | None:
    """The recommendation for little time in place of adversaries. None in place of other models."""
    if advised.model != "projection" or len(advised.shape) != 3:
        return None
    flip = {"flip": True} if advised.arguments.get("flip") else {}
    return replace(advised, model=SOON["model"], arguments=_known(SOON | flip), reason="A CVAE learns sooner.")


def check_settings(arguments: Mapping[str, Any]) -> None:
    """Raise RequestError for a setting that no recommended model has, or a wrong setting of training.

    The model for little time counts if the arguments give a time. Other mistakes depend on the model, and so on the
    data.
    """
    of_training = keyword_arguments(TrainingConfig)
    used = [*FAMILIES_USED, *([SOON["model"]] if "seconds" in arguments else [])]
    known = dict.fromkeys([k for name in used for k in keyword_arguments(FAMILIES[name].builder)])
    for name in arguments:
        if name not in known and name not in of_training:
            raise unknown("setting of the recommended models", name, [*known, *of_training])
    TrainingConfig(**validated(TrainingConfig, {k: v for k, v in arguments.items() if k in of_training}))


def timed(
    advised: Recommendation, schema: Schema, condition: Condition, clock: Callable[[], float] = perf_counter
) -> Recommendation:
    """The recommendation with the expected time, measured in a few steps of training on noise.

    condition: of some examples.
    clock: in seconds.
    """
    settings = TrainingConfig(**{k: v for k, v in advised.preset.items() if k in keyword_arguments(TrainingConfig)})
    of_model = {k: v for k, v in advised.arguments.items() if k not in keyword_arguments(TrainingConfig)}
    model = build(advised.model, schema, advised.shape, **of_model)
    return replace(advised, seconds=advised.images / images_per_second(model, condition, settings, clock))
