"""StyleGAN's datasets: images with a dataset.json, in a folder or an uncompressed ZIP (Karras et al. 2020)."""

import zipfile
from pathlib import Path
from typing import Any

from condgen.data.readers.files import first_line, parsed
from condgen.data.readers.folders import images_below
from condgen.data.readers.table import IMAGE_FILES, Parts, Table, schema_in
from condgen.data.storage.archives import Member, unzipped
from condgen.data.storage.images import EncodedImage
from condgen.errors import DataError

FILE = "dataset.json"


def is_stylegan(path: Path) -> bool:
    """Whether a path is a ZIP, or a folder that contains a dataset.json."""
    return path.suffix.casefold() == ".zip" if path.is_file() else (path / FILE).is_file()


def read_stylegan(path: Path) -> Parts:
    """The images labelled in dataset.json, by class or by a vector of labels. Without labels, all images.

    Raises DataError with the fault of the archive or its labels.
    """
    content, images = _zipped(path) if path.is_file() else _unpacked(path)
    listing = f"{path}/{FILE}"
    labels = _labels(listing, content)
    if not labels:
        return Parts(Table(str(path), [*images.values()], {}, schema=schema_in(_folder(path))))
    missing = [name for name in labels if name not in images]
    kept = {name: label for name, label in labels.items() if name in images}
    if not kept:
        raise DataError(f"None of the images that {listing} labels, such as {missing[0]}, is in {path}.")
    notes = [f"{len(missing)} images that {listing} labels are not there, such as {missing[0]}."] if missing else []
    left = len(images) - len(kept)
    notes += [f"{left} images that {listing} does not label were left out."] if left else []
    columns = _columns(listing, kept)
    classes = ("label",) if "label" in columns else ()
    return Parts(
        Table(str(path), [images[name] for name in kept], columns, notes, schema_in(_folder(path)), classes),
    )


def _folder(path: Path) -> Path:
    return path.parent if path.is_file() else path


def _unpacked(path: Path) -> tuple[bytes, dict[str, EncodedImage]]:
    """dataset.json, and the images by their path in the folder."""
    files = {file.relative_to(path).as_posix(): file for file in images_below(path)}
    return (path / FILE).read_bytes(), {name: EncodedImage(str(file), file) for name, file in files.items()}


def _zipped(path: Path) -> tuple[bytes, dict[str, EncodedImage]]:
    """dataset.json, and the images by their name in the archive."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            content = unzipped(archive, FILE) if FILE in names else None
    except (OSError, zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        raise DataError(
            f"{path} cannot be read as a ZIP: {first_line(error)}. Data can be a CSV or Parquet file or a folder too."
        ) from None
    if content is None:
        raise DataError(
            f"{path} holds no {FILE}, which says how StyleGAN labels images. Unpack any other ZIP and give the folder."
        )
    images = [name for name in names if Path(name).suffix.casefold() in IMAGE_FILES]
    return content, {name: EncodedImage(f"{name} in {path}", Member(path, name)) for name in images}


def _labels(listing: str, content: bytes) -> dict[str, Any]:
    """Labels by file name."""
    try:
        pairs = parsed(content)["labels"]
        labels = {str(name).replace("\\", "/"): label for name, label in pairs or []}
    except (ValueError, KeyError, TypeError, RecursionError):
        raise DataError(
            f'{listing} is not StyleGAN\'s: it should hold {{"labels": [["00000/img00000000.png", 6], …]}}.'
        ) from None
    return labels


def _columns(listing: str, labels: dict[str, Any]) -> dict[str, list[Any]]:
    """The column `label` for classes, or the columns label0, label1, … for vectors."""
    given = list(labels.values())
    if all(isinstance(label, int | str) for label in given):
        return {"label": given}
    widths = {len(label) if isinstance(label, list) else 0 for label in given}
    if (
        len(widths) > 1
        or 0 in widths
        or not all(isinstance(number, int | float) for label in given for number in label)
    ):
        raise DataError(f"{listing} mixes kinds of labels; give every image a class, or a vector of one length.")
    if all(sorted(label)[-1:] == [1] and sum(map(bool, label)) == 1 for label in given) and max(widths) > 1:
        return {"label": [label.index(1) for label in given]}
    return {f"label{k}": list(column) for k, column in enumerate(zip(*given, strict=True))}
