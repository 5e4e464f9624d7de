"""Guidance: away from what a contrast predicts, towards what the condition asks.

    v = v(c) + Σ_k (w_k − 1) (v(c) − v_k)

With the condition dropped as the only contrast this is classifier-free guidance (Ho & Salimans 2022) in the scale where
1 is plain conditional and 0 unconditional. Every other kind is another contrast: one attribute dropped guides that
attribute; a value that is not wanted takes the place of the dropped one (“not”); a weaker network under the same
condition is autoguidance (Karras et al. 2024). Within an interval of times only: Kynkäänniemi et al. 2024.
"""

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Protocol, runtime_checkable

import torch
from torch import nn

from condgen.errors import RequestError
from condgen.models.flow.paths import Time
from condgen.models.flow.samplers import State, Velocity
from condgen.parameters import Setting
from condgen.schema import Condition, Schema

Weights = int | float | Mapping[str, int | float]
Field = Callable[[Condition], Velocity]
EVERYWHERE = (0.0, 1.0)
GuidanceWeight = Annotated[
    float,
    Setting(
        "Weight of the condition in sampling, unless a call says otherwise; 1 is none, more is stricter.",
        part="sampling",
    ),
]


@runtime_checkable
class Guide(Protocol):
    """Whatever has a velocity under a condition."""

    def field(self, condition: Condition) -> Velocity:
        """The velocity under a condition."""
        ...


@runtime_checkable
class Teaches(Guide, Protocol):
    """A guided velocity of observations, from which a model of fewer steps can learn."""

    guidance: "Guidance"

    def parts(self) -> dict[str, nn.Module]:
        """The trained parts, by the names under which a student has them."""
        ...


@dataclass(frozen=True)
class Guidance:
    """How sampling is guided.

    weights:  of the whole condition or one per attribute; 1 is plain conditional, 0 unconditional, −1 pushes away.
    interval: the times at which it acts, where noise is at 0 and data at 1.
    against:  values that are not wanted, which take the place of the dropped attribute.
    guide:    a weaker model, whose prediction under the same condition is what to move away from.
    compose:  predict each attribute alone and add up, for combinations never seen together.
    """

    weights: Weights = 1.0
    interval: tuple[float, float] = EVERYWHERE
    against: Condition | None = None
    guide: Guide | None = None
    compose: bool = False

    def velocity(self, field: Field, condition: Condition) -> Velocity:
        """The velocity to follow. field: the velocity under any condition; a flow's own is `flow.field`.

        Raises RequestError for what cannot be combined.
        """
        if self.compose and self.guide is not None:
            raise RequestError("Composition and a guide cannot be combined; choose one of them.")
        if self.compose:
            velocity, contrasts = composed(field, condition, self.weights)
        elif self.guide is not None:
            if isinstance(self.weights, Mapping):
                raise RequestError("A guide takes one weight, as in `guidance=2`, not one per attribute.")
            velocity, contrasts = field(condition), [Contrast(self.weights - 1, self.guide.field(condition))]
        else:
            contrasts = by_attribute(field, condition, self.weights, self.against)
            velocity = field(condition)
        return guided(velocity, contrasts, self.interval)

    def replace(self, **changes: object) -> "Guidance":
        """The same with what is not None changed."""
        return dataclasses.replace(self, **{k: v for k, v in changes.items() if v is not None})  # type: ignore[arg-type]


PLAIN = Guidance()


@dataclass(frozen=True)
class Contrast:
    """What to move away from, and how strongly: `push` is w − 1."""

    push: float
    velocity: Velocity


def guided(velocity: Velocity, contrasts: Sequence[Contrast], interval: tuple[float, float] = EVERYWHERE) -> Velocity:
    """The velocity moved away from its contrasts while t is in the interval; two evaluations for one contrast."""
    active = [contrast for contrast in contrasts if contrast.push]
    low, high = interval

    def combined(x: State, t: Time) -> State:
        v = velocity(x, t)
        inside = (t >= low) & (t <= high)
        if not active or not inside.any():
            return v
        moved = v
        for contrast in active:
            moved = moved + contrast.push * (v - contrast.velocity(x, t))
        return torch.where(inside.reshape(-1, *[1] * (x.dim() - 1)), moved, v)

    return combined


