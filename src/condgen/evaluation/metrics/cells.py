"""Cells: the groups of conditions within which observations are compared."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from jaxtyping import Float, Int
from torch import Tensor

from condgen.schema import Attribute, Condition, Schema

BINS_ALONE, BINS_TOGETHER = 5, 3  # bins of a continuous attribute: the only one, or one among several
LEAST, MOST = 50, 24  # smallest number of observations per combination, and largest number of combinations


@dataclass(frozen=True)
class Cells:
    """Groups of conditions: combinations of values, with continuous attributes cut into bins.

    edges: of a continuous attribute's bins, ends included.
    parts: of each cell, per attribute the value's code or the bin's number.
    """

    schema: Schema
    edges: Mapping[str, tuple[float, ...]]
    parts: tuple[tuple[int, ...], ...]

    @classmethod
    def of(cls, real: Condition) -> "Cells":
        """The cells of real data: the values of a single attribute, or the most frequent combinations of several.

        A number is cut into bins of equal count: five if it is the only attribute, else three. Combinations need at
        least 50 observations, and the 24 most frequent are taken. Observations with a free attribute belong to no cell.
        Vectors are ignored.
        """
        real = real.select([a.name for a in real.schema if a.choices or a.limits])
        alone = len(real.schema) == 1
        edges = {
            a.name: _edges(real.values[a.name][real.given(a.name)], BINS_ALONE if alone else BINS_TOGETHER)
            for a in real.schema.measured
        }
        rows = _parts(real, edges)[real.present.all(1).cpu()]
        if not len(real.schema) or not len(rows):
            return cls(real.schema, edges, ())
        found, counts = rows.unique(dim=0, return_counts=True)
        if not alone:
            order = counts.argsort(descending=True, stable=True)[:MOST]
            found = found[order[counts[order] >= LEAST]]
        return cls(real.schema, edges, tuple(tuple(row) for row in found.tolist()))

    @property
    def names(self) -> list[str]:
        """The name of each cell, as in `digit=7` or `far=yes, angle=-60..-20`."""
        return [
            ", ".join(f"{a.name}={self._part(a, part)}" for a, part in zip(self.schema, parts, strict=True))
            for parts in self.parts
        ]

    def index(self, condition: Condition) -> Int[Tensor, " batch"]:
        """The number of each request's cell, −1 for none. The outer bins are open."""
        condition = condition.select(self.schema.names)
        rows, present = _parts(condition, self.edges), condition.present.all(1).cpu()
        result = torch.full((len(condition),), -1)
        for k, parts in enumerate(self.parts):
            result[present & (rows == torch.tensor(parts)).all(1)] = k
        return result

    def _part(self, attribute: Attribute, part: int) -> str:
        if attribute.choices:
            return attribute.format(part)
        return _bins(self.edges[attribute.name])[part]


def _parts(condition: Condition, edges: Mapping[str, Sequence[float]]) -> Int[Tensor, "batch attribute"]:
    """For each request and attribute, the value's code or the bin's number. Meaningless if it is left free."""
    columns = [
        torch.bucketize(codes.cpu().double(), torch.tensor(edges[name][1:-1]).double(), right=True)
        if name in edges
        else codes.cpu().long()
        for name, codes in condition.hard().values.items()
    ]
    return torch.stack(columns, 1) if columns else torch.zeros(len(condition), 0, dtype=torch.long)


def _edges(codes: Float[Tensor, " n"], bins: int) -> tuple[float, ...]:
    """The ends of bins of equal count. There are fewer bins if many observations share a value."""
    if not len(codes):
        return (0.0, 0.0)
    ordered = codes.cpu().double().sort().values
    inner = [float(ordered[len(ordered) * k // bins]) for k in range(1, bins)]
    low, high = float(ordered[0]), float(ordered[-1])
    return (low, *sorted({edge for edge in inner if low < edge}), high)


def _bins(edges: Sequence[float]) -> list[str]:
    """The names of bins by their ends, rounded to about a hundredth of the range."""
    span = edges[-1] - edges[0]
    decimals = max(0, 2 - math.floor(math.log10(span))) if span else 0
    shown = [f"{round(edge, decimals) + 0.0:.{decimals}f}" for edge in edges]
    return [f"{low}..{high}" for low, high in pairwise(shown)]
