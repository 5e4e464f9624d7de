"""Constraints: the part of a request that concerns one attribute, from its text to the codes that satisfy it."""

import math
import re
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import Any, Protocol, runtime_checkable

from condgen.arrays import Array, Bool, Float, Int, float32, floats, namespace

MISMATCH = 30.0  # nats by which a row that contradicts one asked attribute is less likely than one that agrees
NEAR = 0.05  # share of an attribute's span up to which other values count as examples of a single one
_UNLIKE_A_NAME = re.compile(r'^\*$|^"|[,;|\n]|(?<![<>])=')  # a name that stands for something else in a request
BANDWIDTH = 0.02  # share of an attribute's span within which rows count as agreeing


@runtime_checkable
class Askable(Protocol):
    """The part of an attribute that constraints use."""

    @property
    def name(self) -> str:
        """The name by which it is asked for."""

    @property
    def choices(self) -> tuple[str, ...]:
        """The names of the values, if they have names."""

    @property
    def reach(self) -> float:
        """The largest distance between two places."""

    def place(self, codes: Any) -> Any:
        """One number per code, near for similar values."""

    def format(self, code: Any) -> str:
        """The value with this code as text."""

    def show(self, code: Any) -> str:
        """A short text for the value with this code."""

    def distance(self, codes: Any, others: Any) -> Any:
        """The distance of values as a share of the largest one."""

    def mismatch(
        self, codes: Float[Array, "batch ..."], rows: Float[Array, "row ..."], given: Bool[Array, " row"]
    ) -> Float[Array, "batch row"]:
        """The log-weight, in nats, that each row loses when these codes are asked for."""


class Constraint(ABC):
    """A requirement on one attribute."""

    @abstractmethod
    def text(self, attribute: Askable) -> str:
        """The constraint as a precise request: `color!=red`, `age=20..30`."""

    @abstractmethod
    def value(self, attribute: Askable) -> Any:
        """The JSON value that asks for exactly this in a mapping `{attribute.name: value}`."""

    @abstractmethod
    def allows(self, codes: Float[Array, "batch ..."]) -> Bool[Array, " batch"]:
        """A mask of the codes that satisfy the constraint."""

    @abstractmethod
    def draw(self, u: Float[Array, " batch"]) -> Float[Array, "batch ..."]:
        """Codes that satisfy the constraint, from uniform numbers. Used when the data has no such codes."""

    @abstractmethod
    def mismatch(
        self, attribute: Askable, rows: Float[Array, "row ..."], given: Bool[Array, " row"]
    ) -> Float[Array, " row"]:
        """The log-weight, in nats, that each row loses for its value. given: the rows in which the
        attribute is known.
        """

    @property
    def exact(self) -> bool:
        """Whether one value alone satisfies it."""
        return True

    def binds(self, attribute: Askable) -> bool:
        """Whether the constraint excludes any value, or requires that a value is given."""
        return True

    def term(self, attribute: Askable) -> Any:
        """The shortest value that asks for exactly this in a mapping, as a control shows it."""
        return self.value(attribute)

    def fits(
        self, attribute: Askable, codes: Float[Array, "batch ..."], most: float | None = None
    ) -> Bool[Array, " batch"]:
        """A mask of the codes that a person would call examples of it: those allowed, or near a single number.

        most: the largest distance that counts as near (see `Attribute.distance`).
        """
        return self.allows(codes)

    def either(self, other: "Constraint") -> "Constraint | None":
        """The constraint satisfied by codes that satisfy one or the other, or None if no single constraint
        says that.
        """
        return None

    def both(self, other: "Constraint") -> "Constraint | None":
        """The constraint satisfied by codes that satisfy both, or None if no code does."""
        return self if self == other else None

    def excluded(self, attribute: Askable) -> "Constraint | None":
        """The constraint on values that the request names as unwanted, as in `color!=red`, or None."""
        return None


@dataclass(frozen=True)
class OneOf(Constraint):
    """A discrete attribute must take one of these codes. `negated` records that it was asked for as `!=`."""

    codes: tuple[int, ...]
    negated: bool = False

    def text(self, attribute: Askable) -> str:
        """`color=red|green`, or `color!=blue` if it was asked for that way."""
        codes = self.others(attribute) if self.negated else self.codes
        return f"{attribute.name}{'!' * self.negated}=" + "|".join(quoted(attribute.format(code)) for code in codes)

    @property
    def exact(self) -> bool:
        """Whether there is one code."""
        return len(self.codes) == 1

    def value(self, attribute: Askable) -> Any:
        """The names of the values, or of those excluded if it was asked for that way."""
        if self.negated:
            return {"not": [attribute.format(code) for code in self.others(attribute)]}
        return [attribute.format(code) for code in self.codes]

    def term(self, attribute: Askable) -> Any:
        """The name of the value, the names of several, or `{"not": …}` with either."""
        names = [attribute.format(code) for code in (self.others(attribute) if self.negated else self.codes)]
        term = names[0] if len(names) == 1 else names
        return {"not": term} if self.negated else term

    def allows(self, codes: Float[Array, " batch"]) -> Bool[Array, " batch"]:
        """A mask of the codes that are among those asked for."""
        return namespace(codes).isin(codes, floats(self.codes, codes))

    def draw(self, u: Float[Array, " batch"]) -> Float[Array, " batch"]:
        """Draws each of the codes with equal probability."""
        codes = floats(sorted(self.codes), u)
        return codes[inverse_cdf(namespace(u).ones((1, len(codes))), u)]

    def mismatch(
        self, attribute: Askable, rows: Float[Array, " row"], given: Bool[Array, " row"]
    ) -> Float[Array, " row"]:
        """The same loss for every row with another code."""
        return MISMATCH * float32(~self.allows(rows))

    def binds(self, attribute: Askable) -> bool:
        """False if every value is allowed."""
        return bool(self.others(attribute))

    def either(self, other: Constraint) -> "OneOf | None":
        """One of the codes of either."""
        return OneOf(tuple(dict.fromkeys((*self.codes, *other.codes)))) if isinstance(other, OneOf) else None

    def both(self, other: Constraint) -> "OneOf | None":
        """One of the codes that both allow."""
        if not isinstance(other, OneOf):
            return None
        common = tuple(code for code in self.codes if code in other.codes)
        return replace(self, codes=common, negated=self.negated and other.negated) if common else None

    def excluded(self, attribute: Askable) -> "OneOf | None":
        """The other codes, if it was asked for as `!=`."""
        return OneOf(self.others(attribute)) if self.negated else None

    def others(self, attribute: Askable) -> tuple[int, ...]:
        """The codes that are not allowed."""
        return tuple(code for code in range(len(attribute.choices)) if code not in self.codes)


