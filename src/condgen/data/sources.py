"""Where data comes from: folders, tables and built-in sets, all turned into the same thing.

Local tables are read by pyarrow itself: it opens them in place, without the copy in a cache that the `datasets` library
makes first. What that library writes (`image` columns of bytes and path) is understood.
"""

import csv
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from condgen.data.builtin import BUILTIN, is_builtin, load_builtin
from condgen.data.dataset import Dataset, Splits, split
from condgen.data.images import EncodedImage, load_images
from condgen.data.infer import categorical, infer_attribute, infer_schema, missing, parse_columns, schema_of
from condgen.errors import DataError, RequestError, unknown
from condgen.schema import Condition, Schema

IMAGE_FILES = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff"}
_SPLIT_NAMES = {"train", "training", "test", "testing", "val", "valid", "validation"}
_IMAGE_COLUMNS = ("image", "file_name", "filename", "path", "image_path", "file", "img")


@dataclass(frozen=True)
class Table:
    """Encoded images or vectors [n, dimension], and the columns that describe them, row by row."""

    source: str
    content: list[EncodedImage] | Float[Tensor, "n dimension"]
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

    Raises DataError that names the file, row or column at fault, and RequestError for unknown attributes or a size that
    is no multiple of 4.
    """
    if is_builtin(source):
        if schema is not None:
            raise RequestError(f"The built-in dataset {source} has its own schema; give none.")
        splits = load_builtin(source, size)
        return splits.select(attributes) if attributes else splits
    path = Path(source).expanduser()
    if not path.exists():
        if "/" not in source and "." not in source:
            raise unknown("dataset", source, [*BUILTIN, "a path"])
        raise DataError(f"The data {source} does not exist.")
    train, test = _read(path)
    schema, notes = _schema(train, test, attributes, schema)
    tables = [train] if test is None else [train, test]
    x, image_notes = _observations(tables, size)
    data = Dataset(x[: len(train.content)], _condition(train, schema))
    held_out = None if test is None else Dataset(x[len(train.content) :], _condition(test, schema))
    return split(data, held_out, source, [*train.notes, *notes, *image_notes])


def _observations(tables: list[Table], size: int | None) -> tuple[Shaped[Tensor, "n ..."], list[str]]:
    """All tables' images or vectors, one after the other, and notes on what was done to them."""
    vectors = [table.content for table in tables if isinstance(table.content, Tensor)]
    if not vectors:
        return load_images([image for table in tables for image in table.content], size)
    if len(vectors) < len(tables) or len({v.shape[1] for v in vectors}) > 1:
        raise DataError(
            f"{tables[0].source} and {tables[-1].source} do not hold observations of the same kind and size."
        )
    if size is not None:
        raise RequestError(f"{tables[0].source} holds vectors; a size is for images.")
    x = torch.cat(vectors)
    spread = x.std(0)
    odd = [f"x{k}" for k in torch.where((spread > 10) | (spread < 0.1) | (x.mean(0).abs() > 10))[0].tolist()]
    note = f"Models expect coordinates of order one, unlike {', '.join(odd)}; rescale the data to learn it well."
    return x, [note] if odd else []


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
    columns = _columns(path, table)
    for name, classes in _class_names(table.schema.metadata or {}).items():
        if name in columns:
            columns[name] = [
                classes[k] if isinstance(k, int) and 0 <= k < len(classes) else None for k in columns[name]
            ]
    return _described(path, columns)


def _class_names(metadata: dict[bytes, bytes]) -> dict[str, list[str]]:
    """The names that the `datasets` library keeps for columns of class numbers; −1 stands for a missing label there."""
    try:
        features = json.loads(metadata.get(b"huggingface", b"{}"))["info"]["features"]
        return {
            name: f["names"] for name, f in features.items() if isinstance(f, dict) and f.get("_type") == "ClassLabel"
        }
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}


def _csv(path: Path) -> Table:
    import pyarrow as pa
    import pyarrow.csv as pacsv

    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            head = file.read(4096)
        delimiter = csv.Sniffer().sniff(head.splitlines()[0], ",;\t|").delimiter if head.strip() else ","
        options = pacsv.ParseOptions(delimiter=delimiter, newlines_in_values=True)
        table = pacsv.read_csv(path, parse_options=options)
        if any(pa.types.is_binary(kind) for kind in table.schema.types):
            raise DataError(f"{path} is not UTF-8 text; save it as UTF-8.")
    except csv.Error:
        raise DataError(f"{path} has only one column; it needs one for images and one per attribute.") from None
    except UnicodeDecodeError:
        raise DataError(f"{path} is not UTF-8 text; save it as UTF-8.") from None
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"{path} cannot be read as CSV: {_first_line(error)}") from None
    return _described(path, _columns(path, table))


def _columns(path: Path, table: Any) -> dict[str, list[Any]]:
    """The columns of an Arrow table as lists, by name."""
    names = [name.strip() for name in table.column_names]
    for name in names:
        if names.count(name) > 1:
            raise DataError(f"{path} has two columns called '{name}'; rename one.")
    return dict(zip(names, (column.to_pylist() for column in table.columns), strict=True))


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or ["no reason given"])[0][:300]


