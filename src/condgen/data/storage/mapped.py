"""Images in one file of pixels, opened at once whatever their number and read by index.

The file is read, not mapped into memory. Read bytes stay in the system's cache and leave this process with the batch.
Pages of a mapped file would count as the process's own memory, in whole stretches around each image.
"""

import math
import os
import weakref
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

import torch
from jaxtyping import Int, Shaped, UInt8
from torch import Tensor

from condgen.errors import DataError


class Store:
    """All images of a file of raw bytes, uint8 [n, channel, height, width]. Read-only, from any thread."""

    def __init__(self, path: Path, shape: tuple[int, int, int, int]):
        self._file = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        weakref.finalize(self, os.close, self._file)
        self._turn = Lock()
        self.path = path
        self.shape = shape

    def take(self, rows: Int[Tensor, " batch"]) -> UInt8[Tensor, "batch channel height width"]:
        """Copies of the images in these rows. Raises DataError if the file has been truncated."""
        taken = torch.empty((len(rows), *self.shape[1:]), dtype=torch.uint8)
        size, pixels = math.prod(self.shape[1:]), taken.view(-1).numpy().data
        for k, row in enumerate(rows.tolist()):
            self._read(pixels[k * size : (k + 1) * size], row * size)
        return taken

    def _read(self, into: memoryview, start: int) -> None:
        """Fill a buffer with the bytes of the file from `start` on."""
        if hasattr(os, "preadv"):
            found = os.preadv(self._file, [into], start)
        else:  # Windows: a position that threads share
            with self._turn:
                os.lseek(self._file, start, os.SEEK_SET)
                content = os.read(self._file, len(into))
            found = len(content)
            into[:found] = content
        if found < len(into):
            raise DataError(f"{self.path} is cut short. Delete the folder it is in, and its images are prepared again.")


@dataclass(frozen=True)
class Mapped:
    """A view of some images of a store, by row, with nothing in memory. content: a hash of the whole store."""

    store: Store
    rows: Int[Tensor, " n"]
    content: str

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: slice | Tensor) -> "Mapped":
        """The view of the rows at a slice, index tensor or mask."""
        return Mapped(self.store, self.rows[index], self.content)

    @property
    def shape(self) -> tuple[int, ...]:
        """[n, channel, height, width]."""
        return (len(self.rows), *self.store.shape[1:])

    def take(self, index: slice | Tensor = slice(None)) -> UInt8[Tensor, "n channel height width"]:
        """The images at an index, or all of them, in memory."""
        return self.store.take(self.rows[index])


def taken(x: Shaped[Tensor, "n ..."] | Mapped, index: slice | Tensor) -> Shaped[Tensor, "m ..."]:
    """The observations at an index, in memory."""
    return x.take(index) if isinstance(x, Mapped) else x[index]


def in_turn(x: Shaped[Tensor, "n ..."] | Mapped, batch: int) -> Iterator[Shaped[Tensor, "_ ..."]]:
    """All observations in batches. For mapped ones, one batch at a time is in memory. Without any, one empty batch."""
    return (taken(x, slice(start, start + batch)) for start in range(0, max(len(x), 1), batch))
