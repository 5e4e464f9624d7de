"""Requests by example: `emb=FILE#row` asks for the value in a row of a table.

Rows are counted from 1, without the header, as in error messages. The column has the attribute's name.
"""

import csv
import json
import re
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from condgen.errors import RequestError, unknown
from condgen.schema import KINDS, Attribute

_EXAMPLE = re.compile(r"(?P<file>.+\.(?:csv|tsv|jsonl|ndjson|parquet))#(?P<row>\d+)", re.IGNORECASE)
_ANYWHERE = re.compile(r"\.(?:csv|tsv|jsonl|ndjson|parquet)#\d", re.IGNORECASE)


def is_example(value: object) -> bool:
    """Whether a request's value names a row of a table."""
    return isinstance(value, str) and _EXAMPLE.fullmatch(value) is not None


def names_a_file(text: str) -> bool:
    """Whether a value by example may stand anywhere in a text."""
    return _ANYWHERE.search(text) is not None


def exemplified(attribute: Attribute, value: str) -> Any:
    """The attribute's cell in the row that a value names.

    Raises RequestError if the file, the row, the column or a value in it is missing.
    """
    found = _EXAMPLE.fullmatch(value)
    assert found
    columns = _row(Path(found["file"]).expanduser(), int(found["row"]))
    for kind in KINDS:
        columns = kind.gathered(columns)
    if attribute.name not in columns:
        raise unknown(f"column in {found['file']}:", attribute.name, columns)
    (cell,) = columns[attribute.name]
    if attribute.cell(cell) is None:
        raise RequestError(f"Row {found['row']} of {found['file']} has no value for '{attribute.name}'.")
    return cell


def _row(path: Path, number: int) -> Mapping[str, Sequence[Any]]:
    """A row as columns with one cell each."""
    try:
        rows = _parquet(path, number) if path.suffix.casefold() == ".parquet" else _text(path, number)
    except OSError as error:
        raise RequestError(f"The example {path}#{number} cannot be read: {error.strerror or error}.") from None
    except ValueError as error:
        raise RequestError(f"The example {path}#{number} cannot be read: {error}.") from None
    if not rows:
        raise RequestError(f"{path} has no row {number}; rows are counted from 1.")
    return {str(name).strip(): [cell] for name, cell in rows[0].items()}


def _text(path: Path, number: int) -> list[dict[str, Any]]:
    """The row of a CSV, TSV or JSON Lines file. Empty if the file is shorter."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        if path.suffix.casefold() in (".jsonl", ".ndjson"):
            lines = (line for line in file if line.strip())
            return [json.loads(line) for line in islice(lines, number - 1, number)] if number else []
        head = file.readline()
        file.seek(0)
        table = csv.DictReader(file, delimiter=max(",;\t|", key=head.count))
        return list(islice(table, number - 1, number)) if number else []


def _parquet(path: Path, number: int) -> list[dict[str, Any]]:
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        for group in range(file.num_row_groups):
            here = file.metadata.row_group(group).num_rows
            if 1 <= number <= here:
                return file.read_row_group(group).slice(number - 1, 1).to_pylist()
            number -= here
    return []
