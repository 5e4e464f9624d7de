"""Where data comes from: folders, tables and built-in sets, all turned into the same thing.

Local tables are read by pyarrow itself: it opens them in place, without the copy in a cache that the `datasets` library
makes first. What that library writes (`image` columns of bytes and path) is understood.
"""

import csv
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from condgen.data.builtin import BUILTIN
from condgen.data.dataset import Dataset, Splits, split
from condgen.data.images import Encoded, load_images
from condgen.data.infer import infer_attribute, infer_schema, missing, parse_columns
from condgen.errors import DataError, unknown
from condgen.schema import Condition, Schema

IMAGE_FILES = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff"}
_IMAGE_COLUMNS = ("image", "file_name", "filename", "path", "image_path", "file", "img")


@dataclass(frozen=True)
class Table:
    """Encoded images and the columns that describe them, row by row."""

    source: str
    images: list[Encoded]
    columns: dict[str, list[Any]]
    notes: list[str] = field(default_factory=list)
    schema: Schema | None = None  # when the source brings its own


def load(
    source: str,
    *,
    attributes: Sequence[str] | None = None,
    size: int | None = None,
    schema: Schema | None = None,
) -> Splits:
    """A dataset by built-in name or path: a folder, a CSV or Parquet file; see `condgen datasets`.

    attributes: the only ones to keep, by name. size: side of the square that images are cropped and resized to.
    schema: to be used instead of the inferred one.

    Raises DataError that names the file, row or column at fault, and RequestError for unknown attributes.
    """
    if source in BUILTIN:
        splits = BUILTIN[source].load()
        return splits.select(attributes) if attributes else splits
    path = Path(source).expanduser()
    if not path.exists():
        if "/" not in source and "." not in source:
            raise unknown("dataset", source, [*BUILTIN, "a path"])
        raise DataError(f"The data {source} does not exist.")
    train, test = _read(path)
    schema, notes = _schema(train, test, attributes, schema)
    data, image_notes = _dataset(train, schema, size)
    held_out = _dataset(test, schema, data.shape[-1] if data.shape[1] == data.shape[2] else size)[0] if test else None
    return split(data, held_out, source, [*train.notes, *notes, *image_notes])


def _read(path: Path) -> tuple[Table, Table | None]:
    """The training table, and the test table where the source has one."""
    if path.is_file():
        return _table_file(path), None
    if (path / "train.parquet").is_file():
        test = path / "test.parquet"
        return _parquet(path / "train.parquet"), _parquet(test) if test.is_file() else None
    for name in ("metadata.csv", "metadata.parquet"):
        if (path / name).is_file():
            return _table_file(path / name), None
    return _class_folders(path), None


def _table_file(path: Path) -> Table:
    if path.suffix.casefold() == ".parquet":
        return _parquet(path)
    if path.suffix.casefold() in (".csv", ".tsv"):
        return _csv(path)
    raise DataError(f"{path} is neither a folder nor a CSV or Parquet file.")


def _parquet(path: Path) -> Table:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"{path} cannot be read as Parquet: {_first_line(error)}") from None
    return _with_images(path, {name: table[name].to_pylist() for name in table.column_names})


def _csv(path: Path) -> Table:
    import pyarrow as pa
    import pyarrow.csv as pacsv

    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            head = file.read(4096)
        delimiter = csv.Sniffer().sniff(head.splitlines()[0], ",;\t|").delimiter if head.strip() else ","
        table = pacsv.read_csv(path, parse_options=pacsv.ParseOptions(delimiter=delimiter))
    except csv.Error:
        raise DataError(f"{path} has only one column; it needs one for images and one per attribute.") from None
    except UnicodeDecodeError:
        raise DataError(f"{path} is not UTF-8 text; save it as UTF-8.") from None
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"{path} cannot be read as CSV: {_first_line(error)}") from None
    return _with_images(path, {name.strip(): table[name].to_pylist() for name in table.column_names})


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or ["no reason given"])[0][:300]


