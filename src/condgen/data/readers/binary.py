"""Images stored as bare numbers: the IDX files of MNIST and similar sets, and CIFAR's binary version."""

import gzip
import tarfile
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from condgen.data.readers.files import first_line
from condgen.data.readers.table import Table
from condgen.data.storage.images import EncodedImage, netpbm
from condgen.errors import DataError
from condgen.room import RATIO, UNPACKED, must_unpack_to
from condgen.schema import Categorical, Schema

Bytes = npt.NDArray[np.uint8]
_SIDE = 32  # side of CIFAR's images


def read_idx(path: Path) -> Bytes:
    """The array of unsigned bytes in an IDX file, possibly gzip-compressed. Raises DataError that names the file.

    Format: two zero bytes, the type (8: unsigned byte), the number of dimensions, each dimension as a big-endian 32-bit
    number, then the values (LeCun, Cortes and Burges, The MNIST database).
    """
    content = _unzipped(path)
    rank = content[3] if content[:3] == b"\0\0\x08" and len(content) > 3 else 0
    if not rank or len(content) < 4 + 4 * rank:
        raise DataError(f"{path} is not an IDX file of bytes.")
    shape = np.frombuffer(content, ">u4", rank, 4).astype(int)
    values = np.frombuffer(content, np.uint8, offset=4 + 4 * rank)
    if len(values) != shape.prod():
        raise DataError(f"{path} should hold {shape.prod():,} values but holds {len(values):,}; it is damaged.")
    return values.reshape(tuple(shape))


def _unzipped(path: Path) -> bytes:
    try:
        content = path.read_bytes()
        return _gunzipped(path, len(content)) if content.startswith(b"\x1f\x8b") else content
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path} cannot be read: {first_line(error)}") from None


def _gunzipped(path: Path, packed: int) -> bytes:
    with gzip.open(path) as file:
        content = file.read(max(UNPACKED, RATIO * packed) + 1)
    must_unpack_to(packed, len(content), str(path))
    return content


def idx_table(images: Path, labels: Path, attribute: str, names: Sequence[str]) -> Table:
    """The table of two IDX files: grey images [n, height, width] and their classes [n]."""
    pictures, classes = read_idx(images), read_idx(labels)
    if pictures.ndim != 3 or classes.shape != pictures.shape[:1]:
        raise DataError(
            f"{images} and {labels} do not belong together: {pictures.shape} images, {classes.shape} labels."
        )
    return _labelled(str(images), pictures[..., None], classes, attribute, names)


def cifar_table(files: Sequence[tuple[str, bytes]], attribute: str, names: Sequence[str]) -> Table:
    """The table of CIFAR-10's binary files.

    Each image is one byte for the class, then its red, green and blue plane.
    """
    record = 1 + 3 * _SIDE * _SIDE
    for name, content in files:
        if not content or len(content) % record:
            raise DataError(f"{name} is not a binary file of CIFAR-10: it holds no whole number of images.")
    rows = np.frombuffer(b"".join(content for _, content in files), np.uint8).reshape(-1, record)
    pictures = rows[:, 1:].reshape(-1, 3, _SIDE, _SIDE).transpose(0, 2, 3, 1)
    return _labelled(files[0][0], pictures, rows[:, 0], attribute, names)


def cifar_files(folder: Path, wanted: Sequence[str]) -> list[tuple[str, bytes]]:
    """CIFAR's binary files by name, unpacked or in their archive. Raises DataError if one is missing."""
    found = {file.name: file for file in sorted(folder.rglob("*.bin"))}
    if set(wanted) <= set(found):
        return [(str(found[name]), found[name].read_bytes()) for name in wanted]
    archive = next(iter(sorted(folder.rglob("cifar-10-binary.tar*"))), None)
    if archive is None or archive.name.endswith((".partial", ".lock")):
        raise DataError(f"{folder} holds neither {', '.join(wanted)} nor cifar-10-binary.tar.gz.")
    try:
        with tarfile.open(archive) as tar:
            inside = {Path(info.name).name: info for info in tar if info.isreg()}
            for name in wanted:
                must_unpack_to(archive.stat().st_size, inside[name].size, f"{name} in {archive}")
            return [(f"{name} in {archive}", tar.extractfile(inside[name]).read()) for name in wanted]  # type: ignore[union-attr]
    except (KeyError, OSError, EOFError, zlib.error, tarfile.TarError) as error:
        raise DataError(f"{archive} cannot be read as CIFAR's archive: {first_line(error)}") from None


def _labelled(source: str, pictures: Bytes, classes: Bytes, attribute: str, names: Sequence[str]) -> Table:
    """The table of bare images [n, height, width, channel] and their class numbers."""
    if len(classes) and classes.max() >= len(names):
        raise DataError(f"{source} has the class {classes.max()}, but there are only {len(names)}.")
    images = [EncodedImage(f"number {k} of {source}", netpbm(image)) for k, image in enumerate(pictures)]
    schema = Schema(attributes=(Categorical(name=attribute, values=tuple(names)),))
    return Table(source, images, {attribute: [names[k] for k in classes]}, schema=schema)
