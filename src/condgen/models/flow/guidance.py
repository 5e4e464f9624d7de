"""Guidance: the velocity moves away from a contrast and towards the condition.

    v = v(c) + Σ_k (w_k − 1) (v(c) − v_k)

If the only contrast is the dropped condition, this is classifier-free guidance (Ho & Salimans 2022), where w = 1 is
plain conditional and w = 0 unconditional. Other contrasts give the other kinds of guidance:

- one attribute dropped: guidance of that attribute
- an unwanted value in place of the dropped one: negation (“not”)
- a weaker network under the same condition: autoguidance (Karras et al. 2024)

Guidance can be limited to an interval of times (Kynkäänniemi et al. 2024).
"""

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Protocol, runtime_checkable

from condgen.arrays import namespace
from condgen.errors import RequestError
from condgen.models.flow.paths import Time, expand_like
from condgen.models.flow.samplers import State, Velocity
from condgen.parameters import Setting
from condgen.schema import Condition, Schema

Weights = int | float | Mapping[str, int | float]
Field = Callable[[Condition], Velocity]
EVERYWHERE = (0.0, 1.0)
GuidanceWeight = Annotated[
    float,
    Setting(
        "Default guidance weight in sampling. 1 is none, and more is stricter.",
        part="sampling",
    ),
]


@runtime_checkable
class Guide(Protocol):
    """Anything that has a velocity under a condition."""

    def field(self, condition: Condition) -> Velocity:
        """The velocity under a condition."""
        ...


@dataclass(frozen=True)
class Guidance:
    """Settings of guidance in sampling.

    weights: of the whole condition, or one per attribute. 1 is plain conditional, 0 unconditional, −1 pushes away.
    interval: times at which guidance acts. Noise is at 0 and data at 1. Outside, every weight is 1.
    against: unwanted values, which a weight above 1 moves away from. They take the place of the dropped attribute, of
        nothing in a composition, and of the wanted value in a guide's condition.
    guide: a weaker model. Its prediction under the same condition is the contrast.
    compose: predict each attribute alone and add the results, for combinations never seen together.
    """

    weights: Weights = 1.0
    interval: tuple[float, float] = EVERYWHERE
    against: Condition | None = None
    guide: Guide | None = None
    compose: bool = False

    def velocity(self, field: Field, condition: Condition) -> Velocity:
        """The guided velocity. field: the velocity under any condition, such as `flow.field`.

        Raises RequestError for settings that cannot be combined.
        """
        if self.compose and self.guide is not None:
            raise RequestError("Composition and a guide cannot be combined; choose one of them.")
        if self.compose:
            velocity, contrasts = composed(field, condition, self.weights, self.against)
        elif self.guide is not None:
            if isinstance(self.weights, Mapping):
                raise RequestError("A guide takes one weight, as in `guidance=2`, not one per attribute.")
            unwanted = self.against if self.weights > 1 else None
            contrast = condition if unwanted is None else condition.update(unwanted)
            velocity, contrasts = field(condition), [Contrast(self.weights - 1, self.guide.field(contrast))]
        else:
            contrasts = by_attribute(field, condition, self.weights, self.against)
            velocity = field(condition)
        return guided(velocity, contrasts, self.interval)

    def replace(self, **changes: object) -> "Guidance":
        """The same guidance with every change that is not None."""
        return dataclasses.replace(self, **{k: v for k, v in changes.items() if v is not None})  # type: ignore[arg-type]


PLAIN = Guidance()


@dataclass(frozen=True)
class Contrast:
    """A velocity to move away from, and the strength: `push` is w − 1. outside: the strength outside the interval."""

    push: float
    velocity: Velocity
    outside: float = 0.0


