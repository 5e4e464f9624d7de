"""Edits of observations: decoded under another condition, or the change of decoding added to the original."""

import math
from dataclasses import dataclass
from typing import Any, Literal

from condgen.arrays import Array, Float, inference, namespace
from condgen.errors import RequestError, shorten
from condgen.models.abilities import Edits
from condgen.pixels import as_float
from condgen.requests.request import Request, Requestable
from condgen.schema import Condition

STRENGTH = 1.5  # best in benchmarks/edits.py
AUTO: Literal["auto"] = "auto"  # as strong as each image allows
SIZE = 0.1  # root mean square of the change of pixels to which "auto" exaggerates a small change
STRONGEST = 4.0  # of "auto"
WRONG_STRENGTH = "The strength of an edit must be above 0, such as 1.5, or 'auto'"


@dataclass(frozen=True, kw_only=True)
class EditOptions:
    """Settings of an edit, in terms of e, the model's own: x encoded under its condition and decoded under another.

    decoded: the edit is e(target), which keeps only what the model encodes. For small latents that is a blur. Otherwise
        it is x + strength · (e(target) − e(source)), which keeps details that the model cannot encode. An edit without
        a change then gives x itself.
    strength: values above 1 exaggerate the change. "auto" exaggerates the small changes of images more than large ones
        (see `strengths`).

    Raises RequestError for a strength that is not a positive number, and for one that `decoded` would not use.
    """

    decoded: bool = False
    strength: int | float | Literal["auto"] = STRENGTH

    def __post_init__(self) -> None:
        if self.strength != AUTO and not (isinstance(self.strength, int | float) and 0 < self.strength < math.inf):
            raise RequestError(f"{WRONG_STRENGTH}, not {shorten(str(self.strength), 40)}.")
        if self.decoded and self.strength != STRENGTH:
            raise RequestError(
                "An edit that is decoded anew leaves nothing of the original that a change of this strength could be "
                "put onto; leave out `decoded` or `strength`."
            )

    @classmethod
    def suited(cls, model: Any) -> "EditOptions":
        """The best settings for a model. A lossless one needs no details added back."""
        return cls(decoded=isinstance(model, Edits) and model.lossless)

    def __call__(
        self, model: Any, x: Float[Array, "n ..."], source: Condition, target: Condition
    ) -> Float[Array, "n ..."]:
        """Each x, with condition `source`, changed to `target`, all on the model's device."""
        assert isinstance(model, Edits), "a model that cannot edit is refused before"
        edited = model.edit(x, source, target)
        if self.decoded:
            return edited
        change = edited - model.edit(x, source, source)
        strength = strengths(change, source, target) if self.strength == AUTO else self.strength
        edited = x + strength * change
        return namespace(edited).clip(edited, 0, 1) if edited.ndim == 4 else edited


def parse_strength(text: str) -> float | Literal["auto"]:
    """The strength that a text names, a number or "auto". Raises RequestError."""
    try:
        return AUTO if text == AUTO else float(text)
    except ValueError:
        raise RequestError(f"{WRONG_STRENGTH}, not '{shorten(text, 40)}'.") from None


def strengths(change: Float[Array, "n ..."], source: Condition, target: Condition) -> Float[Array, "n 1 1 1"]:
    """The strength of each image's change at which its root mean square is SIZE, from STRENGTH to STRONGEST.

    Some attributes, such as glasses, change so few pixels that more of it does not cost the likeness. A number that is
    asked for is not to be overshot, so where one changes the strength is STRENGTH.

    Raises RequestError for vectors, whose changes have no common scale.
    """
    xp = namespace(change)
    if change.ndim != 4:
        raise RequestError("The strength 'auto' is for images. Give vectors a number, such as 1.5.")
    size = xp.clip(xp.mean(change**2, axis=(1, 2, 3), keepdims=True) ** 0.5, 1e-6, None)
    numbers = [_differ(source.codes(a.name), target.codes(a.name)) for a in target.schema.measured]
    kept = sum(numbers, xp.zeros_like(size[:, 0, 0, 0])) > 0
    return xp.where(kept[:, None, None, None], STRENGTH, xp.clip(SIZE / size, STRENGTH, STRONGEST))


def _differ(codes: Float[Array, "n ..."], others: Float[Array, "n ..."]) -> Float[Array, " n"]:
    """The number of differences in each row."""
    return 1.0 * (codes != others).reshape(len(codes), -1).sum(1)


def arguments_of_edit(
    x: Any, source: Condition | Requestable | Request | None, change: Requestable | Request | None
) -> tuple[Float[Array, "n ..."], Condition | None, Requestable | Request | None]:
    """Observations in the form for models, their condition if it is known, and the change.

    x: observations, or samples or a part of a dataset, which have a condition.
    source: their condition. Anything else is the change.
    """
    if not isinstance(source, Condition | None):
        if change is not None:
            raise RequestError(f"The second of three arguments of an edit is a condition, not {source!r}.")
        source, change = None, source
    known = source if source is not None else getattr(x, "condition", None)
    return as_float(getattr(x, "x", x)), known, change


def must_be_observations(x: Array, shape: tuple[int, ...]) -> None:
    """Raise RequestError unless these are one or more observations of a shape."""
    if not len(x) or tuple(x.shape[1:]) != shape:
        raise RequestError(
            f"Give one or more observations of shape ({', '.join(map(str, ('n', *shape)))}), not {tuple(x.shape)}."
        )


def within(
    mask: Float[Array, "*n height width"] | None, x: Float[Array, "n ..."], changed: Float[Array, "n ..."]
) -> Float[Array, "n ..."]:
    """Edits of x where the mask is 1, x itself where it is 0, and their mixture in between.

    mask: of all images, or of each. None is the whole. Raises RequestError for a mask of another shape than the images,
        or with values outside [0, 1].
    """
    if mask is None:
        return changed
    xp = namespace(changed)
    mask, x = xp.asarray(mask, dtype=xp.float32), xp.asarray(x, dtype=xp.float32)
    if x.ndim != 4 or mask.shape not in (tuple(x.shape[2:]), (len(x), *x.shape[2:])):
        raise RequestError(
            f"A mask of {' × '.join(map(str, mask.shape))} does not fit observations of "
            f"{' × '.join(map(str, x.shape[1:]))}: give one number for each pixel, 1 where the image may change."
        )
    if not xp.all((mask >= 0) & (mask <= 1)):
        raise RequestError(
            "A mask holds numbers from 0 to 1: 1 where the image may change, 0 where it stays. Divide levels from 0 to "
            "255 by 255."
        )
    return x + mask[..., None, :, :] * (changed - x)


def edited(
    model: Any,
    x: Float[Array, "n ..."],
    source: Condition,
    target: Condition,
    how: EditOptions | None = None,
    batch: int = 500,
) -> Float[Array, "n ..."]:
    """The edits of any number of observations in batches, on the CPU. how: `EditOptions.suited` by default."""
    how, xp, device = how or EditOptions.suited(model), namespace(x), model.device
    observed = (xp.asarray(x[k : k + batch], device=device) for k in range(0, len(x), batch))
    parts = zip(observed, _split(source, batch), _split(target, batch), strict=True)
    with inference(x):
        made = [how(model, part, a.to(device), b.to(device)) for part, a, b in parts]
    return xp.asarray(xp.concat(made), dtype=xp.float32, device="cpu")


def _split(condition: Condition, batch: int) -> list[Condition]:
    return [condition[k : k + batch] for k in range(0, len(condition), batch)]
