"""The row groups of Parquet files, each of which can be read without the others."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from condgen.data.readers.files import class_names, columns_of, first_line, named
from condgen.data.readers.parts import (
    COLUMN,
    PART_NAMES,
    contradicted,
    part_of,
    said_of,
    split_column,
    unusable,
)
from condgen.data.readers.table import READ, Shard, Shards, Table, described, stamped
from condgen.errors import DataError
from condgen.stores.blocks import reading


def parquet_streamed(parts: Mapping[str, list[Path]], stamp: Callable[[Path], tuple[str, int]] = stamped) -> Shards:
    """The row groups of Parquet files, given by split. Files for training alone are split by their column `split`.

    Rows that it marks for testing are tested on, and only rows that it marks for training are trained on.
    """
    shards = parquet_shards([*parts["train"], *parts.get("validation", [])], stamp)
    tests = parquet_shards(parts.get("test", []), stamp)
    cells = [found for path in parts["train"] for found in _split_cells(path)]
    total = sum(cells, Counter[Any]())
    if tests or parts.get("validation"):
        return Shards(shards, tests, tuple(contradicted(total.elements())))
    if not total.keys() - {None}:
        return Shards(shards)
    if refusal := unusable(COLUMN, total):
        return Shards(shards, notes=(refusal,))
    return _by_cells(shards, cells)


def parquet_shards(paths: list[Path], stamp: Callable[[Path], tuple[str, int]] = stamped) -> tuple[Shard, ...]:
    """The row groups of Parquet files. Each can be read without the others.

    paths: also of copies of files that are in a store. stamp: their stamps and times of change.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    shards = []
    for path in paths:
        try:
            with reading(path) as file:
                facts, first = pq.read_metadata(file), 0
        except (OSError, pa.ArrowException) as error:
            raise DataError(f"{path} cannot be read as Parquet: {first_line(error)}") from None
        mark, changed = stamp(path)
        for group in range(facts.num_row_groups):
            read = partial(_row_group, path, group, first)
            shards.append(Shard(str(path), f"{mark} {group}", read, first, changed))
            first += facts.row_group(group).num_rows
    return tuple(shards)


def _by_cells(shards: tuple[Shard, ...], cells: list[Counter[Any]]) -> Shards:
    """Row groups by the parts that the cells of their column `split` name. One with rows of several comes in each."""
    by, sizes = dict[str, tuple[Shard, ...]](), dict[str, int]()
    for part in PART_NAMES:
        rows = [sum(n for cell, n in group.items() if part_of(cell) == part) for group in cells]
        here = [shard for shard, n in zip(shards, rows, strict=True) if n]
        by[part] = tuple(replace(shard, stamp=f"{shard.stamp} {part}", part=part) for shard in here)
        sizes[part] = sum(rows)
    note = said_of(COLUMN, sizes)
    if by["validation"]:
        note += " Rows of validation are left out: a stream is validated on rows of its sample."
    return Shards(by["train"], by["test"], (note,))


def _split_cells(path: Path) -> list[Counter[Any]]:
    """The cells of the column `split` in each row group of a Parquet file, counted. None where there is no column."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with reading(path) as opened, pq.ParquetFile(opened) as file:
            groups, names = range(file.num_row_groups), class_names(file.schema_arrow.metadata or {})
            column = split_column(file.schema_arrow.names)
            if column is None:
                return [Counter({None: file.metadata.row_group(group).num_rows}) for group in groups]
            tables = (file.read_row_group(group, columns=[column]) for group in groups)
            cells = (named(columns_of(path, table)[0], names) for table in tables)
            return [Counter(next(iter(columns.values()), [None])) for columns in cells]
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"{path} cannot be read as Parquet: {first_line(error)}") from None


def _row_group(path: Path, group: int, first: int) -> Iterator[Table]:
    """A row group, a few rows at a time. first: number of rows of the file before it."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        # Without these settings the whole file comes into memory.
        with reading(path) as opened, pq.ParquetFile(opened, buffer_size=1 << 20, pre_buffer=False) as file:
            names = class_names(file.schema_arrow.metadata or {})
            for batch in file.iter_batches(READ, row_groups=[group], use_threads=False):
                columns, _ = columns_of(path, pa.Table.from_batches([batch]))
                classes = [n for n in names if n in columns]
                yield described(path, named(columns, names), classes=classes, first=first)
                first += len(batch)
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"{path} cannot be read as Parquet: {first_line(error)}") from None
