"""Files inside archives, read when they are needed and not before."""

import os
import zipfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path


@dataclass(frozen=True)
class Member:
    """A file inside an archive: of a tar it is known where its bytes lie, of a ZIP its name.

    span: offset and length of its bytes in the archive, in bytes; None in a ZIP.
    """

    archive: Path
    name: str
    span: tuple[int, int] | None = None

    def read(self) -> bytes:
        """The file's content. Raises OSError or zipfile.BadZipFile where the archive is damaged or gone."""
        if self.span is None:
            try:
                return _zip(self.archive, os.getpid()).read(self.name)
            except KeyError:
                raise FileNotFoundError(f"{self.name} is not in {self.archive}") from None
        offset, length = self.span
        with self.archive.open("rb") as file:
            file.seek(offset)
            return file.read(length)


@lru_cache(maxsize=4)
def _zip(archive: Path, process: int) -> zipfile.ZipFile:
    """An open ZIP; one per process, since processes that share a file share the place where they read it."""
    return zipfile.ZipFile(archive)