def _described(path: Path, columns: dict[str, list[Any]]) -> Table:
    """The table of a file, its column of images, or its columns x0, x1, … of a vector, set apart."""
    if not columns or not next(iter(columns.values())):
        raise DataError(f"{path} has no rows.")
    named = {name.casefold(): name for name in columns}
    candidates = [named[c] for c in _IMAGE_COLUMNS if c in named and any(map(_is_image, columns[named[c]]))]
    candidates += [n for n, values in columns.items() if n not in candidates and any(map(_is_image, values))]
    if not candidates and "x0" in columns:
        return _with_vectors(path, columns)
    if not candidates:
        raise DataError(
            f"{path} has no column of images (bytes, or paths such as 'a.png') and no columns x0, x1, … of a vector; "
            f"its columns are {', '.join(columns)}."
        )
    chosen, *others = candidates
    images = [_encoded(path, row, cell) for row, cell in enumerate(columns[chosen])]
    rest = {name: values for name, values in columns.items() if name not in candidates}
    notes = [f"The column '{n}' holds images too; only '{chosen}' is used." for n in others]
    return Table(str(path), images, rest, notes, _schema_in(path.parent))


def _with_vectors(path: Path, columns: dict[str, list[Any]]) -> Table:
    """The table of a file whose columns x0, x1, … are the coordinates of vectors."""
    names = list(takewhile(columns.__contains__, (f"x{k}" for k in range(len(columns)))))
    for name in names:
        for row, cell in enumerate(columns[name]):
            if not isinstance(cell, int | float) or not math.isfinite(cell):
                raise DataError(f"{path}, row {row + 1}, column '{name}': {cell!r} is not a finite number.")
    vectors = torch.tensor([columns[name] for name in names], dtype=torch.float32).T.contiguous()
    rest = {name: values for name, values in columns.items() if name not in names}
    return Table(str(path), vectors, rest, schema=_schema_in(path.parent))


def _schema_in(folder: Path) -> Schema | None:
    file = folder / "schema.json"
    return Schema.load(file) if file.is_file() else None


def _is_image(cell: Any) -> bool:
    if isinstance(cell, str):
        return Path(cell).suffix.casefold() in IMAGE_FILES
    return isinstance(cell, bytes) or (isinstance(cell, dict) and {"bytes", "path"} <= set(cell))


def _encoded(table: Path, row: int, cell: Any) -> EncodedImage:
    """A table's cell as an encoded image; paths are relative to the table."""
    where = f"in row {row + 1} of {table}"
    if isinstance(cell, dict):
        cell = cell["bytes"] if cell["bytes"] is not None else cell["path"]
    if isinstance(cell, bytes):
        return EncodedImage(where, cell)
    if missing(cell):
        raise DataError(f"There is no image {where}.")
    return EncodedImage(f"{table.parent / str(cell)} ({where})", table.parent / str(cell))


def _class_folders(path: Path) -> Table:
    """A folder with one subfolder of images per class: the categorical attribute `label`."""
    classes = sorted(p for p in path.iterdir() if p.is_dir() and not p.name.startswith("."))
    files = [(file, c.name) for c in classes for file in sorted(c.rglob("*")) if _is_image_file(file)]
    loose = sum(map(_is_image_file, path.iterdir()))
    if not files:
        what = "images but neither class folders nor a metadata.csv" if loose else "no images"
        raise DataError(
            f"The folder {path} holds {what}. It needs one folder of images per class, or images with a metadata.csv "
            "(a column file_name and one column per attribute), or a train.parquet."
        )
    labels = [name for _, name in files]
    if {name.casefold() for name in labels} <= _SPLIT_NAMES:
        raise DataError(
            f"The folders in {path} are named like splits ({', '.join(sorted(set(labels)))}), not like classes. Give "
            f"one of them, such as {classes[0]}, which is then split into training and test data."
        )
    notes = [f"{loose} images that lie in no class folder were left out."] if loose else []
    schema = _schema_in(path) or (schema_of([categorical("label", labels)]) if len(set(labels)) > 1 else None)
    return Table(str(path), [EncodedImage(str(file), file) for file, _ in files], {"label": labels}, notes, schema)


def _is_image_file(file: Path) -> bool:
    return file.suffix.casefold() in IMAGE_FILES and not file.name.startswith(".") and file.is_file()


def _schema(
    train: Table, test: Table | None, attributes: Sequence[str] | None, schema: Schema | None
) -> tuple[Schema, list[str]]:
    """The schema to use: the given one, the source's own or the inferred one, reduced to the attributes asked for."""
    both = {n: v + (test.columns.get(n, []) if test else []) for n, v in train.columns.items()}
    chosen = schema if schema is not None else train.schema
    inferred, notes = (chosen, []) if chosen is not None else infer_schema(both)
    for name in attributes or []:
        if name in both and name not in inferred.names:
            guess = infer_attribute(name, both[name], asked_for=True)
            if isinstance(guess, str):
                raise DataError(f"{train.source}: {guess}")
            inferred = schema_of([*inferred, guess])
    if attributes:
        return inferred.select(attributes), []
    if not len(inferred) and chosen is None:
        reasons = " ".join(notes) or f"Its columns are: {', '.join(both) or 'none besides the image'}."
        raise DataError(f"{train.source} has no column that could be an attribute to condition on. {reasons}")
    return inferred, notes


def _condition(table: Table, schema: Schema) -> Condition:
    codes, given = parse_columns(table.columns, schema, table.source)
    values = {name: torch.tensor(column) for name, column in codes.items()}
    present = torch.tensor([given[name] for name in schema.names], dtype=torch.bool)
    return Condition(schema, values, present.reshape(len(schema), len(table.content)).T.contiguous())
