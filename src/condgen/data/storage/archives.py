"""Files inside archives and tables, read only when they are needed."""

import os
import threading
import zipfile
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from pathlib import Path
from typing import Any

from condgen.data.storage.faults import passing
from condgen.room import must_unpack_to

AT_ONCE = 128  # rows of a Parquet file read together
BUFFER = 2**20  # bytes read together; without a limit, pyarrow reads a whole row group, which may be the whole file
_NONE: Any = ()


@dataclass(frozen=True, slots=True)
class Member:
    """A file inside an archive, located by its bytes in a tar and by its name in a ZIP.

    span: offset and length of its bytes in the archive. None in a ZIP.
    """

    archive: Path
    name: str
    span: tuple[int, int] | None = None

    def read(self) -> bytes:
        """The file's content. Raises OSError or zipfile.BadZipFile if the archive is damaged or gone."""
        if self.span is None:
            try:
                return unzipped(_zip(self.archive, *_identity(self.archive)), self.name)
            except KeyError:
                raise FileNotFoundError(f"{self.name} is not in {self.archive}") from None
        offset, length = self.span
        with self.archive.open("rb") as file:
            file.seek(offset)
            return file.read(length)


@dataclass(frozen=True, slots=True)
class Held:
    """A file inside an archive that is not on this disk, with its content."""

    archive: Path
    name: str
    content: bytes

    def read(self) -> bytes:
        """The file's content."""
        return self.content


@dataclass(frozen=True, slots=True)
class Cell:
    """A file in a column of bytes of a Parquet file.

    column: its path there, such as image.bytes.
    row: counted from 0.
    length: its approximate number of bytes.
    """

    archive: Path
    column: str
    row: int
    length: int

    def read(self) -> bytes:
        """The file's content. Raises OSError or pyarrow's ArrowException if the table is damaged or gone."""
        return _column(self.archive, self.column, *_identity(self.archive)).cell(self.row)


def unzipped(archive: zipfile.ZipFile, name: str) -> bytes:
    """The content of a file in a ZIP. Raises DataError for a decompression bomb, and what `zipfile` raises."""
    told = archive.getinfo(name)  # more than it tells is not read
    must_unpack_to(told.compress_size, told.file_size, f"{name} in {archive.filename}")
    return archive.read(name)


def _identity(archive: Path) -> tuple[int, int, int]:
    """An identity of archive and process. Readers of one process share an open file."""
    found = os.stat(archive)
    return found.st_size, found.st_mtime_ns, os.getpid()


@lru_cache(maxsize=4)
def _zip(archive: Path, size: int, changed: int, process: int) -> zipfile.ZipFile:
    return zipfile.ZipFile(archive)


@lru_cache(maxsize=4)
def _column(archive: Path, column: str, size: int, changed: int, process: int) -> "_Column":
    return _Column(archive, column)


class _Column:
    """A column of a Parquet file, read forward a few rows at a time. Going back starts again at a row group."""

    def __init__(self, archive: Path, column: str):
        import pyarrow.parquet as pq

        self._column, self._file_name = column, archive.name
        self._file = pq.ParquetFile(archive, buffer_size=BUFFER, pre_buffer=False)
        groups = (self._file.metadata.row_group(k).num_rows for k in range(self._file.num_row_groups))
        self._starts = [0, *accumulate(groups)]
        self._lost: dict[int, int] = {}  # damaged row groups, and the first damaged row of each
        self._lock = threading.Lock()
        self._first, self._cells = 0, _NONE
        self._batches = self._from(0)

    def cell(self, row: int) -> bytes:
        """The content of a row. Consecutive rows are read once each."""
        with self._lock:
            group, here = self._group(row), self._group(self._first)
            if row >= self._lost.get(group, row + 1):
                raise OSError(f"{self._file_name} is damaged from row {self._lost[group] + 1} on")
            if row < self._first or group > here + 1 or here in self._lost:
                self._go_to(group)
            while row >= self._first + len(self._cells):
                self._go_on()
            found: bytes = self._cells[row - self._first].as_py()
            return found

    def _go_on(self) -> None:
        self._first, self._cells = self._first + len(self._cells), _NONE
        try:
            self._cells = next(self._batches)
        except Exception as error:
            group = self._group(self._first)
            if passing(error):
                self._go_to(group)
            else:
                self._lost[group] = self._first
            raise

    def _group(self, row: int) -> int:
        return bisect_right(self._starts, row) - 1

    def _go_to(self, group: int) -> None:
        self._first, self._cells = self._starts[group], _NONE
        self._batches = self._from(group)

    def _from(self, group: int) -> Iterator[Any]:
        for k in range(group, self._file.num_row_groups):  # one by one, so that damage to one does not affect another
            for batch in self._file.iter_batches(AT_ONCE, [k], [self._column], use_threads=False):
                cells = batch.column(0)
                yield cells.field(0) if cells.type.num_fields else cells  # the bytes of images written by `datasets`
