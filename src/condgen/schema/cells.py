"""A table's cells: those that are empty, numbers or rows of numbers, and those that do not fit their column."""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

_MISSING = {"", "nan", "none", "null", "na", "n/a"}
NEARLY = 0.8  # share of a column's cells that are meant alike, so that the others are mistakes
FEW = 12  # up to this many distinct numbers are names of categories
LOOKED_AT = 100  # cells that say whether a column holds rows of numbers at all


@dataclass(frozen=True)
class Mistake:
    """A cell that keeps its column from being an attribute. row: from 0. holds: its content, and the one expected."""

    column: str
    row: int
    holds: str


def missing(value: Any) -> bool:
    """Whether a table's cell holds no value: nothing, a text such as "n/a", NaN, or pandas' NA and NaT."""
    if isinstance(value, str):
        return value.strip().casefold() in _MISSING
    return value is None or (type(value).__hash__ is not None and _unequal_to_itself(value))


def _unequal_to_itself(value: Any) -> bool:
    """Whether a value is NaN or NaT, which differ from themselves, or NA, whose comparisons give NA."""
    unequal = value != value
    return bool(unequal) if isinstance(unequal, bool | np.bool_) else unequal is value


def is_number(cell: Any) -> bool:
    """Whether a cell holds a finite number."""
    try:
        return math.isfinite(float(cell))
    except (TypeError, ValueError, OverflowError):
        return False


def numbers_in(cell: object) -> tuple[float, ...] | None:
    """The numbers in a list, an array, a tensor or a text, or None for anything else."""
    if isinstance(cell, str):
        inner = cell.strip().strip("[]()")
        cell = (inner.replace(",", " ") if inner != cell.strip() else inner).split()  # 1,000 is one number
    elif callable(tolist := getattr(cell, "tolist", None)):
        cell = tolist()
    try:
        return tuple(map(float, cell)) if isinstance(cell, list | tuple) else None
    except (TypeError, ValueError):
        return None


def no_numbers(counts: Mapping[Any, int]) -> dict[Any, int]:
    """The cells that are no numbers in a column that is meant to hold numbers, and how often each occurs.

    counts: the number of times each cell occurs. A number with a decimal comma is meant as one, and is none.
    """
    given = {cell: n for cell, n in counts.items() if not missing(cell)}
    meant = [cell for cell in given if _meant(cell)]
    if len(meant) <= FEW or sum(given[cell] for cell in meant) < NEARLY * sum(given.values()):
        return {}
    return {cell: n for cell, n in given.items() if not is_number(cell)}


def sentence(name: str, wrong: Mapping[Any, int], cells: Iterable[Any]) -> str:
    """A sentence on the wrong cells of a column of numbers, with the first one's row. Empty if there is none."""
    if not wrong:
        return ""
    row, cell = next((row, cell) for row, cell in enumerate(cells, 1) if cell in wrong)
    others = sum(wrong.values()) - 1
    more = f", and so are {others:,} other cells" if others > 1 else ", and so is another cell" if others else ""
    what = "has a decimal comma instead of a point" if _meant(cell) else "is no number"
    return f"The column '{name}' holds numbers, but {str(cell)[:40]!r} in row {row:,} {what}{more}."


def _meant(cell: Any) -> bool:
    """Whether a cell is a number, or would be one with a point in place of its comma."""
    return is_number(cell) or (isinstance(cell, str) and is_number(cell.replace(",", ".", 1)))


def odd_row(name: str, cells: Sequence[Any]) -> Mistake | None:
    """The first cell that is not like nearly all others, which are rows of numbers of one length."""
    if not any(len(numbers_in(cell) or ()) > 1 for cell in cells[:LOOKED_AT]):
        return None
    rows = {k: numbers_in(cell) for k, cell in enumerate(cells) if not missing(cell)}
    lengths = Counter(len(numbers) for numbers in rows.values() if numbers and len(numbers) > 1)
    size, alike = lengths.most_common(1)[0]
    if alike < max(NEARLY * len(rows), FEW) or alike == len(rows):
        return None
    row, numbers = next((k, n) for k, n in rows.items() if n is None or len(n) != size)
    holds = repr(cells[row]) if numbers is None else f"{len(numbers)} number{'s' * (len(numbers) != 1)}"
    return Mistake(name, row, f"{holds[:60]}, and not {size} numbers as the other rows")


def odd_coordinates(columns: Mapping[str, Sequence[Any]], families: Iterable[Sequence[str]]) -> Iterator[Mistake]:
    """Cells that are no numbers in columns that together are a vector, where nearly all others are numbers.

    families: the names of the columns of each vector.
    """
    for names in families:
        wrong = {n: [k for k, cell in enumerate(columns[n]) if not (missing(cell) or is_number(cell))] for n in names}
        if all(len(rows) <= (1 - NEARLY) * len(columns[name]) for name, rows in wrong.items()):
            for name, rows in wrong.items():
                yield from (Mistake(name, k, f"{columns[name][k]!r:.60}, which is no number") for k in rows[:1])
