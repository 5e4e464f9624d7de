"""The result of every reader: images or vectors, and the columns that describe them."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import takewhile
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from condgen.data.storage.archives import Cell
from condgen.data.storage.images import EncodedImage, Images, Joined
from condgen.errors import DataError
from condgen.schema import KINDS, Schema
from condgen.schema.cells import missing
from condgen.stores.copies import address_of, bring

IMAGE_FILES = {
    *(".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".bmp", ".gif", ".webp", ".avif", ".tif", ".tiff"),
    *(".ppm", ".pgm", ".pbm", ".pnm"),
}
SCHEMA = "schema.json"  # the file whose schema is used instead of an inferred one
_IMAGE_COLUMNS = ("image", "file_name", "filename", "path", "image_path", "file", "img", "image_id")
_LOOKED_AT = 100  # number of files whose existence is checked
READ = 128  # rows of a shard read at once

Columns = Mapping[str, Sequence[Any]]


@dataclass(frozen=True)
class Undecided(Sequence[None]):
    """The content of a table whose columns are not yet divided into observations and descriptions."""

    rows: int

    def __len__(self) -> int:
        return self.rows

    def __getitem__(self, index: Any) -> Any:
        return Undecided(len(range(self.rows)[index])) if isinstance(index, slice) else None


@dataclass(frozen=True)
class Table:
    """Encoded images or vectors [n, dimension], and the columns that describe them, row by row.

    names: of a vector's coordinates.
    """

    source: str
    content: Sequence[EncodedImage] | Float[Tensor, "n dimension"] | Undecided
    columns: dict[str, list[Any]]
    notes: list[str] = field(default_factory=list)
    schema: Schema | None = None  # if the source has its own
    classes: tuple[str, ...] = ()  # columns that name classes, even if they look like numbers or identifiers
    validation: int = 0  # the number of last rows that are the source's own validation part
    names: tuple[str, ...] = ()

    @property
    def images(self) -> Sequence[EncodedImage] | None:
        """The content, if it is images."""
        return None if isinstance(self.content, Tensor | Undecided) else self.content


@dataclass(frozen=True)
class Parts:
    """A source's tables: a single one, or one each for training, validation and testing."""

    train: Table
    test: Table | None = None
    validation: Table | None = None

    def for_training(self) -> Table:
        """The training part, followed by the source's own validation part if it has one."""
        return self.train if self.validation is None else _joined(self.train, self.validation)


@dataclass(frozen=True)
class Shard:
    """A piece of a source that is too large to be read as a whole. Its rows come in order, a few at a time.

    name: for messages.
    stamp: identical for copies of the same shard.
    changed: the time it was written, if known.
    tables: reads it from its beginning, in tables of at most READ rows.
    first: number of rows that come before it in the file that `name` names.
    part: the only value of the column `split` whose rows belong to it (train, validation or test). All rows if empty.
    """

    name: str
    stamp: str
    tables: Callable[[], Iterator[Table]]
    first: int = 0
    changed: int = 0
    part: str = ""


@dataclass(frozen=True)
class Shards:
    """A source in shards, and notes on it. Those for testing are apart if the source separates them."""

    train: tuple[Shard, ...]
    test: tuple[Shard, ...] = ()
    notes: tuple[str, ...] = ()


def stamped(path: Path) -> tuple[str, int]:
    """A file's name and size, and the time of its last change."""
    found = path.stat()
    return f"{path.name} {found.st_size}", found.st_mtime_ns


def _joined(first: Table, second: Table) -> Table:
    both: Any = None
    if isinstance(first.content, Tensor) and isinstance(second.content, Tensor):
        both = torch.cat([first.content, second.content])
    elif isinstance(first.content, Undecided) and isinstance(second.content, Undecided):
        both = Undecided(len(first.content) + len(second.content))
    elif first.images is not None and second.images is not None:
        both = Joined([first.images, second.images])
    if both is None or set(first.columns) - set(second.columns):
        raise DataError(f"{first.source} and {second.source} do not have the same columns; make them alike.")
    columns = {name: [*values, *second.columns[name]] for name, values in first.columns.items()}
    notes = [*first.notes, *second.notes]
    return replace(first, content=both, columns=columns, notes=notes, validation=len(second.content))


