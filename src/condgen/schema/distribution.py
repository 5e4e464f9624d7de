"""The joint distribution of a dataset's attributes. It fills the attributes that a request leaves free."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from condgen.arrays import Array, Bool, Float, Int, float32, namespace, spread
from condgen.rng import NumpyRng
from condgen.schema.condition import Condition, mask_for
from condgen.schema.constraints import MISMATCH, Constraint, inverse_cdf
from condgen.schema.schema import Schema

MOST_ROWS = 20_000


@dataclass(frozen=True)
class LabelDistribution:
    """The empirical joint distribution of a dataset's attributes: its distinct rows, and how often each occurs."""

    rows: Condition
    counts: Float[Array, " row"]

    @classmethod
    def of(cls, condition: Condition) -> "LabelDistribution":
        """The joint distribution of a dataset's conditions. More than 20,000 distinct rows are thinned to an even
        subsample.
        """
        shown, counts = _distinct(condition)
        keep = spread(len(shown), min(len(shown), MOST_ROWS), shown)
        rows = condition[shown[keep]].hard()
        values = {name: rows.codes(name) for name in rows.values}
        return cls(Condition(rows.schema, values, rows.present), float32(counts[keep]))

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
        condition = self._draw(Condition.free(self.schema, len(rng), like=self.counts), constraints, rng)
        return condition if fill else condition.about(constraints)

    def fill(self, condition: Condition, rng: NumpyRng) -> Condition:
        """The same conditions, with each free attribute drawn from the data's joint distribution given the others."""
        drawn = self._draw(condition.to("cpu").hard(), {}, rng)
        return drawn.to(condition.device).update(condition)  # soft labels that were given stay probabilities

    def _draw(self, condition: Condition, asked: Mapping[str, Constraint], rng: NumpyRng) -> Condition:
        """Draw a row for every request and copy its values for the free attributes, until none is free.

        Rows may lack attributes too, so each round draws among rows that have the first attribute still missing. Every
        request takes the same count of numbers from its stream, so the rest of the batch has no effect on it.
        """
        uniforms = namespace(self.counts).asarray(rng.uniform(len(self.schema), 2))
        for k, name in enumerate(self.schema.names):
            lacking = ~condition.given(name)
            if lacking.any():
                requests = condition[lacking]
                rows = self._rows(requests, asked, self._having(name), uniforms[lacking, k])
                condition = condition.replaced(lacking, rows.update(requests))
        return condition

    def _rows(
        self,
        condition: Condition,
        asked: Mapping[str, Constraint],
        candidates: Bool[Array, " row"],
        u: Float[Array, "batch 2"],
    ) -> Condition:
        """One of the candidates for every request."""
        xp = namespace(self.counts)
        lost = xp.where(candidates, self._mismatch(condition, asked), xp.inf)
        least = xp.min(lost, axis=1, keepdims=True)  # rows that agree best weigh exactly their counts
        weights = self.counts * xp.exp(xp.astype(least - lost, xp.float64))
        return self._obeying(self.rows[inverse_cdf(weights, u[:, 0])], asked, u[:, 1])

    def _having(self, name: str) -> Bool[Array, " row"]:
        """The rows in which an attribute is known, or all if it is known in none."""
        known = self.rows.given(name)
        return known | ~known.any()

    def _mismatch(self, condition: Condition, asked: Mapping[str, Constraint]) -> Float[Array, "#batch row"]:
        """The log-weight that every row loses for every request, in nats: 0 if it agrees with everything that is asked
        for or already drawn.
        """
        xp = namespace(self.counts)
        total = xp.zeros((1, len(self.rows)), dtype=xp.float32)
        for a in self.schema:
            rows, known = self.rows.values[a.name], self.rows.given(a.name)
            here = condition.given(a.name)[:, None]
            lost = asked[a.name].mismatch(a, rows, known)[None] if a.name in asked else xp.zeros_like(total)
            if here.any():
                lost = xp.where(here, a.mismatch(condition.values[a.name], rows, known), lost)
            unknown = ~known & ~(lost == 0).all(1)[:, None]
            total = total + xp.where(unknown, MISMATCH / 2, lost)
        return total

    def _obeying(self, rows: Condition, asked: Mapping[str, Constraint], u: Float[Array, " batch"]) -> Condition:
        """The rows, with each requested attribute that they contradict or lack moved to an allowed value."""
        for name, constraint in asked.items():
            a, codes = self.schema[name], rows.values[name]
            if not constraint.binds(a):
                continue
            moved = ~(constraint.allows(codes) & rows.given(name))
            codes = namespace(codes).where(mask_for(codes, moved), constraint.draw(u), codes)
            present = rows.present | (moved[:, None] & rows.columns([name]))
            rows = Condition(rows.schema, {**rows.values, name: codes}, present)
        return rows


def _distinct(condition: Condition) -> tuple[Int[Array, " row"], Int[Array, " row"]]:
    """One index per distinct row, in the order of codes and then of presence, and how often each row occurs.

    Memory holds one number per row, whose digits are the row's codes.
    """
    xp = namespace(condition.present)
    number, numbers = xp.zeros(len(condition), dtype=xp.int64), 1
    for digit, base in _digits(condition):
        if numbers * base > 2**62:
            distinct, number = xp.unique_inverse(number)
            numbers = len(distinct)
        number, numbers = number * base + digit, numbers * base
    counts = xp.bincount(xp.unique_inverse(number).inverse_indices)
    return xp.argsort(number, stable=True)[counts.cumsum(0) - 1], counts


def _digits(condition: Condition) -> Iterator[tuple[Array, int]]:
    """For each attribute the index of its code and the number of codes.

    Then, for each attribute, whether it is given.
    """
    for a in condition.schema:
        yield a.numbered(condition.codes(a.name))
    for name in condition.schema.names:
        yield condition.given(name), 2
