"""The joint distribution of a dataset's attributes. It fills the attributes that a request leaves free."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from condgen.rng import NumpyRng
from condgen.schema.condition import Condition, mask_for
from condgen.schema.constraints import MISMATCH, Constraint, inverse_cdf
from condgen.schema.schema import Schema

MOST_ROWS = 20_000


@dataclass(frozen=True)
class LabelDistribution:
    """The empirical joint distribution of a dataset's attributes: its distinct rows, and how often each occurs."""

    rows: Condition
    counts: Float[Tensor, " row"]

    @classmethod
    def of(cls, condition: Condition) -> "LabelDistribution":
        """The joint distribution of a dataset's conditions. More than 20,000 distinct rows are thinned to an even
        subsample.
        """
        shown, counts = _distinct(condition)
        keep = torch.linspace(0, len(shown) - 1, min(len(shown), MOST_ROWS)).long()
        rows = condition[shown[keep]].hard()
        values = {name: rows.codes(name) for name in rows.values}
        return cls(Condition(rows.schema, values, rows.present), counts[keep].float())

    @property
    def schema(self) -> Schema:
        """The attributes of the distribution."""
        return self.rows.schema

    def crowding(self) -> list[str]:
        """Sentences on attributes whose values the encoding can hardly tell apart (see `Attribute.crowding`)."""
        given = [(a, self.rows.given(a.name)) for a in self.schema]
        found = [a.crowding(self.rows.values[a.name][here], self.counts[here]) for a, here in given]
        return [text for text in found if text]

    def draw(self, constraints: Mapping[str, Constraint], rng: NumpyRng, fill: bool = True) -> Condition:
        """One condition per stream of `rng`, distributed as the data's rows given the constraints.

        A combination that the data never shows is answered too. The constraints hold, and the free attributes come from
        the rows that agree with most of them. With `fill` false the free attributes stay free.
        """
        condition = self._draw(Condition.free(self.schema, len(rng)), constraints, rng)
        return condition if fill else condition.drop(~self._columns(list(constraints), len(rng)))

    def fill(self, condition: Condition, rng: NumpyRng) -> Condition:
        """The same conditions, with each free attribute drawn from the data's joint distribution given the others."""
        drawn = self._draw(condition.to("cpu").hard(), {}, rng)
        return drawn.to(condition.device).update(condition)  # soft labels that were given stay probabilities

    def _columns(self, names: list[str], batch: int) -> Bool[Tensor, "batch attribute"]:
        return torch.tensor([name in names for name in self.schema.names]).expand(batch, -1)

    def _draw(self, condition: Condition, asked: Mapping[str, Constraint], rng: NumpyRng) -> Condition:
        """Draw a row for every request and copy its values for the free attributes, until none is free.

        Rows may lack attributes too, so each round draws among rows that have the first attribute still missing. Every
        request takes the same count of numbers from its stream, so the rest of the batch has no effect on it.
        """
        uniforms = rng.uniform(len(self.schema), 2)
        for k, name in enumerate(self.schema.names):
            missing = ~condition.given(name)
            if not missing.any():
                continue
            log_weights = self._agreement(condition, asked) + self.counts.log()
            if self.rows.given(name).any():
                log_weights = log_weights.masked_fill(~self.rows.given(name), -torch.inf)
            picked = inverse_cdf(log_weights, uniforms[:, k, 0])
            drawn = self._obeying(self.rows[picked], asked, uniforms[:, k, 1])
            condition = drawn.drop(~missing[:, None].expand_as(drawn.present)).update(condition)
        return condition

    def _agreement(self, condition: Condition, asked: Mapping[str, Constraint]) -> Float[Tensor, "batch row"]:
        """The log-weight of every row for every request: 0 if it agrees with everything asked for or already drawn."""
        total = torch.zeros(len(condition), len(self.rows))
        for a in self.schema:
            rows, given = self.rows.values[a.name], self.rows.given(a.name)
            here = condition.given(a.name)[:, None]
            penalty = torch.zeros(1, len(rows))
            if a.name in asked:
                penalty = asked[a.name].mismatch(a, rows, given)[None]
            if here.any():
                penalty = torch.where(here, a.mismatch(condition.values[a.name], rows, given), penalty)
            unknown = ~given & ~_unconstrained(penalty)
            total -= torch.where(unknown, MISMATCH / 2, penalty)
        return total

    def _obeying(self, rows: Condition, asked: Mapping[str, Constraint], u: Float[Tensor, " batch"]) -> Condition:
        """The rows, with each requested attribute that they contradict or lack moved to an allowed value."""
        for name, constraint in asked.items():
            a, codes = self.schema[name], rows.values[name]
            if not constraint.binds(a):
                continue
            moved = ~(constraint.allows(codes) & rows.given(name))
            present = rows.present.clone()
            present[:, self.schema.position(name)] |= moved
            codes = torch.where(mask_for(codes, moved), constraint.draw(u), codes)
            rows = Condition(rows.schema, {**rows.values, name: codes}, present)
        return rows


def _distinct(condition: Condition) -> tuple[Int[Tensor, " row"], Int[Tensor, " row"]]:
    """One index per distinct row, in the order of codes and then of presence, and how often each row occurs.

    Memory holds one number per row, whose digits are the row's codes.
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
    """For each attribute the index of its code and the number of codes.

    Then, for each attribute, whether it is given.
    """
    for a in condition.schema:
        yield a.numbered(condition.codes(a.name))
    for name in condition.schema.names:
        yield condition.given(name).long(), 2


def _unconstrained(penalty: Float[Tensor, "batch row"]) -> Bool[Tensor, "batch 1"]:
    return (penalty == 0).all(1, keepdim=True)