def _with_images(path: Path, columns: dict[str, list[Any]]) -> Table:
    """The table of a file, its image column found and set apart."""
    if not columns or not next(iter(columns.values())):
        raise DataError(f"{path} has no rows.")
    named = {name.casefold(): name for name in columns}
    candidates = [named[c] for c in _IMAGE_COLUMNS if c in named and any(map(_is_image, columns[named[c]]))]
    candidates += [name for name, values in columns.items() if name not in candidates and _is_image(values[0])]
    if not candidates:
        raise DataError(
            f"{path} has no column of images (bytes, or paths such as 'a.png'); its columns are {', '.join(columns)}."
        )
    images = [_encoded(path, row, cell) for row, cell in enumerate(columns.pop(candidates[0]))]
    beside = path.parent / "schema.json"
    return Table(str(path), images, columns, schema=Schema.load(beside) if beside.is_file() else None)


def _is_image(cell: Any) -> bool:
    if isinstance(cell, str):
        return Path(cell).suffix.casefold() in IMAGE_FILES
    return isinstance(cell, bytes) or (isinstance(cell, dict) and {"bytes", "path"} <= set(cell))


def _encoded(table: Path, row: int, cell: Any) -> Encoded:
    """A table's cell as an encoded image; paths are relative to the table."""
    where = f"in row {row + 1} of {table}"
    if isinstance(cell, dict):
        cell = cell["bytes"] if cell["bytes"] is not None else cell["path"]
    if isinstance(cell, bytes):
        return Encoded(where, cell)
    if missing(cell):
        raise DataError(f"There is no image {where}.")
    return Encoded(f"{table.parent / str(cell)} ({where})", table.parent / str(cell))


def _class_folders(path: Path) -> Table:
    """A folder with one subfolder of images per class: the attribute `label`."""
    classes = sorted(p for p in path.iterdir() if p.is_dir() and not p.name.startswith("."))
    files = [(f, c.name) for c in classes for f in sorted(c.rglob("*")) if f.suffix.casefold() in IMAGE_FILES]
    if not files:
        loose = any(f.suffix.casefold() in IMAGE_FILES for f in path.iterdir())
        what = "images but neither class folders nor a metadata.csv" if loose else "no images"
        raise DataError(
            f"The folder {path} holds {what}. It needs one folder of images per class, or images with a metadata.csv "
            "(a column file_name and one column per attribute), or a train.parquet."
        )
    images = [Encoded(str(file), file) for file, _ in files]
    return Table(str(path), images, {"label": [name for _, name in files]})


def _schema(
    train: Table, test: Table | None, attributes: Sequence[str] | None, schema: Schema | None
) -> tuple[Schema, list[str]]:
    """The schema to use: the given one, the source's own or the inferred one, reduced to the attributes asked for."""
    both = {n: v + (test.columns.get(n, []) if test else []) for n, v in train.columns.items()}
    inferred, notes = infer_schema(both) if not (schema or train.schema) else (schema or train.schema, [])
    assert inferred is not None
    for name in attributes or []:
        if name in both and name not in inferred.names:
            guess = infer_attribute(name, both[name], asked_for=True)
            if isinstance(guess, str):
                raise DataError(f"{train.source}: {guess}")
            inferred = Schema(attributes=(*inferred.attributes, guess))
    if attributes:
        return inferred.select(attributes), []
    if not len(inferred):
        reasons = " ".join(notes) or f"Its columns are: {', '.join(both) or 'none besides the image'}."
        raise DataError(f"{train.source} has no column that could be an attribute to condition on. {reasons}")
    return inferred, notes


def _dataset(table: Table, schema: Schema, size: int | None) -> tuple[Dataset, list[str]]:
    codes, given = parse_columns(table.columns, schema, table.source)
    x, notes = load_images(table.images, size)
    values = {name: torch.tensor(column) for name, column in codes.items()}
    present = torch.tensor([given[name] for name in schema.names]).T.contiguous()
    return Dataset(x, Condition(schema, values, present)), notes
