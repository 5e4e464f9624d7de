"""Images in a memory-mapped file: opened in an instant whatever their number, read by index."""

import mmap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from warnings import catch_warnings, simplefilter

import torch
from jaxtyping import Int, Shaped, UInt8
from torch import Tensor

RESIDENT = 512 * 2**20  # bytes of the file that may stay mapped in before they are given back
FAULT = 2 * 2**20  # bytes that Linux may map around one that is touched: a whole folio of its cache


class Store:
    """All images of a file of raw bytes, uint8 [n, channel, height, width]; read-only."""

    def __init__(self, path: Path, shape: tuple[int, int, int, int]):
        with path.open("rb") as file:
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        with catch_warnings():
            simplefilter("ignore")  # nobody writes to it
            self._all = torch.frombuffer(self._map, dtype=torch.uint8).view(shape)
        self.path = path
        self.shape = shape
        self._touched = 0

    def take(self, rows: Int[Tensor, " batch"]) -> UInt8[Tensor, "batch channel height width"]:
        """Copies of the images in these rows. What was read stays in the system's cache, not in this process."""
        taken = self._all.index_select(0, rows)
        self._touched += len(rows) * max(FAULT, taken[:1].numel())
        if self._touched > RESIDENT and hasattr(mmap, "MADV_DONTNEED"):
            self._map.madvise(mmap.MADV_DONTNEED)
            self._touched = 0
        return taken


@dataclass(frozen=True)
class Mapped:
    """Some images of a store, by row: a view, of which nothing is in memory. content: a hash of the whole store."""

    store: Store
    rows: Int[Tensor, " n"]
    content: str

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: slice | Tensor) -> "Mapped":
        """The view of the part at a slice, index tensor or mask."""
        return Mapped(self.store, self.rows[index], self.content)

    @property
    def shape(self) -> tuple[int, ...]:
        """[n, channel, height, width]."""
        return (len(self.rows), *self.store.shape[1:])

    def take(self, index: slice | Tensor = slice(None)) -> UInt8[Tensor, "n channel height width"]:
        """The images at an index (all of them without one), in memory."""
        return self.store.take(self.rows[index])


def taken(x: Shaped[Tensor, "n ..."] | Mapped, index: slice | Tensor) -> Shaped[Tensor, "m ..."]:
    """The observations at an index, in memory."""
    return x.take(index) if isinstance(x, Mapped) else x[index]


def in_turn(x: Shaped[Tensor, "n ..."] | Mapped, batch: int) -> Iterator[Shaped[Tensor, "_ ..."]]:
    """All observations, a batch at a time; of mapped ones no more than that is in memory. Without any, one of none."""
    return (taken(x, slice(start, start + batch)) for start in range(0, max(len(x), 1), batch))