def described(
    path: Path,
    columns: Columns,
    notes: Sequence[str] = (),
    classes: Sequence[str] = (),
    folder: Path | None = None,
    first: int = 0,
) -> Table:
    """The table of a file, with its column of images, or its columns x0, x1, … of a vector, set apart.

    folder: the start of its relative paths, by default the file's folder.
    first: number of rows of the file before these.

    Raises DataError that names missing content.
    """
    folder = path.parent if folder is None else folder
    if not columns or not next(iter(columns.values())):
        raise DataError(f"{path} has no rows.")
    _must_fit(path, columns, first)
    candidates = _image_columns(columns, folder)
    if not candidates and "x0" in columns:
        return _with_vectors(path, columns, notes, classes)
    if not candidates:
        rest, told = plain(columns)
        undecided = Undecided(len(next(iter(columns.values()))))
        return Table(str(path), undecided, rest, [*notes, *told], schema_in(path.parent), tuple(classes))
    chosen, *others = candidates
    cells, read = _paths(columns[chosen], folder)
    images = Named(path, folder, cells, first)
    if address_of(path):
        bring([image.content for image in images if isinstance(image.content, Path)], "fetching images")
    rest, told = plain({name: values for name, values in columns.items() if name not in candidates})
    unused = [f"The column '{n}' holds images too; only '{chosen}' is used." for n in others]
    _must_exist(path, folder, images)
    said = [*notes, *unused, *read, *told, *_repeated(path, cells)]
    return Table(str(path), images, rest, said, schema_in(path.parent), tuple(classes))


def _must_fit(path: Path, columns: Columns, first: int) -> None:
    """Raise DataError for a cell that keeps columns, all others of which suit a kind, from being an attribute."""
    for mistake in (each for kind in KINDS for each in kind.mistakes(columns)):
        raise DataError(
            f"{path}, row {first + mistake.row + 1}, column '{mistake.column}' holds {mistake.holds}; correct it, or "
            "leave it empty."
        )


def plain(columns: Columns) -> tuple[dict[str, list[Any]], list[str]]:
    """The columns that a kind of attribute may hold, with uniform spelling, and notes on columns left out
    or respelt.
    """
    for kind in KINDS:
        columns = kind.gathered(columns)
    kept, notes = {}, []
    for name, values in columns.items():
        if any(issubclass(kind, list | dict | tuple | set | bytes) for kind in set(map(type, values))):
            if any(kind.takes_lists(values) for kind in KINDS):
                kept[name] = list(values)
            else:
                notes.append(nested(name))
            continue
        kept[name], note = _spelt_alike(name, list(values))
        notes += note
    return kept, notes


def nested(name: str) -> str:
    """The note on a nested column that no kind of attribute can hold."""
    return f"The column '{name}' holds lists or nested values, not one value per row; it was left out."


def _spelt_alike(name: str, values: list[Any]) -> tuple[list[Any], list[str]]:
    """A column that mixes 1, "1", 1.0 and True, as numbers. Texts with leading zeros stay as they are."""
    kinds = {float if kind is int else kind for kind in set(map(type, values))} - {type(None)}
    if len(kinds) < 2 and str not in kinds:
        return values, []
    numbers: dict[tuple[type, Any], float | None] = {}
    for pair in set(zip(map(type, values), values, strict=True)):
        empty = missing(pair[1])
        numbers[pair] = None if empty or _is_padded(pair[1]) else _as_number(pair[1])
        if numbers[pair] is None and not empty:
            return values, []
    given = [pair for pair, number in numbers.items() if number is not None]
    if len(given) == len({numbers[pair] for pair in given}):
        return values, []
    respelt = [numbers[type(v), v] for v in values]
    shown = ", ".join(sorted({repr(v) for _, v in given})[:4])
    return respelt, [f"The column '{name}' mixes kinds of values ({shown}). All are read as numbers, with yes as 1."]


def _is_padded(value: Any) -> bool:
    """Whether a cell is a text like 007, which names something other than 7."""
    return isinstance(value, str) and len(text := value.strip()) > 1 and text.startswith("0") and text.isdigit()


def _as_number(value: Any) -> float | None:
    words = {"true": 1.0, "false": 0.0}
    text = str(value).strip().casefold()
    try:
        return words[text] if text in words else float(text)
    except ValueError:
        return None


def _with_vectors(path: Path, columns: Columns, notes: Sequence[str], classes: Sequence[str]) -> Table:
    """The table of a file with vectors in its columns x0, x1, …."""
    names = list(takewhile(columns.__contains__, (f"x{k}" for k in range(len(columns)))))
    vectors = torch.stack([_coordinates(path, name, columns[name]) for name in names], dim=1)
    rest, told = plain({name: values for name, values in columns.items() if name not in names})
    return Table(str(path), vectors, rest, [*notes, *told], schema_in(path.parent), tuple(classes), names=tuple(names))


