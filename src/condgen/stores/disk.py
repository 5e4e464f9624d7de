"""Folders on this disk."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from condgen.errors import RunError
from condgen.files import writing
from condgen.stores.folder import Stamp, is_hidden


class LocalFolder:
    """A folder on this disk."""

    def __init__(self, path: Path):
        self.path = path
        self.address = str(path)

    def files(self) -> Mapping[str, Stamp]:
        """See `Folder`."""
        stamps = {file: stamp_if_there(file) for file in files_below(self.path)}
        return {file.relative_to(self.path).as_posix(): stamp for file, stamp in stamps.items() if stamp is not None}

    def exists(self, name: str) -> bool:
        """See `Folder`."""
        return (self.path / name).is_file()

    def read(self, name: str) -> bytes:
        """See `Folder`."""
        with _explained(self.path / name, "read"):
            return (self.path / name).read_bytes()

    @contextmanager
    def writing(self, name: str) -> Iterator[Path]:
        """See `Folder`."""
        with _explained(self.path / name, "written"), writing(self.path / name) as partial:
            yield partial

    def remove(self, name: str) -> None:
        """See `Folder`."""
        with _explained(self.path / name, "removed"):
            (self.path / name).unlink(missing_ok=True)


def files_below(folder: Path) -> list[Path]:
    """The files in a folder and below, in order, without hidden ones. What vanishes meanwhile may be missing.

    Empty if there is no such folder.
    """
    found: list[Path] = []
    for place, folders, names in os.walk(folder):  # passes over folders that are gone
        folders[:] = [name for name in folders if not is_hidden(name)]
        found += [Path(place, name) for name in names if not is_hidden(name)]
    return sorted(file for file in found if file.is_file())


def stamped(file: Path) -> Stamp:
    """The size and the time of the last change of a file on this disk."""
    found = file.stat()
    return f"{found.st_size} {found.st_mtime_ns}"


def stamp_if_there(file: Path) -> Stamp | None:
    """The stamp of a file. None if there is no such file any more."""
    with suppress(FileNotFoundError):
        return stamped(file)
    return None


@contextmanager
def _explained(path: Path, done: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise RunError(f"{path} cannot be {done}: {error.strerror or error}.") from None
