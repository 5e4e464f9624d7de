"""Splits given by a column of a table, and the numbered files of a split."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from condgen.data.readers.table import Parts, Shard, Shards, Table, Undecided
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
    column = split_column(table.columns)
    if column is None:
        return Parts(table)
    if refusal := unusable(column, table.columns[column]):
        table.notes.append(refusal)
        return Parts(table)
    told = [part_of(cell) for cell in table.columns[column]]
    rows = {part: [k for k, t in enumerate(told) if t == part] for part in PART_NAMES if part in told}
    sizes = {part: len(chosen) for part, chosen in rows.items()}
    parts = {part: _rows(table, chosen, f"{column}={part}") for part, chosen in rows.items()}
    parts["train"].notes[:] = [*table.notes, said_of(column, sizes)]
    return Parts(**parts)


def divided(tables: Mapping[str, Table]) -> Parts:
    """Tables by split. One for training alone is split by its column `split`, if it has that."""
    train = tables["train"]
    if len(tables) == 1:
        return parted(train)
    column = split_column(train.columns)
    train.notes.extend(contradicted(train.columns[column]) if column else ())
    return Parts(**tables)


def streamed_parts(parts: Mapping[str, Sequence[Shard]]) -> Shards:
    """Shards by split. Of those for training alone, only rows that a column `split` marks for training are read.

    The first rows tell whether there is such a column. Rows marked for testing are left out, since finding them would
    take reading all shards.
    """
    found = Shards((*parts["train"], *parts.get("validation", ())), tuple(parts.get("test", ())))
    first = next(found.train[0].tables(), None) if len(parts) == 1 and found.train else None
    column = split_column(first.columns) if first else None
    if first is None or column is None:
        return found
    other = [cell for cell in first.columns[column] if part_of(cell) is None]
    if other:
        return replace(found, notes=(_unused(column, other[0]),))
    train = tuple(replace(shard, stamp=f"{shard.stamp} train", part="train") for shard in found.train)
    note = (
        f"The column {column} gives the split: rows that it does not mark for training are left out of this stream, "
        "which is tested on rows of its sample. Rename the column to ignore it."
    )
    return replace(found, train=train, notes=(note,))


def split_column(names: Iterable[str]) -> str | None:
    """The name of the column that gives the split, if there is one."""
    return next((name for name in names if name.strip().casefold() == COLUMN), None)


def part_of(cell: object) -> str | None:
    """The part that a cell of the column names: train, validation or test."""
    return _PARTS.get(str(cell).strip().casefold())


def unusable(column: str, cells: Iterable[object]) -> str:
    """A note on why the column gives no split. Empty if it does."""
    told = {part_of(cell): cell for cell in reversed([*cells])}  # the first cell of each part
    if None not in told and "train" in told:
        return ""
    return _unused(column, told.get(None, "train in no row"))


def _unused(column: str, wrong: object) -> str:
    return (
        f"The column {column} was not used, since it must hold train, validation or test in every row, but holds "
        f"{wrong!r}."
    )


def said_of(column: str, sizes: Mapping[str, int]) -> str:
    """The note on a column that gives the split, with the number of rows of each part."""
    numbers = ", ".join(f"{n:,} {part}" for part, n in sizes.items() if n)
    return f"The column {column} gives the split ({numbers}). Rename it to ignore it."


def contradicted(cells: Iterable[object]) -> list[str]:
    """A note on cells of the column in files for training that name another part, where files give the split."""
    other = sum(part_of(cell) not in (None, "train") for cell in cells)
    if not other:
        return []
    return [
        f"{other:,} rows of the files for training are marked otherwise in the column {COLUMN}, and are trained on all "
        "the same, since there are files of other splits. Take these rows out, or give a folder of the training "
        "files alone."
    ]


def belonging(table: Table, part: str) -> list[bool]:
    """The rows of a table that belong to a part by its column `split`. All rows if the part is empty."""
    column = split_column(table.columns) if part else None
    cells = [part] * len(table.content) if column is None else table.columns[column]
    return [not part or part_of(cell) == part for cell in cells]


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
