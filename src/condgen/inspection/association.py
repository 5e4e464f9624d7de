"""Associations between attributes, and pairs of values that are rare or absent.

Everything comes from one matrix of sums, XᵀX. X has the one-hot values of named attributes and, for numbers, presence,
value and square. It is added up over blocks of rows, so a million rows take seconds. Variances are small differences of
large sums, which therefore have double precision.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import torch
from jaxtyping import Float
from torch import Tensor

from condgen.schema import Attribute, Condition

MOST_VALUES = 100  # attributes with more values are left out, since there are too few rows per pair; so are vectors
BLOCK = 10_000_000  # numbers of X in memory at once
RARE = 0.2  # a pair of values is rare below this share of its expected number
EXPECTED = 5.0  # pairs with a smaller expected number are not reported as absent

Sums = Float[Tensor, "column column"]


@dataclass(frozen=True)
class Association:
    """The strength of association between two attributes, from 0 to 1, its measure, and an example from the data.

    table: counts by the values of the first (rows) and the second (columns), if both have names.
    """

    first: str
    second: str
    measure: str
    strength: float
    sentence: str
    table: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Pair:
    """Two values together: their number of occurrences, and the number expected if the attributes were independent."""

    request: str
    n: int
    expected: float


@dataclass(frozen=True)
class CoOccurrence:
    """Combinations of all named values: the possible and the present number, associations, and absent and
    rare pairs.
    """

    possible: int
    present: int
    associations: tuple[Association, ...]
    absent: tuple[Pair, ...]
    rare: tuple[Pair, ...]


def co_occurrence(condition: Condition) -> CoOccurrence:
    """Associations and pairs of values, with the strongest associations and the most unexpected absences first."""
    condition = condition.hard()
    attributes = [a for a in condition.schema if a.limits or 0 < len(a.choices) <= MOST_VALUES]
    sums, place = _sums(condition, attributes)
    found, pairs = [], []
    for a, b in combinations(attributes, 2):
        block = sums[place[a.name], place[b.name]]
        found.append(_associated(a, b, block, sums[place[a.name], place[a.name]]))
        if a.choices and b.choices:
            pairs += list(_pairs(a, b, block))
    found.sort(key=lambda each: -each.strength)
    possible, present = _combinations(condition)
    absent = sorted((p for p in pairs if not p.n), key=lambda p: -p.expected)
    rare = sorted((p for p in pairs if 0 < p.n < RARE * p.expected), key=lambda p: p.n - p.expected)
    return CoOccurrence(possible, present, tuple(found), tuple(absent), tuple(rare))


def _sums(condition: Condition, attributes: Sequence[Attribute]) -> tuple[Sums, dict[str, slice]]:
    """XᵀX, and the columns of each attribute."""
    place, width = {}, 0
    for a in attributes:
        columns = len(a.choices) or 3
        place[a.name], width = slice(width, width + columns), width + columns
    sums = torch.zeros(width, width, dtype=torch.float64)
    if not attributes:
        return sums, place
    for start in range(0, len(condition), step := max(BLOCK // width, 1)):
        part = condition[start : start + step]
        x = torch.cat([_columns(a, part) for a in attributes], dim=1)
        sums += x.T @ x
    return sums, place


def _columns(a: Attribute, part: Condition) -> Float[Tensor, "n column"]:
    """One-hot values, or presence, value and square of numbers scaled to [−1, 1]. Zero if missing."""
    given = part.given(a.name).double()[:, None]
    codes = part.codes(a.name)
    if not a.choices:
        x = a.encode(codes).double()
        return torch.cat([torch.ones_like(x), x, x.square()], dim=1) * given
    return torch.nn.functional.one_hot(codes.long(), len(a.choices)) * given


def _associated(a: Attribute, b: Attribute, block: Tensor, own: Tensor) -> Association:
    if not a.choices and not b.choices:
        r = _correlation(block)
        sentence = f"{b.name} {'rises' if r > 0 else 'falls'} with {a.name}."
        return Association(a.name, b.name, "correlation", abs(r), sentence, ())
    if not a.choices:
        return _ratio(b, a, block.T)
    if not b.choices:
        return _ratio(a, b, block)
    table = tuple(tuple(round(n) for n in row) for row in block.tolist())
    return Association(a.name, b.name, "Cramér's V", cramers_v(block), _together(a, b, block), table)


def cramers_v(table: Float[Tensor, "row column"]) -> float:
    """Cramér's V of a table of counts, corrected for its bias in small samples (Bergsma 2013): 0 to 1."""
    table = table[table.sum(1) > 0][:, table.sum(0) > 0]
    n, (r, k) = float(table.sum()), table.shape
    if min(r, k) < 2 or n < 2:
        return 0.0
    expected = table.sum(1, keepdim=True) * table.sum(0) / n
    phi = float(((table - expected).square() / expected).sum()) / n
    corrected = max(0.0, phi - (r - 1) * (k - 1) / (n - 1))
    r_, k_ = r - (r - 1) ** 2 / (n - 1), k - (k - 1) ** 2 / (n - 1)
    return min(1.0, (corrected / max(min(r_, k_) - 1, 1e-9)) ** 0.5)


