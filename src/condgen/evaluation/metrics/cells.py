"""The conditions that observations are told apart by when something is measured within each: cells of real data."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from jaxtyping import Float, Int
from torch import Tensor

from condgen.schema import Attribute, Condition, Schema

BINS_ALONE, BINS_TOGETHER = 5, 3  # of a continuous attribute: the only one, or one among several
LEAST, MOST = 50, 24  # observations of a combination, and combinations


@dataclass(frozen=True)
class Cells:
    """Kinds of condition: a combination of values, where continuous attributes have bins.

    edges: of a continuous attribute's bins, ends included. parts: of each cell, per attribute the value's code or the
    bin's number.
    """

    schema: Schema
    edges: Mapping[str, tuple[float, ...]]
    parts: tuple[tuple[int, ...], ...]

    @classmethod
    def of(cls, real: Condition) -> "Cells":
        """The cells of real data: of one attribute its values, of several their commonest combinations.

        A number is cut into bins of equal count, five if it is the only one, else three. Combinations are
        those that at least 50 observations have, the 24 commonest of them. Observations with an attribute left free
        belong to no cell. Rows of numbers take no part.
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
        """Of each cell, as in `digit=7` or `far=yes, angle=-60..-20`."""
        return [
            ", ".join(f"{a.name}={self._part(a, part)}" for a, part in zip(self.schema, parts, strict=True))
            for parts in self.parts
        ]

    def index(self, condition: Condition) -> Int[Tensor, " batch"]:
        """The number of the cell that each request belongs to, −1 for none. Bins at either end are open."""
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
    """Of each request, per attribute, the value's code or the bin's number; meaningless where it is left free."""
    columns = [
        torch.bucketize(codes.cpu().double(), torch.tensor(edges[name][1:-1]).double(), right=True)
        if name in edges
        else codes.cpu().long()
        for name, codes in ((a.name, condition.values[a.name]) for a in condition.schema)
    ]
    return torch.stack(columns, 1) if columns else torch.zeros(len(condition), 0, dtype=torch.long)


def _edges(codes: Float[Tensor, " n"], bins: int) -> tuple[float, ...]:
    """The ends of bins of equal count; fewer bins where many observations share a value."""
    if not len(codes):
        return (0.0, 0.0)
    ordered = codes.cpu().double().sort().values
    inner = [float(ordered[len(ordered) * k // bins]) for k in range(1, bins)]
    low, high = float(ordered[0]), float(ordered[-1])
    return (low, *sorted({edge for edge in inner if low < edge}), high)


def _bins(edges: Sequence[float]) -> list[str]:
    """Each bin by its ends, to about a hundredth of the range."""
    span = edges[-1] - edges[0]
    decimals = max(0, 2 - math.floor(math.log10(span))) if span else 0
    shown = [f"{round(edge, decimals) + 0.0:.{decimals}f}" for edge in edges]
    return [f"{low}..{high}" for low, high in pairwise(shown)]
