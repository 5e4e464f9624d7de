"""Readers: one per kind of source, behind one registry. Each returns tables."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from condgen.data.readers import elsewhere
from condgen.data.readers.faces import is_celeba, is_utkface, read_celeba, read_utkface
from condgen.data.readers.files import read_file
from condgen.data.readers.folders import (
    has_metadata,
    has_parquet,
    read_classes,
    read_metadata,
    read_parquet,
    stream_parquet,
)
from condgen.data.readers.hub import PREFIX, read_hub, stream_hub
from condgen.data.readers.shards import (
    is_pattern,
    is_shards,
    read_pattern,
    read_shards,
    stream_pattern,
    stream_shards,
)
from condgen.data.readers.stylegan import is_stylegan, read_stylegan
from condgen.data.readers.table import Parts, Shard, Shards, Table
from condgen.errors import DataError, RequestError
from condgen.registry import Registry
from condgen.stores.address import is_address as is_elsewhere

__all__ = ["READERS", "Parts", "Reader", "Shard", "Shards", "Table", "is_address", "read", "reader_of", "shards"]


@dataclass(frozen=True)
class Reader:
    """A kind of source: its description, a test for paths, and functions that read it and cut it into shards."""

    description: str
    recognises: Callable[[Path], bool]
    read: Callable[[Path], Parts]
    shards: Callable[[Path], Shards] | None = None


READERS: Registry[Reader] = Registry(  # the first that recognises a path reads it
    "reader",
    "condgen.readers",
    {
        "celeba": Reader(
            "CelebA as published or from Kaggle: list_attr_celeba.txt (.csv), images in img_align_celeba/ or its\n"
            "    .zip; list_eval_partition.txt says what is for testing",
            is_celeba,
            read_celeba,
        ),
        "parquet": Reader(
            "a folder with train.parquet (or train-00000-of-00002.parquet, …) and, if you like, test.parquet",
            has_parquet,
            read_parquet,
            stream_parquet,
        ),
        "metadata": Reader(
            "a folder of images with a metadata.csv, .jsonl or .parquet: file_name, and one column per attribute",
            has_metadata,
            read_metadata,
        ),
        "stylegan": Reader("StyleGAN's images with a dataset.json, in a folder or a ZIP", is_stylegan, read_stylegan),
        "webdataset": Reader(
            "WebDataset shards: a .tar, a folder of them, or a pattern such as shards-{000..009}.tar; key.jpg beside\n"
            "    key.json, key.cls or key.txt",
            is_shards,
            read_shards,
            stream_shards,
        ),
        "utkface": Reader("UTKFace: images named [age]_[gender]_[race]_[date].jpg", is_utkface, read_utkface),
        "classes": Reader(
            "a folder with one folder of images per class (attribute: label), or images without labels",
            Path.is_dir,
            read_classes,
        ),
        "file": Reader(
            "a CSV, TSV, JSON Lines or Parquet file with a column of image paths or of encoded images, or columns x0,\n"
            "    x1, … of a vector",
            Path.is_file,
            read_file,
        ),
    },
    accepts=lambda entry: isinstance(entry, Reader),
    wanted="condgen.data.readers.Reader",
)


def reader_of(path: Path) -> Reader | None:
    """The first reader that recognises a path. Those of other packages are asked before condgen's own."""
    readers = [*READERS.others.values(), *READERS.values()]
    return next((reader for reader in readers if reader.recognises(path)), None)


def is_address(source: str) -> bool:
    """Whether a source is the name of a dataset on the Hub. Paths are not, nor is hf://…, a store's address."""
    return source.startswith(PREFIX) and not is_elsewhere(source)


def read(source: str) -> Parts:
    """The tables of a source: a path, a pattern of shards or `hf:owner/name`.

    Raises DataError that names the file, row or column at fault.
    """
    if is_address(source):
        return read_hub(source)
    path = Path(source).expanduser()
    if not path.exists() and is_pattern(source):
        return read_pattern(source)
    if (reader := reader_of(path)) is not None:
        return reader.read(path)
    raise DataError(f"The data {source} does not exist, or is neither a file nor a folder.")


def shards(source: str) -> Shards:
    """The shards of a source. Only the beginning of some is read.

    Raises RequestError for a source that has no shards, and DataError for one that does not exist.
    """
    if is_address(source):
        return stream_hub(source)
    if is_elsewhere(source):
        return elsewhere.stream(source)
    path = Path(source).expanduser()
    if not path.exists() and is_pattern(source):
        return stream_pattern(source)
    if not path.exists():
        raise DataError(f"The data {source} does not exist, so it cannot be streamed.")
    if path.is_file() and path.suffix.casefold() == ".parquet":
        return stream_parquet(path)
    reader = reader_of(path)
    if reader is None or reader.shards is None:
        raise RequestError(
            f"{source} does not come in shards. Streamed are WebDataset shards (a .tar, a folder of them, a pattern "
            "such as shards-{000..009}.tar), Parquet files and hf:owner/name; leave out `stream` to prepare this data "
            "on disk, once."
        )
    return reader.shards(path)
