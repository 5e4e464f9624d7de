"""The data's joint distribution of attributes: what fills the attributes that a request leaves free."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from condgen.rng import Rng
from condgen.schema.attributes import Continuous, Flag
from condgen.schema.condition import Condition
from condgen.schema.schema import Schema

MISMATCH = 30.0  # nats by which a row that contradicts one asked attribute is less likely than one that agrees
BANDWIDTH = 0.02  # share of a continuous attribute's range within which rows count as agreeing
MOST_ROWS = 20_000


@dataclass(frozen=True)
class OneOf:
    """A discrete attribute must take one of these codes. `negated` remembers that it was asked as `!=`."""

    codes: tuple[int, ...]
    negated: bool = False


@dataclass(frozen=True)
class Between:
    """A continuous attribute must lie in [low, high]; a single number when both are equal."""

    low: float
    high: float


Constraint = OneOf | Between
Asked = Float[Tensor, "batch bound"] | Bool[Tensor, "batch code"]


@dataclass(frozen=True)
class LabelDistribution:
    """The empirical joint distribution of a dataset's attributes: its distinct rows and how often each occurs."""

    rows: Condition
    counts: Float[Tensor, " row"]

    @classmethod
    def of(cls, condition: Condition) -> "LabelDistribution":
        """The joint distribution of a dataset's conditions; of more than 20,000 distinct rows, an even subsample."""
        shown, counts = _distinct(condition)
        keep = torch.linspace(0, len(shown) - 1, min(len(shown), MOST_ROWS)).long()
        rows = condition[shown[keep]].hard()
        values = {name: torch.where(rows.given(name), codes, 0.0) for name, codes in rows.values.items()}
        return cls(Condition(rows.schema, values, rows.present), counts[keep].float())

    @property
    def schema(self) -> Schema:
        """The attributes it is the joint distribution of."""
        return self.rows.schema

    def draw(self, constraints: Mapping[str, Constraint], rng: Rng, fill: bool = True) -> Condition:
        """One condition per stream of `rng`, distributed as the data's rows given the constraints.

        A combination that the data never shows is answered all the same: what was asked holds, the free attributes come
        from the rows that agree with most of it. With `fill` false the free attributes stay free.
        """
        asked = {name: self._asked(name, constraint, len(rng)) for name, constraint in constraints.items()}
        condition = self._draw(Condition.free(self.schema, len(rng)), asked, rng)
        return condition if fill else condition.drop(~self._columns(list(constraints), len(rng)))

    def fill(self, condition: Condition, rng: Rng) -> Condition:
        """The same conditions with every free attribute drawn from the data's joint distribution given the others."""
        drawn = self._draw(condition.to("cpu").hard(), {}, rng)
        return drawn.to(condition.device).update(condition)  # probabilities stay what they are

    def _asked(self, name: str, constraint: Constraint, batch: int) -> Asked:
        if isinstance(constraint, Between):
            return torch.tensor([[constraint.low, constraint.high]]).expand(batch, 2)
        attribute = self.schema[name]
        assert not isinstance(attribute, Continuous), "a continuous attribute is asked for with Between"
        allowed = torch.zeros(batch, len(attribute.choices), dtype=torch.bool)
        allowed[:, list(constraint.codes)] = True
        return allowed

    def _columns(self, names: list[str], batch: int) -> Bool[Tensor, "batch attribute"]:
        return torch.tensor([name in names for name in self.schema.names]).expand(batch, -1)

    def _draw(self, condition: Condition, asked: Mapping[str, Asked], rng: Rng) -> Condition:
        """Draw a row for every request and take what is still free from it, until nothing is.

        Rows may lack attributes themselves; each round uses rows that have the first attribute still missing. Every
        request takes the same numbers from its stream, so that what others in the batch lack changes nothing.
        """
        uniforms = rng.uniform(len(self.schema), 2)
        for k, name in enumerate(self.schema.names):
            missing = ~condition.given(name)
            if not missing.any():
                continue
            log_weights = self._agreement(condition, asked) + self.counts.log()
            if self.rows.given(name).any():
                log_weights = log_weights.masked_fill(~self.rows.given(name), -torch.inf)
            picked = _inverse_cdf(log_weights, uniforms[:, k, 0])
            drawn = self._obeying(self.rows[picked], asked, uniforms[:, k, 1])
            condition = drawn.drop(~missing[:, None].expand_as(drawn.present)).update(condition)
        return condition

    def _agreement(self, condition: Condition, asked: Mapping[str, Asked]) -> Float[Tensor, "batch row"]:
        """Log-weight of every row for every request: 0 where it agrees with all that is asked or already drawn."""
        total = torch.zeros(len(condition), len(self.rows))
        for a in self.schema:
            codes = self.rows.values[a.name]
            here = condition.given(a.name)[:, None]
            if isinstance(a, Continuous):
                bounds = asked.get(a.name, torch.tensor([[-torch.inf, torch.inf]]))
                bounds = torch.where(here, condition.values[a.name][:, None], bounds)
                penalty = _distance(codes, self.rows.given(a.name), bounds, BANDWIDTH * (a.high - a.low))
            else:
                allowed = asked.get(a.name, torch.ones(1, len(a.choices), dtype=torch.bool))
                own = condition.values[a.name][:, None] == torch.arange(len(a.choices))
                penalty = MISMATCH * (~torch.where(here, own, allowed)).float()[:, codes.long()]
            unknown = ~self.rows.given(a.name) & ~_unconstrained(penalty)
            total -= torch.where(unknown, MISMATCH / 2, penalty)
        return total

    def _obeying(self, rows: Condition, asked: Mapping[str, Asked], u: Float[Tensor, " batch"]) -> Condition:
        """The rows, with every asked attribute that they contradict or lack moved to an allowed value."""
        for a in self.schema:
            if a.name not in asked:
                continue
            codes, bounds = rows.values[a.name], asked[a.name]
            if bounds.dtype == torch.bool:
                fits = bounds.gather(1, codes.long()[:, None])[:, 0]
                constrained = ~bounds.all(1)
                drawn = _inverse_cdf(bounds.float().log(), u).float()
            else:
                fits = (bounds[:, 0] <= codes) & (codes <= bounds[:, 1])
                constrained = bounds.isfinite().all(1)
                drawn = torch.where(constrained, bounds[:, 0] + u * (bounds[:, 1] - bounds[:, 0]), 0.0)
            here = rows.given(a.name)
            moved = constrained & ~(fits & here)
            present = rows.present.clone()
            present[:, self.schema.position(a.name)] |= moved
            rows = Condition(rows.schema, {**rows.values, a.name: torch.where(moved, drawn, codes)}, present)
        return rows


