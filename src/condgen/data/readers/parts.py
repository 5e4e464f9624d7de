"""Splits given by a column of a table, and the numbered files of a split."""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from condgen.data.readers.table import Parts, Table, Undecided
from condgen.data.storage.images import Chosen
from condgen.errors import DataError

COLUMN = "split"
PART_NAMES = {
    "train": ("train", "training"),
    "validation": ("validation", "val", "valid"),
    "test": ("test", "testing"),
}
_NUMBERED = re.compile(r"(.*-)(\d+)(-of-(\d+)\..*)")  # train-00000-of-00002.parquet
_NAMED = 3  # absent files that a message names
_PARTS = {name: part for part, names in PART_NAMES.items() for name in names}


def parted(table: Table) -> Parts:
    """A table's splits by its column `split`, with a note, or the whole table if it has none."""
    column = next((name for name in table.columns if name.strip().casefold() == COLUMN), None)
    if column is None:
        return Parts(table)
    told = [_PARTS.get(str(cell).strip().casefold()) for cell in table.columns[column]]
    if None in told or "train" not in told:
        wrong = table.columns[column][told.index(None)] if None in told else "train in no row"
        note = f"The column {column} was not used, since it must hold train, validation or test in every row"
        table.notes.append(f"{note}, but holds {wrong!r}.")
        return Parts(table)
    rows = {part: [k for k, t in enumerate(told) if t == part] for part in PART_NAMES if part in told}
    sizes = ", ".join(f"{len(chosen):,} {part}" for part, chosen in rows.items())
    parts = {part: _rows(table, chosen, f"{column}={part}") for part, chosen in rows.items()}
    parts["train"].notes[:] = [*table.notes, f"The column {column} gives the split ({sizes}). Rename it to ignore it."]
    return Parts(**parts)


def _rows(table: Table, rows: Sequence[int], which: str) -> Table:
    """Some of a table's rows. `which` names them in messages."""
    content: Any
    if isinstance(table.content, Tensor):
        content = table.content[torch.tensor(rows)]
    elif isinstance(table.content, Undecided):
        content = Undecided(len(rows))
    else:
        content = Chosen(table.content, rows)
    columns = {name: [cells[k] for k in rows] for name, cells in table.columns.items()}
    return replace(table, source=f"{table.source} ({which})", content=content, columns=columns, notes=[])


def must_be_whole(files: Iterable[Path]) -> None:
    """Raise DataError that names the absent ones of files like train-00000-of-00002.parquet. Others are not numbered.

    They are numbered from 0, or from 1 if the last number is the total.
    """
    sets = defaultdict[tuple[Path, str, str, int], dict[int, int]](dict)  # the digits of each number
    for file in files:
        if found := _NUMBERED.fullmatch(file.name):
            before, number, after, total = found.groups()
            sets[file.parent, before, after, int(total)][int(number)] = len(number)
    for (folder, before, after, total), numbers in sets.items():
        wanted, digits = range(1, total + 1) if total in numbers else range(total), max(numbers.values())
        absent = len(wanted) - sum(k in wanted for k in numbers)
        if absent:
            some = islice((k for k in wanted if k not in numbers), _NAMED)
            raise DataError(_incomplete(folder, total, absent, [f"{before}{k:0{digits}}{after}" for k in some]))


def _incomplete(folder: Path, total: int, absent: int, some: Sequence[str]) -> str:
    return (
        f"{folder} lacks {absent:,} of {total:,} files: {', '.join(some)}{', …' if absent > len(some) else ''}. "
        "Download them, or run the command that wrote the others once more. To use only those that are there, number "
        "them anew."
    )
