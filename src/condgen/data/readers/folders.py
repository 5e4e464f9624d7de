"""Folders of class subfolders, of images with a table or alone, or of Parquet files."""

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from condgen.data.infer import schema_of
from condgen.data.readers.files import parquet, table_in
from condgen.data.readers.parts import PART_NAMES, divided, must_be_whole, parted
from condgen.data.readers.row_groups import parquet_streamed
from condgen.data.readers.table import IMAGE_FILES, Parts, Shards, Table, schema_in
from condgen.data.storage.images import EncodedImage
from condgen.errors import DataError
from condgen.schema import Categorical

METADATA = ("metadata.csv", "metadata.jsonl", "metadata.parquet")
LAYOUTS = (  # advice
    "To ask for attributes, make one folder of images per class, or a metadata.csv (a column file_name and one column "
    "per attribute), or a train.parquet; `condgen.datasets()` lists all that condgen reads."
)
LEFT_BY_SYSTEMS = {"thumbs.db", "desktop.ini"}
_BEGINNINGS = (b"\x89PNG\r\n", b"\xff\xd8\xff", b"GIF8", b"BM", b"II*\0", b"MM\0*")  # of image files


def has_metadata(path: Path) -> bool:
    """Whether a folder contains a table of its images."""
    return any((path / name).is_file() for name in METADATA)


def read_metadata(path: Path) -> Parts:
    """A folder's images, described by its metadata file."""
    return parted(table_in(next(path / name for name in METADATA if (path / name).is_file())))


def parquet_parts(path: Path) -> dict[str, list[Path]]:
    """Parquet files by split: train.parquet, or train-00000-of-00002.parquet and so on."""
    found = {}
    for part, names in PART_NAMES.items():
        for folder in (path, path / "data"):
            files = [f for name in names for f in sorted({*folder.glob(f"{name}.parquet"), *_shards(folder, name)})]
            if files and part not in found:
                found[part] = files
    return found


def _shards(folder: Path, name: str) -> Iterator[Path]:
    return folder.glob(f"{name}-[0-9]*-of-[0-9]*.parquet")


def has_parquet(path: Path) -> bool:
    """Whether a folder contains Parquet files for training."""
    return path.is_dir() and "train" in parquet_parts(path)


def _whole_parquet_parts(path: Path) -> dict[str, list[Path]]:
    """Parquet files by split. Raises DataError that names absent ones."""
    parts = parquet_parts(path)
    must_be_whole(file for files in parts.values() for file in files)
    return parts


def read_parquet(path: Path) -> Parts:
    """A folder's Parquet files, by split. Files for training alone are split by their column `split`, if they have it.

    Raises DataError that names absent files.
    """
    return divided({part: parquet(files) for part, files in _whole_parquet_parts(path).items()})


def stream_parquet(path: Path) -> Shards:
    """The row groups of a Parquet file, or of a folder's files, with those for testing apart.

    Raises DataError that names absent files.
    """
    return parquet_streamed({"train": [path]} if path.is_file() else _whole_parquet_parts(path))


def read_classes(path: Path) -> Parts:
    """A folder with one subfolder of images per class: the categorical attribute `label`.

    Images that lie in the folder itself have no labels, if all do.
    """
    classes = sorted(p for p in path.iterdir() if p.is_dir() and not p.name.startswith("."))
    found = [(file, c.name) for c in classes for file in files_below(c)]
    files = [(file, name) for file, name in found if is_image_file(file)]
    loose = sorted(filter(is_image_file, path.iterdir()))
    if not files and not loose:
        raise DataError(f"The folder {path} holds no images. {LAYOUTS}")
    if not files:
        images = [EncodedImage(str(file), file) for file in loose]
        note = f"The images in {path} are not in folders of classes. {LAYOUTS}"
        return Parts(Table(str(path), images, {}, [note], schema_in(path)))
    labels = [name for _, name in files]
    for name in set(labels):
        if name.encode(errors="ignore").decode() != name:
            raise DataError(f"The folder {name!r} in {path} names a class, but not in text (UTF-8); rename it.")
    if {name.casefold() for name in labels} <= {name for names in PART_NAMES.values() for name in names}:
        raise DataError(
            f"The folders in {path} are named like splits ({', '.join(sorted(set(labels)))}), not like classes. Give "
            f"one of them, such as {classes[0]}, which is then split into training and test data."
        )
    notes = [f"{len(loose)} images that lie in no class folder were left out."] if loose else []
    empty = [c.name for c in classes if c.name not in set(labels)]
    notes += [f"The folders {', '.join(empty[:5])} hold no images and are no classes."] if empty else []
    notes += _passed_over({file for file, _ in found} - {file for file, _ in files})
    schema = schema_in(path) or (schema_of([Categorical.of("label", labels)]) if len(set(labels)) > 1 else None)
    return Parts(Table(str(path), [EncodedImage(str(f), f) for f, _ in files], {"label": labels}, notes, schema))


def _passed_over(others: set[Path]) -> list[str]:
    """Notes on files of class folders that are no images, and on links that lead nowhere."""
    dead = sorted(file for file in others if not file.exists())
    kinds = Counter(file.suffix.casefold() or "no suffix" for file in others.difference(dead))
    notes = [f"{len(dead):,} links lead nowhere and were left out, such as {dead[0]}."] if dead else []
    if kinds:
        named = ", ".join(f"{n:,} with {kind}" for kind, n in kinds.most_common(4))
        notes.append(f"{kinds.total():,} files in folders of classes are no images and were left out: {named}.")
    return notes


def images_below(folder: Path) -> list[Path]:
    """All image files in a folder and its subfolders, sorted. Links are followed, and circular ones only once."""
    return [*filter(is_image_file, files_below(folder))]


def files_below(folder: Path) -> list[Path]:
    """All files in a folder and its subfolders but hidden ones and what systems leave there, sorted."""
    found, seen = [], set()
    for here, folders, files in os.walk(folder, followlinks=True):
        known = os.stat(here)
        if (known.st_dev, known.st_ino) in seen:
            folders.clear()
            continue
        seen.add((known.st_dev, known.st_ino))
        folders[:] = sorted(f for f in folders if not f.startswith("."))
        found += [Path(here, f) for f in files if not f.startswith(".") and f.casefold() not in LEFT_BY_SYSTEMS]
    return sorted(found)


def is_image_file(file: Path) -> bool:
    """Whether a file is an image by its extension or, if it has none, by its first bytes."""
    if file.name.startswith(".") or not file.is_file():
        return False
    return file.suffix.casefold() in IMAGE_FILES or (not file.suffix and _begins_like_an_image(file))


def _begins_like_an_image(file: Path) -> bool:
    try:
        with file.open("rb") as opened:
            return opened.read(8).startswith(_BEGINNINGS)
    except OSError:
        return False
