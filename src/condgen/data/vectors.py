"""Vectors out of tables: the division of columns into observed coordinates and attributes."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import torch

from condgen.data.infer import NO_ATTRIBUTES, infer_attribute
from condgen.data.readers.table import Table, Undecided
from condgen.errors import DataError
from condgen.schema import Attribute, same
from condgen.schema.cells import missing
from condgen.schema.column import Column
from condgen.schema.ranges import CROWDED, crowded, strays


def with_vectors(tables: Sequence[Table], attributes: Iterable[str] | None) -> list[Table]:
    """Tables in which columns of numbers that are not attributes become vectors. Other tables are unchanged.

    attributes: the names of the chosen ones. By default every column is an attribute unless it holds measured numbers.

    Columns that number the rows are left out with a note, and so are rows without a value in a coordinate. Raises
    DataError if no coordinate is left.
    """
    if not all(isinstance(table.content, Undecided) for table in tables):
        return list(tables)
    first, both = tables[0], {n: [c for t in tables for c in t.columns.get(n, ())] for n in tables[0].columns}
    wanted = None if attributes is None else {same(name, first.columns) for name in attributes}
    counting = [n for n in both if n not in (wanted or ()) and _numbers_rows(n, tables)]
    for table in tables:
        _must_be_numbers(table, wanted)
    names = [n for n, cells in both.items() if n not in counting and _is_coordinate(n, cells, wanted)]
    if not names:
        raise DataError(
            f"{first.source} has no column of images (bytes, or paths such as 'a.png'), and no column of numbers that "
            f"could be the data besides attributes. Its columns are {', '.join(first.columns)}."
        )
    notes = [f"The column '{name}' numbers the rows; it was left out." for name in counting]
    notes += [note for name in names for note in _stray(name, both[name])]
    first, *others = (_with_vectors(table, names, counting) for table in tables)
    rest = "" if wanted is not None else "; the others are attributes (`attributes` chooses them)"
    return [replace(first, notes=[*first.notes, *notes, f"Vectors are the columns {', '.join(names)}{rest}."]), *others]


def _is_coordinate(name: str, cells: Sequence[Any], wanted: set[str | None] | None) -> bool:
    if name.strip().casefold() in NO_ATTRIBUTES or (wanted is not None and name in wanted):
        return False
    if wanted is not None:
        return any(not missing(c) for c in cells) and all(missing(c) or _number(c) is not None for c in cells)
    guess = infer_attribute(name, cells)
    return isinstance(guess, Attribute) and guess.observable


def _must_be_numbers(table: Table, wanted: set[str | None] | None) -> None:
    """Raise DataError for a column of numbers, which would be a coordinate if some of its cells were not texts."""
    for name, cells in table.columns.items():
        if name.strip().casefold() in NO_ATTRIBUTES or name in (wanted or ()):
            continue
        if found := Column(name, cells).mistakes:
            raise DataError(
                f"{table.source}: {found} Correct such cells, or leave them empty, which leaves their rows out; "
                "or take the column out."
            )


def _stray(name: str, cells: Sequence[Any]) -> Iterator[str]:
    """A note on numbers so far from the others that they stretch the range beyond use."""
    occurrences = Column(name, cells).occurrences
    if len(occurrences) < 2 or not (which := strays(name, occurrences)):
        return
    if crowded(occurrences, min(occurrences), max(occurrences), "linear") <= CROWDED:
        yield f"{which}: a model learns the others badly beside them. If they are wrong, correct them or take them out."


def _numbers_rows(name: str, tables: Sequence[Table]) -> bool:
    """Whether a column numbers the rows of every table, as an identifier does."""
    return all(Column(name, table.columns.get(name, ())).numbers_rows for table in tables)


def _with_vectors(table: Table, names: Sequence[str], left_out: Sequence[str]) -> Table:
    """One table with these columns as its vectors, and without those that are left out."""
    for name in names:
        if name not in table.columns:
            raise DataError(f"{table.source} has no column '{name}', which the training data has.")
    rows = [[_number(cell) for cell in cells] for cells in zip(*(table.columns[n] for n in names), strict=True)]
    whole = [k for k, row in enumerate(rows) if None not in row]
    incomplete = len(rows) - len(whole)
    if not whole:
        raise DataError(f"No row of {table.source} has a number in each of the columns {', '.join(names)}.")
    columns = {n: [cells[k] for k in whole] for n, cells in table.columns.items() if n not in [*names, *left_out]}
    note = f"{incomplete:,} of {len(rows):,} rows of {table.source} were left out, since a number is missing in them."
    return replace(
        table,
        content=torch.tensor([rows[k] for k in whole]),
        columns=columns,
        names=tuple(names),
        notes=[*table.notes, note] if incomplete else table.notes,
        validation=sum(k >= len(rows) - table.validation for k in whole) if table.validation else 0,
    )


def _number(cell: Any) -> float | None:
    """A cell as a number. None for an empty cell, for words, and for numbers that are too large."""
    try:
        number = float(cell)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if abs(number) < torch.finfo(torch.float32).max else None
