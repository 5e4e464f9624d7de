"""Combinations of attributes of which the data has enough examples: pairs and triples of values, the rarest first.

An average over all requests hides what happens to rare ones: a model that makes half of its old men with glasses female
obeys "male" in 95 % of samples. So rare combinations are looked at one by one.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import prod

import torch
from jaxtyping import Int
from torch import Tensor

from condgen.schema.attributes import Attribute
from condgen.schema.condition import Condition
from condgen.schema.schema import Schema

LEAST = 100  # smallest number of examples of a combination
MOST = 100  # largest number of combinations, the rarest
TRIPLES = 12  # largest number of attributes of which triples are looked at, and not pairs alone
FEW = 10_000  # combinations of the same attributes that are counted in a table
ENDS = (0.2, 0.8)  # shares of the examples at which a number is cut: its lowest and its highest fifth, and the middle

Parts = Int[Tensor, "n attribute"]


@dataclass(frozen=True)
class Combination:
    """Values, or ranges of numbers, of two or three attributes at once.

    names: of the attributes.
    parts: the code of each one's value, or the number of its range.
    examples: in the data.
    """

    names: tuple[str, ...]
    parts: tuple[int, ...]
    examples: int


@dataclass(frozen=True)
class Combinations:
    """The rarest combinations of which data has enough examples.

    edges: at which numbers are cut, per attribute.
    found: the combinations, the rarest first.
    """

    schema: Schema
    edges: Mapping[str, tuple[float, ...]]
    found: tuple[Combination, ...]

    @classmethod
    def of(cls, data: Condition, least: int = LEAST, most: int = MOST) -> "Combinations":
        """The combinations in data: at most `most`, with at least `least` examples each.

        They are of two or three attributes at once, or of two if there are more than 12, so that their number stays
        bounded. A number has three ranges: its lowest fifth, its highest fifth, and the middle. Vectors have none.
        """
        data = data.select([a.name for a in data.schema if a.choices or a.limits])
        edges = {a.name: _edges(a, data) for a in data.schema.measured}
        parts = _parts(data, edges)
        sizes = (2, 3) if len(data.schema) <= TRIPLES else (2,)
        chosen = [names for size in sizes for names in combinations(range(len(data.schema)), size)]
        found = [each for columns in chosen for each in _frequent(data.schema, parts, columns, least)]
        return cls(data.schema, edges, tuple(sorted(found, key=lambda each: each.examples)[:most]))

    def members(self, condition: Condition) -> Iterator[tuple[Combination, Int[Tensor, " member"]]]:
        """Each combination with the numbers of the conditions that have it."""
        parts = self.parts(condition)
        for each in self.found:
            columns = [self.schema.position(name) for name in each.names]
            yield each, (parts[:, columns] == torch.tensor(each.parts)).all(1).nonzero()[:, 0]

    def parts(self, condition: Condition) -> Parts:
        """The code of each value, or the number of its range, and −1 where an attribute is free."""
        return _parts(condition.select(self.schema.names), self.edges)

    def describe(self, each: Combination) -> str:
        """A combination as a request, as in `Male=yes, age=61..80`."""
        return ", ".join(f"{name}={self._part(name, part)}" for name, part in zip(each.names, each.parts, strict=True))

    def _part(self, name: str, part: int) -> str:
        a = self.schema[name]
        if a.choices:
            return a.format(part)
        low, high = (self.edges[name][k] for k in (part, part + 1))
        return f"{a.format(low)}..{a.format(high)}"


def _parts(data: Condition, edges: Mapping[str, Sequence[float]]) -> Parts:
    """See `Combinations.parts`."""
    columns = [torch.where(data.given(a.name).cpu(), _part_of(a, data, edges), -1) for a in data.schema]
    return torch.stack(columns, 1) if columns else torch.zeros(len(data), 0, dtype=torch.long)


def _part_of(a: Attribute, data: Condition, edges: Mapping[str, Sequence[float]]) -> Int[Tensor, " n"]:
    codes = data.values[a.name].cpu()
    if a.choices:
        return a.hard(codes).long()
    return torch.bucketize(codes.double(), torch.tensor(edges[a.name][1:-1]).double(), right=True)


def _edges(a: Attribute, data: Condition) -> tuple[float, ...]:
    """The ends of a number's ranges. There are fewer of them if many examples share a value."""
    codes = data.values[a.name][data.given(a.name)].cpu().double().sort().values
    if not len(codes):
        return (0.0, 0.0)
    low, high = float(codes[0]), float(codes[-1])
    inner = {float(codes[int(share * len(codes))]) for share in ENDS}
    return (low, *sorted(edge for edge in inner if low < edge < high), high)


def _frequent(schema: Schema, parts: Parts, columns: Sequence[int], least: int) -> Iterator[Combination]:
    """The combinations of these attributes with enough examples."""
    rows = parts[:, list(columns)]
    rows = rows[(rows >= 0).all(1)]
    widths = [int(column.max()) + 1 for column in rows.T] if len(rows) else [1] * len(columns)
    keys = torch.zeros(len(rows), dtype=torch.long)
    for column, width in zip(rows.T, widths, strict=True):
        keys = keys * width + column
    names = tuple(schema.names[k] for k in columns)
    for key, n in _counted(keys, prod(widths)):
        if n >= least:
            yield Combination(names, _digits(key, widths), n)


def _counted(keys: Int[Tensor, " n"], most: int) -> list[tuple[int, int]]:
    """Each key below `most` with its number, much faster than by sorting where there are few."""
    if most > FEW:
        return [(int(key), int(n)) for key, n in zip(*keys.unique(return_counts=True), strict=True)]
    return list(enumerate(keys.bincount(minlength=most).tolist()))


def _digits(key: int, widths: Sequence[int]) -> tuple[int, ...]:
    """The digits of a number in these bases, the last of which is the base of the lowest."""
    found: list[int] = []
    for width in reversed(widths):
        key, digit = divmod(key, width)
        found.insert(0, digit)
    return tuple(found)