def by_attribute(
    field: Field, condition: Condition, weights: Weights, against: Condition | None = None
) -> list[Contrast]:
    """The contrasts that guide attributes with their weights: a number for all, or one by name (1 for the others).

    Attributes of equal weight are dropped together, so a number is classifier-free guidance of the whole condition.
    Where `against` gives an attribute, that value takes the place of the dropped one. Raises RequestError for an
    attribute that the schema lacks.
    """
    named = named_weights(condition.schema, weights)
    groups = {w: [n for n in condition.schema.names if named[n] == w] for w in dict.fromkeys(named.values())}
    return [Contrast(w - 1, field(without(condition, names, against))) for w, names in groups.items() if w != 1]


def composed(field: Field, condition: Condition, weights: Weights = 1.0) -> tuple[Velocity, list[Contrast]]:
    """AND by composition: v(∅) + Σ_a w_a (v(a) − v(∅)), each attribute predicted alone (Liu et al. 2022, eq. 11).

    For combinations never seen together: it is exact as far as attributes are independent given x_t.
    """
    named = named_weights(condition.schema, weights)
    free = without(condition, condition.schema.names)
    alone = {n: without(condition, [m for m in condition.schema.names if m != n]) for n in condition.schema.names}
    return field(free), [Contrast(-named[n], field(c)) for n, c in alone.items() if bool(condition.given(n).any())]


def without(condition: Condition, names: Sequence[str], against: Condition | None = None) -> Condition:
    """The condition with these attributes left free, or as `against` has them, where it does."""
    mask = torch.tensor([n in names for n in condition.schema.names], device=condition.device)
    dropped = condition.drop(mask.expand_as(condition.present))
    return dropped if against is None else dropped.update(against.drop(~mask.expand_as(condition.present)))


def named_weights(schema: Schema, weights: Weights) -> dict[str, float]:
    """One weight per attribute. Raises RequestError for an attribute that the schema lacks, or a weight not finite."""
    given = weights if isinstance(weights, Mapping) else dict.fromkeys(schema.names, weights)
    for name, weight in given.items():
        if not math.isfinite(weight):
            raise RequestError(f"A guidance must be a finite number, not {name}={weight}.")
    return dict.fromkeys(schema.names, 1.0) | {schema[n].name: float(w) for n, w in given.items()}


def parse_weights(text: str) -> Weights:
    """The weights in `2` or `Eyeglasses=3,Male=1.5`. Raises RequestError for anything else."""
    parts = [part.strip() for part in text.split(",") if part.strip()]
    try:
        if "=" not in text:
            return float(text)
        pairs = [part.partition("=") for part in parts]
        return {name.strip(): float(value) for name, _, value in pairs}
    except ValueError:
        raise RequestError(
            f"'{text}' is no guidance: give a number, as in 2, or one per attribute, as in Eyeglasses=3,Male=1.5."
        ) from None


def dropped(condition: Condition, chance: float) -> Condition:
    """What training asks for, so that guidance has something to contrast: with attributes left free by chance.

    Each attribute of each sample with this chance; all attributes of as many samples; and of as many again a random
    number of them, since requests name a few attributes of many.
    """
    if not chance:
        return condition
    n, attributes = condition.present.shape
    each = torch.rand(n, attributes) < chance
    everything = torch.rand(n, 1) < chance
    number = torch.randint(max(attributes, 1), (n, 1)) * (torch.rand(n, 1) < chance)
    some = torch.rand(n, attributes).argsort(1).argsort(1) < number
    return condition.drop((each | everything | some).to(condition.device))