def _distinct(condition: Condition) -> tuple[Int[Tensor, " row"], Int[Tensor, " row"]]:
    """An example of each distinct row, by the order of codes, then of what is given, and how often each occurs.

    Of millions of rows, one number for each is all that is in memory: its digits are the codes.
    """
    number, numbers = torch.zeros(len(condition), dtype=torch.long), 1
    for digit, base in _digits(condition):
        if numbers * base > 2**62:
            distinct, number = number.unique(return_inverse=True)
            numbers = len(distinct)
        number, numbers = number * base + digit, numbers * base
    distinct, number, counts = number.unique(return_inverse=True, return_counts=True)
    example = torch.zeros(len(distinct), dtype=torch.long).scatter_(0, number, torch.arange(len(number)))
    return example, counts


def _digits(condition: Condition) -> Iterator[tuple[Int[Tensor, " n"], int]]:
    """For each attribute the number of its code and how many there are; then whether it is given."""
    for a in condition.schema:
        codes = torch.where(condition.given(a.name), condition.values[a.name], 0.0)
        if isinstance(a, Continuous):
            distinct, number = codes.unique(return_inverse=True)
            yield number, len(distinct)
        else:
            yield (codes > 0.5 if isinstance(a, Flag) else codes).long(), len(a.choices)
    for name in condition.schema.names:
        yield condition.given(name).long(), 2


def _distance(
    codes: Float[Tensor, " row"], given: Bool[Tensor, " row"], bounds: Float[Tensor, "batch 2"], bandwidth: float
) -> Float[Tensor, "batch row"]:
    """Penalty of rows outside the bounds: a Gaussian in the distance beyond the nearest row's.

    Where a range is asked, rows within it come before all others; where none is within, the nearest stand in.
    """
    outside = (bounds[:, :1] - codes).relu() + (codes - bounds[:, 1:]).relu()
    beyond = outside - outside.masked_fill(~given, torch.inf).amin(1, keepdim=True)
    step = (beyond > 0) & (bounds[:, :1] < bounds[:, 1:])
    return (0.5 * (beyond / bandwidth) ** 2 + MISMATCH / 2 * step).clamp(max=MISMATCH)


def _unconstrained(penalty: Float[Tensor, "batch row"]) -> Bool[Tensor, "batch 1"]:
    return (penalty == 0).all(1, keepdim=True)


def _inverse_cdf(log_weights: Float[Tensor, "batch row"], u: Float[Tensor, " batch"]) -> Tensor:
    """The index where the cumulative weight passes u, per request: [batch]."""
    cumulative = log_weights.double().softmax(1).cumsum(1)
    index = torch.searchsorted(cumulative, u.double()[:, None] * cumulative[:, -1:], right=True)
    return index[:, 0].clamp(max=log_weights.shape[1] - 1)