def _together(a: Attribute, b: Attribute, table: Float[Tensor, "row column"]) -> str:
    """The pair of values that occurs most beyond chance, in words."""
    n = table.sum().clamp(min=1)
    expected = table.sum(1, keepdim=True) * table.sum(0) / n
    row, column = divmod(int(((table - expected) / expected.clamp(min=1).sqrt()).argmax()), table.shape[1])
    share, base = table[row, column] / table[row].sum().clamp(min=1), table[:, column].sum() / n
    this, that = f"{a.name}={a.choices[row]}", f"{b.name}={b.choices[column]}"
    return f"{100 * float(share):.0f} % of {this} have {that}, against {100 * float(base):.0f} % of all."


def _ratio(a: Attribute, number: Attribute, block: Float[Tensor, "value 3"]) -> Association:
    """The correlation ratio η: the square root of the share of a number's variance that lies between the values."""
    n, x, square = block.unbind(1)
    total, mean = n.sum().clamp(min=1), x / n.clamp(min=1)
    centre = x.sum() / total
    spread = float(square.sum() - total * centre.square())
    between = float((n * (mean - centre).square()).sum())
    strength = min(1.0, (between / spread) ** 0.5) if spread > 1e-9 else 0.0
    return Association(a.name, number.name, "correlation ratio", strength, _means(a, number, n, mean), ())


def _means(a: Attribute, number: Attribute, n: Tensor, mean: Tensor) -> str:
    enough = (n >= min(EXPECTED, float(n.max()))).nonzero()[:, 0]
    order = enough[mean[enough].argsort()].tolist()

    def said(k: int) -> str:
        value = float(number.decode(mean[k].float().view(1, 1)))
        return f"{_rounded(value, number)} where {a.name}={a.choices[k]}"

    return f"{number.name} is on average {said(order[0])} and {said(order[-1])}."


def _rounded(value: float, number: Attribute) -> str:
    """A number rounded to a hundredth of the range: 1994 for years, 0.37 for shares."""
    digits = max(0, 2 - math.floor(math.log10(number.span)))
    return f"{value:.{digits}f}".rstrip("0").rstrip(".") if digits else f"{value:.0f}"


def _correlation(block: Float[Tensor, "3 3"]) -> float:
    """Pearson's r from the sums over rows where both numbers are given."""
    n, x, y = float(block[0, 0]), float(block[1, 0]), float(block[0, 1])
    if n < 2:
        return 0.0
    spread = (float(block[2, 0]) - x * x / n) * (float(block[0, 2]) - y * y / n)
    return min(max((float(block[1, 1]) - x * y / n) / spread**0.5, -1.0), 1.0) if spread > 1e-12 else 0.0


def _pairs(a: Attribute, b: Attribute, table: Float[Tensor, "row column"]) -> Iterator[Pair]:
    """The pairs of values with less than a fifth of the occurrences expected under independence."""
    expected = table.sum(1, keepdim=True) * table.sum(0) / table.sum().clamp(min=1)
    scarce = (expected >= EXPECTED) & (table < RARE * expected)
    for i, j in scarce.nonzero().tolist():
        request = f"{a.name}={a.choices[i]}, {b.name}={b.choices[j]}"
        yield Pair(request, round(float(table[i, j])), round(float(expected[i, j]), 1))


def _combinations(condition: Condition) -> tuple[int, int]:
    """The possible number of combinations of named values, and the number present."""
    named = condition.schema.discrete
    if not named:
        return 0, 0
    complete = torch.stack([condition.given(a.name) for a in named], dim=1).all(1)
    keys, possible, ids = torch.zeros(int(complete.sum()), dtype=torch.long), 1, 1
    for a in named:
        possible *= len(a.choices)
        keys = keys * len(a.choices) + condition.values[a.name][complete].long()
        if (ids := ids * len(a.choices)) > 2**40:  # renumber before the products overflow 64 bits
            distinct, keys = keys.unique(return_inverse=True)
            ids = len(distinct)
    return possible, len(keys.unique())
