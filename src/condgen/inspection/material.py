"""The material of an inspection: the rows of a dataset, with pictures still encoded."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from condgen.data import sources
from condgen.data.builtin import is_builtin
from condgen.data.dataset import Dataset, Splits
from condgen.data.readers import Table
from condgen.data.splits import by_row, split
from condgen.data.storage.images import GREY, EncodedImage, decode, opened, reason, upright_size
from condgen.data.storage.mapped import Mapped, taken
from condgen.data.storage.prepare import target
from condgen.data.storage.unusual import Survey
from condgen.errors import DataError, RequestError
from condgen.schema import Schema

DIGEST = 16  # bytes; among a million pictures two share a hash with probability 10⁻²⁷


@dataclass(frozen=True)
class Header:
    """The facts in an image's header: upright width and height, and Pillow's mode."""

    size: tuple[int, int]
    mode: str


@dataclass(frozen=True)
class Encoded:
    """Pictures as files or bytes, decoded on request."""

    images: Sequence[EncodedImage]
    visible = True

    def __len__(self) -> int:
        return len(self.images)

    def name(self, row: int) -> str:
        """The name of the picture of a row, for messages."""
        return self.images[row].name

    @property
    def remarks(self) -> list[str]:
        """Notes on what becomes of unusual pictures, such as transparent ones."""
        return Survey.of(self.images).notes

    def header(self, row: int) -> Header:
        """The header alone. Raises DataError with the reason why it cannot be read."""
        try:
            with opened(self.images[row]) as image:
                return Header(upright_size(image), image.mode)
        except Exception as error:  # decoders of damaged files raise anything
            raise DataError(reason(error)) from None

    def image(self, row: int, longest: int | None = None) -> Image.Image:
        """The decoded picture, grey or RGB, reduced as long as a side keeps `longest` pixels. Raises DataError."""
        return decode(self.images[row], longest)

    def digest(self, row: int) -> bytes:
        """A hash of the encoded bytes. Raises OSError for a missing file."""
        return _digest(self.images[row].read())


@dataclass(frozen=True)
class Stored:
    """Decoded observations, uint8 images or vectors, in consecutive parts."""

    parts: tuple[Tensor | Mapped, ...]

    def __len__(self) -> int:
        return sum(map(len, self.parts))

    def __getitem__(self, row: int) -> Tensor:
        for part in self.parts:
            if row < len(part):
                return taken(part, torch.tensor([row]))[0]
            row -= len(part)
        raise IndexError(row)

    @property
    def visible(self) -> bool:
        """Whether these are images."""
        return len(self.parts[0].shape) == 4

    @property
    def remarks(self) -> list[str]:
        """None: these pictures have been decoded."""
        return []

    def name(self, row: int) -> str:
        """The name of the observation of a row, for messages."""
        return f"number {row + 1}"

    def header(self, row: int) -> Header:
        """Size and mode of the image at a row."""
        channels, height, width = self[row].shape
        return Header((width, height), "L" if channels == 1 else "RGB")

    def image(self, row: int, longest: int | None = None) -> Image.Image:
        """The image at a row. It is never reduced, since nothing is to be decoded."""
        x = self[row].numpy()
        return Image.fromarray(x[0] if len(x) == 1 else np.ascontiguousarray(x.transpose(1, 2, 0)))

    def digest(self, row: int) -> bytes:
        """A hash of the values."""
        return _digest(self[row].contiguous().numpy().tobytes())


def _digest(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=DIGEST).digest()


@dataclass(frozen=True)
class Material:
    """The rows of a dataset: labels, splits and pictures, and the columns that described them.

    rows: the splits, with row numbers [n, 1] in place of observations.
    columns: the source's own columns, training rows before test rows. Empty for data without a table.
    given: whether the user or the source provided the schema.
    separate: whether the source has its own test set.
    """

    source: str
    rows: Splits
    content: Encoded | Stored
    columns: Mapping[str, Sequence[Any]]
    notes: tuple[str, ...] = ()
    given: bool = False
    separate: bool = False

    @property
    def schema(self) -> Schema:
        """The schema of the labels."""
        return self.rows.schema

    @property
    def parts(self) -> dict[str, Dataset]:
        """The splits by name."""
        return {"train": self.rows.train, "validation": self.rows.validation, "test": self.rows.test}


def material(
    source: str | Splits,
    attributes: Sequence[str] | None = None,
    size: int | None = None,
    schema: Schema | None = None,
    data_dir: str | Path | None = None,
) -> Material:
    """The rows of a built-in dataset, a path, or splits in memory. Pictures of a path stay encoded.

    Raises DataError and RequestError as `load` does, except for broken pictures, which inspection lists.
    """
    if isinstance(source, Splits):
        return _stored(source if attributes is None else source.select(attributes))
    if is_builtin(source):
        from condgen import data

        return _stored(data.load(source, attributes=attributes, size=size, schema=schema, data_dir=data_dir))
    return _encoded(source, attributes, schema, data_dir)


def _stored(splits: Splits) -> Material:
    parts = (splits.train, splits.validation, splits.test)
    starts = [0, len(splits.train), len(splits.train) + len(splits.validation)]
    train, validation, test = (by_row(p.condition, start) for start, p in zip(starts, parts, strict=True))
    rows, address = Splits(train, validation, test, splits.notes), splits.source.address or "DATA"
    return Material(address, rows, Stored(tuple(p.observations for p in parts)), {}, splits.notes, given=True)


def _encoded(
    source: str, attributes: Sequence[str] | None, schema: Schema | None, data_dir: str | Path | None
) -> Material:
    tables = sources.tables(source, data_dir, attributes, schema)
    train, *rest = tables
    test = rest[0] if rest else None
    inferred, notes = sources.schema_for(train, test, attributes, schema)
    starts = [0, len(train.content)]
    data, *held_out = (
        by_row(sources.condition_of(table, inferred), start) for start, table in zip(starts, tables, strict=False)
    )
    rows = split(data, held_out[0] if held_out else None, validation=train.validation)
    columns = {n: v + (test.columns.get(n, []) if test else []) for n, v in train.columns.items()}
    said = (*train.notes, *notes)
    return Material(
        source, rows, _content(tables), columns, said, schema is not None or train.schema is not None, bool(held_out)
    )


def _content(tables: Sequence[Table]) -> Encoded | Stored:
    vectors = [t.content for t in tables if isinstance(t.content, Tensor)]
    if len(vectors) == len(tables):
        return Stored(tuple(vectors))
    return Encoded(sources.pictures_of(tables))


def shape_of(
    headers: Sequence[Header], content: Encoded | Stored, size: int | None, resize: str = "crop"
) -> tuple[tuple[int, ...], list[str]]:
    """The shape in training, (channel, height, width) or (dimension,), and notes on resizing."""
    if not content.visible:
        if size is not None:
            raise RequestError("The data holds vectors; a size is for images.")
        return tuple(content[0].shape) if isinstance(content, Stored) and len(content) else (0,), []
    if not headers:
        return (0, 0, 0), []
    (width, height), notes = target([h.size for h in headers], size, resize)
    grey = all(h.mode in GREY for h in headers)
    return (1 if grey else 3, height, width), notes