def _coordinates(path: Path, name: str, cells: Sequence[Any]) -> Float[Tensor, " n"]:
    """One coordinate of all vectors. Raises DataError that names the first row without a finite number."""
    try:
        found = torch.tensor([float(cell) for cell in cells])
    except (TypeError, ValueError, OverflowError):
        found = torch.tensor([torch.nan if (number := _as_number(cell)) is None else number for cell in cells])
    for row in (~found.isfinite()).nonzero()[:1, 0].tolist():
        what = (
            "is empty or no finite number"
            if missing(cells[row])
            else f"holds {cells[row]!r}, which is not a finite number of 32 bits"
        )
        raise DataError(f"{path}, row {row + 1}, column '{name}' {what}; correct it or leave the row out.")
    return found


def schema_in(folder: Path) -> Schema | None:
    """The schema.json of a folder, if there is one. Raises DataError if it cannot be read."""
    file = folder / SCHEMA
    return Schema.load(file) if file.is_file() else None


def _image_columns(columns: Columns, folder: Path) -> list[str]:
    """The columns that hold images, those with a telling name first."""
    named = {name.casefold(): name for name in columns}
    telling = [named[c] for c in _IMAGE_COLUMNS if c in named]
    found = [n for n in telling if any(map(_is_image, columns[n])) or _name_files(columns[n], folder)]
    return found + [n for n, values in columns.items() if n not in found and any(map(_is_image, values))]


def _is_image(cell: Any) -> bool:
    if isinstance(cell, str):
        return os.path.splitext(cell)[1].casefold() in IMAGE_FILES  # faster than Path, for tables of millions of rows
    return isinstance(cell, bytes | Cell) or (isinstance(cell, dict) and {"bytes", "path"} <= set(cell))


def _name_files(cells: Sequence[Any], folder: Path) -> bool:
    """Whether some of the first cells name existing files without an image's extension."""
    texts = (cell for cell in cells[:_LOOKED_AT] if isinstance(cell, str) and not missing(cell))
    return any(os.path.isfile(folder / cell) for cell in texts)  # false for a text that no path can be


def _paths(cells: Sequence[Any], folder: Path) -> tuple[list[Any], list[str]]:
    """A column of images with paths in this system's form, and notes on unusual ones."""
    windows = [k for k, c in enumerate(cells) if isinstance(c, str) and "\\" in c and not os.path.exists(folder / c)]
    respelt = list(cells)
    for k in windows:
        respelt[k] = cells[k].replace("\\", "/")
    notes = [f"{len(windows):,} paths have backslashes; they were read as slashes."] if windows else []
    outside = [c for c in respelt if isinstance(c, str) and ".." in c and ".." in Path(c).parts]
    if outside:
        notes.append(
            f"{len(outside):,} paths lead out of the table's folder, such as {outside[0]}; they were followed."
        )
    return respelt, notes


class Named(Images):
    """The images of a table's cells.

    Paths are relative to the folder. Raises DataError that names a row whose path no file can have.
    """

    def __init__(self, table: Path, folder: Path, cells: Sequence[Any], first: int = 0):
        self._table, self._folder, self._cells, self._first = table, folder, cells, first
        wrong = next((row for row, cell in enumerate(cells) if isinstance(cell, str) and "\0" in cell), None)
        if wrong is not None:
            raise DataError(f"The path {self._where(wrong)} holds a zero byte; repair it.")

    def __len__(self) -> int:
        return len(self._cells)

    def _image(self, place: int) -> EncodedImage:
        cell, where = self._cells[place], self._where(place)
        if isinstance(cell, dict):
            cell = cell["bytes"] if cell["bytes"] is not None else cell["path"]
        if isinstance(cell, bytes | Cell):
            return EncodedImage(where, cell)
        if missing(cell):
            return EncodedImage(where, b"")  # listed among the unreadable images
        file = self._folder / str(cell)
        return EncodedImage(f"{file} ({where})", file)

    def _where(self, row: int) -> str:
        return f"in row {self._first + row + 1} of {self._table}"


def _must_exist(path: Path, folder: Path, images: Sequence[EncodedImage]) -> None:
    """Raise DataError if none of a table's files exists, which means that its paths start elsewhere."""
    if len(images) < 2:
        return
    step = max(1, len(images) // _LOOKED_AT)
    files = [image.content for image in images[::step] if isinstance(image.content, Path)]
    if files and not any(map(os.path.exists, files)):
        raise DataError(
            f"None of the images that {path} names exists; the first is looked for at {files[0]}. Paths in a table "
            f"start from its folder, {folder}: move the table there, or correct its paths."
        )


def _repeated(path: Path, cells: Iterable[Any]) -> list[str]:
    paths = [cell for cell in cells if isinstance(cell, str)]
    again = len(paths) - len(set(paths))
    return [f"{again:,} rows of {path} name an image that an earlier row names too."] if again else []