def guided(velocity: Velocity, contrasts: Sequence[Contrast], interval: tuple[float, float] = EVERYWHERE) -> Velocity:
    """The velocity moved away from its contrasts, by `push` while t is in the interval and by `outside` otherwise. One
    contrast costs two evaluations per step, or one where the velocity itself cancels out, as with a weight of 0.
    """
    within = _moved(velocity, [(contrast.push, contrast.velocity) for contrast in contrasts])
    beyond = _moved(velocity, [(contrast.outside, contrast.velocity) for contrast in contrasts])
    low, high = interval

    def combined(x: State, t: Time) -> State:
        inside = (t >= low) & (t <= high)
        if inside.all():
            return within(x, t)
        if not inside.any():
            return beyond(x, t)
        return namespace(x).where(expand_like(inside, x), within(x, t), beyond(x, t))

    return combined


def _moved(velocity: Velocity, contrasts: Sequence[tuple[float, Velocity]]) -> Velocity:
    """v + Σ push (v − v_k), with v left out where it cancels out. contrasts: each push and v_k."""
    active = [(push, other) for push, other in contrasts if push]
    cancels = sum(push for push, _ in active) == -1

    def moved(x: State, t: Time) -> State:
        if cancels:
            first, *others = (-push * other(x, t) for push, other in active)
            return sum(others, first)
        found = v = velocity(x, t)
        for push, other in active:
            found = found + push * (v - other(x, t))
        return found

    return moved


def by_attribute(
    field: Field, condition: Condition, weights: Weights, against: Condition | None = None
) -> list[Contrast]:
    """The contrasts for guidance by attribute. weights: a number for all, or one per name (1 for the others).

    Attributes of equal weight are dropped together, so a single number gives classifier-free guidance of the whole
    condition. If `against` gives an attribute, its value takes the place of the dropped one where the weight is above
    1, because lower weights move towards the contrast. Raises RequestError for an attribute that the schema lacks.
    """
    named = named_weights(condition.schema, weights)
    groups = {w: [n for n in condition.schema.names if named[n] == w] for w in dict.fromkeys(named.values())}
    return [
        Contrast(w - 1, field(without(condition, names, against if w > 1 else None)))
        for w, names in groups.items()
        if w != 1
    ]


def composed(
    field: Field, condition: Condition, weights: Weights = 1.0, against: Condition | None = None
) -> tuple[Velocity, list[Contrast]]:
    """Composition by AND: v(∅) + Σ_a w_a (v(a) − v(∅)), with each attribute predicted alone (Liu et al. 2022, eq. 11).

    For combinations never seen together. It is exact if the attributes are independent given x_t. Outside the interval
    of guidance, the weights are 1. An attribute that `against` gives, with a weight above 1, contributes
    v(a) − v(∅) + (w_a − 1) (v(a) − v(a unwanted)).
    """
    named = named_weights(condition.schema, weights)
    free = without(condition, condition.schema.names)
    alone = {n: without(condition, [m for m in condition.schema.names if m != n]) for n in condition.schema.names}
    contrasts = [
        Contrast(-named[n], field(c), outside=-1.0) for n, c in alone.items() if bool(condition.given(n).any())
    ]
    if against is not None:
        unwanted = [n for n in condition.schema.names if named[n] > 1 and bool(against.given(n).any())]
        contrasts += [Contrast(named[n] - 1, field(without(free, [n], against))) for n in unwanted]
    return field(free), contrasts


def without(condition: Condition, names: Sequence[str], against: Condition | None = None) -> Condition:
    """The condition with these attributes left free, or set as in `against` where that gives them."""
    xp = namespace(condition.present)
    named = xp.asarray([n in names for n in condition.schema.names], device=condition.device)
    mask = xp.broadcast_to(named, condition.present.shape)
    dropped = condition.drop(mask)
    return dropped if against is None else dropped.update(against.drop(~mask))


def named_weights(schema: Schema, weights: Weights) -> dict[str, float]:
    """One weight per attribute. Raises RequestError for an attribute that the schema lacks, or a weight that is not
    finite.
    """
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
            f"'{text}' is not a guidance weight. Give a number, as in 2, or one per attribute, as in "
            "Eyeglasses=3,Male=1.5."
        ) from None
