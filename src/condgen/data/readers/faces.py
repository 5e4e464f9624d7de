"""CelebA and UTKFace, as published."""

import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from condgen.data.infer import schema_of
from condgen.data.readers.files import delimited
from condgen.data.readers.folders import images_below
from condgen.data.readers.table import Parts, Table, schema_in
from condgen.data.storage.archives import Member
from condgen.data.storage.images import EncodedImage
from condgen.errors import DataError
from condgen.schema import Attribute, Categorical, Continuous, Schema

# ---- CelebA: Liu et al. 2015, Deep Learning Face Attributes in the Wild

_ATTRIBUTES = ("list_attr_celeba.txt", "list_attr_celeba.csv")
_PARTITION = ("list_eval_partition.txt", "list_eval_partition.csv")
_IMAGES = ("img_align_celeba", "img_align_celeba/img_align_celeba", "Img/img_align_celeba", ".")
_ARCHIVES = ("img_align_celeba.zip", "Img/img_align_celeba.zip")
_SIGNS = {"-1": -1, "1": 1}
_PARTS = {"0": "train", "1": "validation", "2": "test"}


def is_celeba(path: Path) -> bool:
    """Whether a path is CelebA's list of attributes, or a folder that contains it."""
    return path.name in _ATTRIBUTES if path.is_file() else _first_file(path, _ATTRIBUTES) is not None


def read_celeba(path: Path) -> Parts:
    """CelebA as published, or as on Kaggle: 40 attributes, and the published splits if they are listed.

    Raises DataError that names the file and line at fault, or the places where images were looked for.
    """
    folder = path.parent if path.is_file() else path
    listing = path if path.is_file() else _first_file(path, _ATTRIBUTES)
    assert listing is not None
    names, columns, notes = _celeba_attributes(listing)
    partition = next(filter(None, (_first_file(root, _PARTITION) for root in _roots(folder))), None)
    parts = _celeba_parts(partition) if partition else {}
    images = _celeba_images(folder if _first_file(folder, _ATTRIBUTES) == listing else listing.parent, names)
    rows: dict[str, list[int]] = {}
    for row, name in enumerate(names):
        rows.setdefault(parts.get(name, "train"), []).append(row)
    if "train" not in rows:
        raise DataError(f"{partition} puts none of the images of {listing} into the training part.")
    schema = schema_in(folder)
    if len(rows) == 1:
        return Parts(Table(str(listing), images, columns, notes, schema))

    def table(part: list[int]) -> Table:
        chosen = {name: [cells[k] for k in part] for name, cells in columns.items()}
        return Table(str(listing), [images[k] for k in part], chosen, schema=schema)

    tables = {part: table(of_part) for part, of_part in rows.items()}
    tables["train"].notes.extend(notes)
    return Parts(**tables)


def _roots(folder: Path) -> tuple[Path, ...]:
    """The folders that may hold CelebA's other files: this one, and the one around its folder of lists."""
    return (folder, folder.parent) if folder.name == "Anno" else (folder,)


def _first_file(folder: Path, names: tuple[str, ...]) -> Path | None:
    """The first of these files in a folder, or in the subfolders in which CelebA keeps its lists."""
    places = (folder, folder / "Anno", folder / "Eval")
    return next((p / name for p in places for name in names if (p / name).is_file()), None)


def _celeba_attributes(listing: Path) -> tuple[list[str], dict[str, list[Any]], list[str]]:
    """File names, columns of ±1, and notes."""
    if listing.suffix == ".csv":
        columns, notes = delimited(listing)
        if not columns or not next(iter(columns.values())):
            raise DataError(f"{listing} has no rows.")
        first, *others = columns
        return [str(name) for name in columns[first]], {name: columns[name] for name in others}, notes
    lines = _lines(listing)
    count = next(lines, ["?"])[0]
    header = next(lines, [])
    wrong = DataError(f"{listing} is not CelebA's list: a line with a count, one with names, and one per image.")
    if not count.isdigit() or not header:
        raise wrong
    names, rows = [], []
    for number, (name, *values) in enumerate(lines, 3):
        if len(values) != len(header) or not _SIGNS.keys() >= set(values):
            raise DataError(f"{listing}, line {number}: a file name and {len(header)} values of -1 or 1 are expected.")
        names.append(name)
        rows.append([_SIGNS[value] for value in values])
    if not rows:
        raise wrong
    notes = [] if int(count) == len(rows) else [f"{listing} announces {count} images but lists {len(rows):,}."]
    columns = np.array(rows, dtype=np.int8).T.tolist()
    return names, dict(zip(header, columns, strict=True)), notes