@dataclass(frozen=True)
class Between(Constraint):
    """A number must lie in [low, high]. Equal ends ask for a single number."""

    low: float
    high: float

    def text(self, attribute: Askable) -> str:
        """`age=20..30`, or `age=20`."""
        ends = dict.fromkeys((attribute.format(self.low), attribute.format(self.high)))
        return f"{attribute.name}=" + "..".join(ends)

    @property
    def exact(self) -> bool:
        """Whether its ends are equal."""
        return self.low == self.high

    def value(self, attribute: Askable) -> Any:
        """The two ends."""
        return [self.low, self.high]

    def term(self, attribute: Askable) -> Any:
        """A number, or the two ends."""
        return self.low if self.low == self.high else [self.low, self.high]

    def fits(
        self, attribute: Askable, codes: Float[Array, " batch"], most: float | None = None
    ) -> Bool[Array, " batch"]:
        """The numbers within the range, or near a single one: by default within a twentieth of all places."""
        if self.low < self.high:
            return self.allows(codes)
        xp, number = namespace(codes), floats([self.low], codes)
        if most is not None:  # 64 bits: on a logarithmic scale, 32 bits do not tell large numbers apart
            return attribute.distance(xp.astype(codes, xp.float64), xp.astype(number, xp.float64)) <= most
        return abs(placed(attribute, codes) - placed(attribute, number)) <= NEAR * attribute.reach

    def allows(self, codes: Float[Array, " batch"]) -> Bool[Array, " batch"]:
        """A mask of the numbers within the range."""
        return (self.low <= codes) & (codes <= self.high)

    def draw(self, u: Float[Array, " batch"]) -> Float[Array, " batch"]:
        """Uniform in the range."""
        low, high = floats([self.low, self.high], u)
        return low + u * (high - low)

    def mismatch(
        self, attribute: Askable, rows: Float[Array, " row"], given: Bool[Array, " row"]
    ) -> Float[Array, " row"]:
        """A loss by the distance to the range.

        Rows within it come first. If there are none, the nearest rows stand in.
        """
        low, high = placed(attribute, floats([self.low, self.high], rows))
        places = placed(attribute, rows)
        outside = (low - places).clip(0) + (places - high).clip(0)
        return nearest(outside, given, BANDWIDTH * attribute.reach, step=self.low < self.high)

    def binds(self, attribute: Askable) -> bool:
        """False if an end is infinite, since there is nothing to draw from."""
        return math.isfinite(self.low) and math.isfinite(self.high)

    def both(self, other: Constraint) -> "Between | None":
        """The intersection of the two ranges."""
        if not isinstance(other, Between):
            return None
        low, high = max(self.low, other.low), min(self.high, other.high)
        return Between(low, high) if low <= high else None


def quoted(name: str) -> str:
    """The name of a value as a request has it: in quotes if it contains a sign that separates terms or values."""
    return '"' + name.replace('"', '""') + '"' if _UNLIKE_A_NAME.search(name) else name


def placed(attribute: Askable, codes: Float[Array, " batch"]) -> Float[Array, " batch"]:
    """The places of codes, from logarithms of 64 bits: those of 32 bits are rounded otherwise in every library."""
    xp = namespace(codes)
    return float32(attribute.place(xp.astype(codes, xp.float64)))


def nearest(
    outside: Float[Array, "*batch row"], given: Bool[Array, " row"], bandwidth: float, step: bool = False
) -> Float[Array, "*batch row"]:
    """The log-weight, in nats, that rows lose by their distance: a Gaussian in the distance beyond the nearest row's.

    step: subtract a constant as well from rows farther than the nearest, as for rows outside a range.
    """
    xp = namespace(outside)
    beyond = outside - xp.min(xp.where(given, outside, xp.inf), axis=-1, keepdims=True)
    lost = 0.5 * (beyond / bandwidth) ** 2
    return (xp.where(beyond > 0, lost + MISMATCH / 2, lost) if step else lost).clip(max=MISMATCH)


def inverse_cdf(weights: Float[Array, "#batch row"], u: Float[Array, " batch"]) -> Int[Array, " batch"]:
    """The index at which the cumulative weight passes the share u of all weight.

    Whole numbers are added exactly, so the index is the same on every machine.
    """
    xp = namespace(u)
    cumulative = xp.astype(weights, xp.float64).cumsum(1)
    passed = xp.astype(u, xp.float64)[:, None] * cumulative[:, -1:]
    return (cumulative <= passed).sum(1).clip(max=weights.shape[1] - 1)
