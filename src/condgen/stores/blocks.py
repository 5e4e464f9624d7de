"""Reading a file in a store at any place of it, block by block, without a copy on disk."""

import io
from collections import OrderedDict
from pathlib import Path
from typing import Any

from condgen.errors import StoreError
from condgen.stores.address import split
from condgen.stores.copies import address_of
from condgen.stores.remote import RemoteFolder

BLOCK = 4 * 2**20  # bytes asked for at once
KEPT = 4  # blocks in memory per file: readers of columns go to and fro


def reading(path: Path) -> io.BufferedReader:
    """A file to read: that at a path or, where there is only the path of a copy, the one in its store.

    Raises OSError for a file on this disk, and StoreError for one elsewhere.
    """
    address = None if path.exists() else address_of(path)
    if address is None:
        return path.open("rb")
    return io.BufferedReader(_Blocks(address), 1 << 16)


class _Blocks(io.RawIOBase):
    def __init__(self, address: str):
        folder, self._name = split(address)
        self._folder = RemoteFolder(folder)
        facts = self._folder.facts_of(self._name)
        if facts is None or facts.get("size") is None:
            raise StoreError(f"There is no {address}, or its store does not tell its size. Check the address.")
        self._size = int(facts["size"])
        self._at = 0
        self._blocks: OrderedDict[int, bytes] = OrderedDict()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: Any) -> int:
        if self._at >= self._size:
            return 0
        number, start = divmod(self._at, BLOCK)
        found = self._block(number)[start : start + len(buffer)]
        buffer[: len(found)] = found
        self._at += len(found)
        return len(found)

    def _block(self, number: int) -> bytes:
        if number not in self._blocks:
            end = min(self._size, (number + 1) * BLOCK)
            self._blocks[number] = self._folder.span(self._name, number * BLOCK, end)
            if len(self._blocks) > KEPT:
                self._blocks.popitem(last=False)
        self._blocks.move_to_end(number)
        return self._blocks[number]
