"""Constraints: what a request asks of one attribute, from how it is written to which codes obey it."""

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
    """The part of an attribute that constraints look at."""

    @property
    def name(self) -> str:
        """As it is asked for."""

    @property
    def choices(self) -> tuple[str, ...]:
        """The names of the values, if they have names."""

    @property
    def span(self) -> float:
        """The error between values that are as far apart as can be."""

    @property
    def reach(self) -> float:
        """The distance between the places that are farthest apart."""

    def place(self, codes: Any) -> Any:
        """A number per code, near for values that mean nearly the same."""

    def format(self, code: Any) -> str:
        """The value with this code as text."""

    def show(self, code: Any) -> str:
        """The value with this code in short."""

    def mismatch(
        self, codes: Float[Tensor, "batch ..."], rows: Float[Tensor, "row ..."], given: Bool[Tensor, " row"]
    ) -> Float[Tensor, "batch row"]:
        """Nats by which rows are less likely than others, where these codes are asked for."""


class Constraint(ABC):
    """What is asked of one attribute."""

    @abstractmethod
    def text(self, attribute: Askable) -> str:
        """As a precise request: `color!=red`, `age=20..30`."""

    @abstractmethod
    def allows(self, codes: Float[Tensor, "batch ..."]) -> Bool[Tensor, " batch"]:
        """Which codes obey."""

    @abstractmethod
    def draw(self, u: Float[Tensor, " batch"]) -> Float[Tensor, "batch ..."]:
        """Codes that obey, from uniform numbers, where the data has none."""

    @abstractmethod
    def mismatch(
        self, attribute: Askable, rows: Float[Tensor, "row ..."], given: Bool[Tensor, " row"]
    ) -> Float[Tensor, " row"]:
        """Nats by which rows are less likely than others for what they have. given: rows that count."""

    def binds(self, attribute: Askable) -> bool:
        """Whether it excludes anything, or asks for a value to be there."""
        return True

    def either(self, other: "Constraint") -> "Constraint | None":
        """The constraint that what obeys one or the other obeys; None where no single one says that."""
        return None

    def both(self, other: "Constraint") -> "Constraint | None":
        """The constraint that only what obeys both obeys; None where nothing does."""
        return self if self == other else None

    def excluded(self, attribute: Askable) -> "Constraint | None":
        """The constraint on values that the request names as unwanted, as in `color!=red`; None where it names none."""
        return None


@dataclass(frozen=True)
class OneOf(Constraint):
    """A discrete attribute must take one of these codes. `negated` remembers that it was asked as `!=`."""

    codes: tuple[int, ...]
    negated: bool = False

    def text(self, attribute: Askable) -> str:
        """`color=red|green`, or `color!=blue` where it was asked so."""
        codes = self.others(attribute) if self.negated else self.codes
        return f"{attribute.name}{'!' * self.negated}=" + "|".join(map(attribute.format, codes))

    def allows(self, codes: Float[Tensor, " batch"]) -> Bool[Tensor, " batch"]:
        """Which codes are among those asked for."""
        return torch.isin(codes, torch.tensor(self.codes, dtype=codes.dtype, device=codes.device))

    def draw(self, u: Float[Tensor, " batch"]) -> Float[Tensor, " batch"]:
        """Each of the codes equally likely."""
        codes = torch.tensor(sorted(self.codes), dtype=torch.float)
        return codes[inverse_cdf(torch.zeros(len(u), len(codes)), u)]

    def mismatch(
        self, attribute: Askable, rows: Float[Tensor, " row"], given: Bool[Tensor, " row"]
    ) -> Float[Tensor, " row"]:
        """The same for every row with another code."""
        return MISMATCH * (~self.allows(rows)).float()

    def binds(self, attribute: Askable) -> bool:
        """Not where every value is allowed."""
        return bool(self.others(attribute))

    def either(self, other: Constraint) -> "OneOf | None":
        """One of the codes of both."""
        return OneOf(tuple(dict.fromkeys((*self.codes, *other.codes)))) if isinstance(other, OneOf) else None

    def both(self, other: Constraint) -> "OneOf | None":
        """One of the codes that both have."""
        if not isinstance(other, OneOf):
            return None
        common = tuple(code for code in self.codes if code in other.codes)
        return replace(self, codes=common, negated=self.negated and other.negated) if common else None

    def excluded(self, attribute: Askable) -> "OneOf | None":
        """The other codes, where it was asked as `!=`."""
        return OneOf(self.others(attribute)) if self.negated else None

    def others(self, attribute: Askable) -> tuple[int, ...]:
        """The codes that are not allowed."""
        return tuple(code for code in range(len(attribute.choices)) if code not in self.codes)


@dataclass(frozen=True)
class Between(Constraint):
    """A number must lie in [low, high]; a single number when both are equal."""

    low: float
    high: float

    def text(self, attribute: Askable) -> str:
        """`age=20..30`, or `age=20`."""
        ends = dict.fromkeys((attribute.format(self.low), attribute.format(self.high)))
        return f"{attribute.name}=" + "..".join(ends)

    def allows(self, codes: Float[Tensor, " batch"]) -> Bool[Tensor, " batch"]:
        """Which numbers are within the range."""
        return (self.low <= codes) & (codes <= self.high)

    def draw(self, u: Float[Tensor, " batch"]) -> Float[Tensor, " batch"]:
        """Uniform in the range."""
        low, high = torch.tensor([self.low, self.high])
        return low + u * (high - low)

    def mismatch(
        self, attribute: Askable, rows: Float[Tensor, " row"], given: Bool[Tensor, " row"]
    ) -> Float[Tensor, " row"]:
        """By the distance to the range: rows within it come first; where none is within, the nearest stand in."""
        low, high = attribute.place(torch.tensor([self.low, self.high]))
        rows = attribute.place(rows)
        outside = (low - rows).relu() + (rows - high).relu()
        return nearest(outside, given, BANDWIDTH * attribute.reach, step=self.low < self.high)

    def binds(self, attribute: Askable) -> bool:
        """Not where an end is infinite: there is nothing to draw from."""
        return bool(torch.tensor([self.low, self.high]).isfinite().all())

    def both(self, other: Constraint) -> "Between | None":
        """The range that both have."""
        if not isinstance(other, Between):
            return None
        low, high = max(self.low, other.low), min(self.high, other.high)
        return Between(low, high) if low <= high else None


def nearest(
    outside: Float[Tensor, "*batch row"], given: Bool[Tensor, " row"], bandwidth: float, step: bool = False
) -> Float[Tensor, "*batch row"]:
    """Nats by which rows at a distance are less likely: a Gaussian in the distance beyond the nearest row's.

    step: rows that are farther than the nearest one are less likely by a step as well, as those outside a range are.
    """
    beyond = outside - outside.masked_fill(~given, torch.inf).amin(-1, keepdim=True)
    return (0.5 * (beyond / bandwidth) ** 2 + MISMATCH / 2 * (step * (beyond > 0))).clamp(max=MISMATCH)


def inverse_cdf(log_weights: Float[Tensor, "batch row"], u: Float[Tensor, " batch"]) -> Tensor:
    """The index where the cumulative weight passes u, per request: [batch]."""
    cumulative = log_weights.double().softmax(1).cumsum(1)
    index = torch.searchsorted(cumulative, u.double()[:, None] * cumulative[:, -1:], right=True)
    return index[:, 0].clamp(max=log_weights.shape[1] - 1)