def _lines(path: Path) -> Iterator[list[str]]:
    """The words of every non-empty line."""
    try:
        with path.open(encoding="utf-8-sig") as file:
            yield from filter(None, map(str.split, file))
    except UnicodeDecodeError:
        raise DataError(f"{path} is not UTF-8 text; save it as UTF-8.") from None


def _celeba_parts(partition: Path) -> dict[str, str]:
    """The split of every file: 0 for training, 1 for validation, 2 for testing."""
    rows = ([word.strip() for word in " ".join(row).replace(",", " ").split()] for row in _lines(partition))
    return {row[0]: _PARTS[row[1]] for row in rows if len(row) == 2 and row[1] in _PARTS}


def _celeba_images(folder: Path, names: list[str]) -> list[EncodedImage]:
    """The images by name, from one of the folders in which they are published, or from their archive."""
    for place in (root / name for root in _roots(folder) for name in _IMAGES):
        if any((place / name).is_file() for name in islice(names, 100)):
            return [EncodedImage(str(file), file) for file in map(place.joinpath, names)]
    for archive in (root / name for root in _roots(folder) for name in _ARCHIVES):
        if archive.is_file():
            inside = (Member(archive, f"img_align_celeba/{name}") for name in names)
            return [EncodedImage(f"{m.name} in {archive}", m) for m in inside]
    raise DataError(
        f"None of CelebA's first images, such as {names[0]}, is in {folder / 'img_align_celeba'}, in {folder} or in an "
        "img_align_celeba.zip; put the images there."
    )


# ---- UTKFace: Zhang, Song and Qi 2017, Age Progression/Regression by Conditional Adversarial Autoencoder

_GENDERS = ("male", "female")
_RACES = ("White", "Black", "Asian", "Indian", "Others")
_UTKFACE = re.compile(r"(?P<age>\d{1,3})_(?P<gender>[01])_(?P<race>[0-4])_\d+\b")
_AGED = re.compile(r"(?P<age>\d{1,3})_\d")  # some published files lack an unknown one of the labels


def is_utkface(path: Path) -> bool:
    """Whether nearly all of a folder's first files have names in UTKFace's format."""
    if not path.is_dir():
        return False
    names = [file.name for file in islice(_some_files(path), 100)]
    return bool(names) and sum(map(bool, map(_UTKFACE.match, names))) > 0.9 * len(names)


def _some_files(path: Path) -> Iterator[Path]:
    return (file for file in path.rglob("*.jpg") if not file.name.startswith("."))


def read_utkface(path: Path) -> Parts:
    """UTKFace's images. The labels are in the file names: [age]_[gender]_[race]_[date].jpg."""
    files = images_below(path)
    found = [_UTKFACE.match(file.name) or _AGED.match(file.name) for file in files]
    kept = [(file, match.groupdict()) for file, match in zip(files, found, strict=True) if match]
    columns: dict[str, list[Any]] = {
        "age": [int(labels["age"]) for _, labels in kept],
        "gender": [_named(_GENDERS, labels.get("gender")) for _, labels in kept],
        "race": [_named(_RACES, labels.get("race")) for _, labels in kept],
    }
    partial = sum(len(labels) == 1 for _, labels in kept)
    notes = [f"{partial} file names lack gender or race, which count as missing."] if partial else []
    left = len(files) - len(kept)
    notes += [f"{left} files not named as UTKFace names them were left out."] if left else []
    images = [EncodedImage(str(file), file) for file, _ in kept]
    return Parts(Table(str(path), images, columns, notes, schema_in(path) or _utkface_schema(columns)))


def _named(names: tuple[str, ...], number: str | None) -> str | None:
    return None if number is None else names[int(number)]


def _utkface_schema(columns: dict[str, list[Any]]) -> Schema | None:
    """Age as a number, and gender and race by their published names. Attributes without variation are left out."""
    ages = columns["age"]
    found: list[Attribute] = [Continuous(name="age", low=min(ages), high=max(ages))] if len(set(ages)) > 1 else []
    for name, names in (("gender", _GENDERS), ("race", _RACES)):
        present = tuple(n for n in names if n in columns[name])
        found += [Categorical(name=name, values=present)] if len(present) > 1 else []
    return schema_of(found) if found else None
