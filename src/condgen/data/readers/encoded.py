"""Columns of encoded images that stay in their Parquet files, which may exceed memory, until a cell is needed."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from condgen.data.storage.archives import Cell


@dataclass(frozen=True)
class Cells:
    """The cells of a column in a file: their number, and the approximate bytes of each. A cell is read when it is
    needed.
    """

    file: Path
    path: str
    rows: int
    each: int

    def __iter__(self) -> Iterator[Cell]:
        return (Cell(self.file, self.path, row, self.each) for row in range(self.rows))


def in_all(files: Sequence[Mapping[str, Cells]]) -> dict[str, list[Cell]]:
    """The columns that stay in their file in every one of these files, with cells in the order of the files."""
    common = [name for name in files[0] if all(name in columns for columns in files)]
    return {name: [cell for columns in files for cell in columns[name]] for name in common}


def encoded_in(file: Path) -> dict[str, Cells]:
    """The columns of a Parquet file whose cells all hold bytes, by name.

    Decided by the file's own statistics. Columns without statistics, or with an empty cell, are not included. Raises
    pyarrow's errors for a damaged file.
    """
    import pyarrow.parquet as pq

    with pq.ParquetFile(file) as opened:
        metadata, schema = opened.metadata, opened.schema_arrow
        leaves = {metadata.schema.column(k).path: k for k in range(metadata.num_columns)}
        paths = {field.name: _leaf(field) for field in schema if schema.names.count(field.name) == 1}
        groups = [metadata.row_group(k) for k in range(metadata.num_row_groups)]
        return {
            name: _cells(file, path, [group.column(leaves[path]) for group in groups])
            for name, path in paths.items()
            if path is not None and path in leaves and all(_complete(group.column(leaves[path])) for group in groups)
        }


def _cells(file: Path, path: str, groups: Sequence[Any]) -> Cells:
    rows = sum(group.num_values for group in groups)
    return Cells(file, path, rows, sum(group.total_uncompressed_size for group in groups) // max(rows, 1))


def _leaf(field: Any) -> str | None:
    """The path of the bytes in a column of bytes, or of images as the `datasets` library writes them."""
    import pyarrow as pa

    if pa.types.is_struct(field.type) and {"bytes", "path"} <= {f.name for f in field.type}:
        return f"{field.name}.bytes" if _are_bytes(field.type.field("bytes").type) else None
    return str(field.name) if _are_bytes(field.type) else None


def _are_bytes(kind: Any) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def _complete(column: Any) -> bool:
    """Whether the statistics of a part of a column say that no cell is empty."""
    told = column.statistics
    return told is not None and told.has_null_count and told.null_count == 0
