"""Constraints: the part of a request that concerns one attribute, from its text to the codes that satisfy it."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float
from torch import Tensor

MISMATCH = 30.0  # nats by which a row that contradicts one asked attribute is less likely than one that agrees
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
    def span(self) -> float:
        """The largest possible error."""

    @property
    def reach(self) -> float:
        """The largest distance between two places."""

    def place(self, codes: Any) -> Any:
        """One number per code, near for similar values."""

    def format(self, code: Any) -> str:
        """The value with this code as text."""

    def show(self, code: Any) -> str:
        """A short text for the value with this code."""

    def mismatch(
        self, codes: Float[Tensor, "batch ..."], rows: Float[Tensor, "row ..."], given: Bool[Tensor, " row"]
    ) -> Float[Tensor, "batch row"]:
        """The log-weight, in nats, that each row loses when these codes are asked for."""


class Constraint(ABC):
    """A requirement on one attribute."""

    @abstractmethod
    def text(self, attribute: Askable) -> str:
        """The constraint as a precise request: `color!=red`, `age=20..30`."""

    @abstractmethod
    def allows(self, codes: Float[Tensor, "batch ..."]) -> Bool[Tensor, " batch"]:
        """A mask of the codes that satisfy the constraint."""

    @abstractmethod
    def draw(self, u: Float[Tensor, " batch"]) -> Float[Tensor, "batch ..."]:
        """Codes that satisfy the constraint, from uniform numbers. Used when the data has no such codes."""

    @abstractmethod
    def mismatch(
        self, attribute: Askable, rows: Float[Tensor, "row ..."], given: Bool[Tensor, " row"]
    ) -> Float[Tensor, " row"]:
        """The log-weight, in nats, that each row loses for its value. given: the rows in which the
        attribute is known.
        """

    def binds(self, attribute: Askable) -> bool:
        """Whether the constraint excludes any value, or requires that a value is given."""
        return True

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
        return f"{attribute.name}{'!' * self.negated}=" + "|".join(map(attribute.format, codes))

    def allows(self, codes: Float[Tensor, " batch"]) -> Bool[Tensor, " batch"]:
        """A mask of the codes that are among those asked for."""
        return torch.isin(codes, torch.tensor(self.codes, dtype=codes.dtype, device=codes.device))

    def draw(self, u: Float[Tensor, " batch"]) -> Float[Tensor, " batch"]:
        """Draws each of the codes with equal probability."""
        codes = torch.tensor(sorted(self.codes), dtype=torch.float)
        return codes[inverse_cdf(torch.zeros(len(u), len(codes)), u)]

    def mismatch(
        self, attribute: Askable, rows: Float[Tensor, " row"], given: Bool[Tensor, " row"]
    ) -> Float[Tensor, " row"]:
        """The same loss for every row with another code."""
        return MISMATCH * (~self.allows(rows)).float()

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

    def allows(self, codes: Float[Tensor, " batch"]) -> Bool[Tensor, " batch"]:
        """A mask of the numbers within the range."""
        return (self.low <= codes) & (codes <= self.high)

    def draw(self, u: Float[Tensor, " batch"]) -> Float[Tensor, " batch"]:
        """Uniform in the range."""
        low, high = torch.tensor([self.low, self.high])
        return low + u * (high - low)

    def mismatch(
        self, attribute: Askable, rows: Float[Tensor, " row"], given: Bool[Tensor, " row"]
    ) -> Float[Tensor, " row"]:
        """A loss by the distance to the range.

        Rows within it come first. If there are none, the nearest rows stand in.
        """
        low, high = attribute.place(torch.tensor([self.low, self.high]))
        rows = attribute.place(rows)
        outside = (low - rows).relu() + (rows - high).relu()
        return nearest(outside, given, BANDWIDTH * attribute.reach, step=self.low < self.high)

    def binds(self, attribute: Askable) -> bool:
        """False if an end is infinite, since there is nothing to draw from."""
        return bool(torch.tensor([self.low, self.high]).isfinite().all())

    def both(self, other: Constraint) -> "Between | None":
        """The intersection of the two ranges."""
        if not isinstance(other, Between):
            return None
        low, high = max(self.low, other.low), min(self.high, other.high)
        return Between(low, high) if low <= high else None


def nearest(
    outside: Float[Tensor, "*batch row"], given: Bool[Tensor, " row"], bandwidth: float, step: bool = False
) -> Float[Tensor, "*batch row"]:
    """The log-weight, in nats, that rows lose by their distance: a Gaussian in the distance beyond the nearest row's.

    step: subtract a constant as well from rows farther than the nearest, as for rows outside a range.
    """
    beyond = outside - outside.masked_fill(~given, torch.inf).amin(-1, keepdim=True)
    return (0.5 * (beyond / bandwidth) ** 2 + MISMATCH / 2 * (step * (beyond > 0))).clamp(max=MISMATCH)


def inverse_cdf(log_weights: Float[Tensor, "batch row"], u: Float[Tensor, " batch"]) -> Tensor:
    """The index at which the cumulative weight passes u, per request: [batch]."""
    cumulative = log_weights.double().softmax(1).cumsum(1)
    index = torch.searchsorted(cumulative, u.double()[:, None] * cumulative[:, -1:], right=True)
    return index[:, 0].clamp(max=log_weights.shape[1] - 1)
