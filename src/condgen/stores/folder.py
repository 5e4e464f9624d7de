"""Folders by their address. A file is written as a whole or not at all, wherever it is."""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol, runtime_checkable

from condgen.errors import RunError
from condgen.files import writing
from condgen.stores.address import is_address, local, normalised

Stamp = str  # changes with the content of a file


@runtime_checkable
class Folder(Protocol):
    """A folder on this disk or elsewhere, which need not exist before a file is written to it.

    address: as messages name it.

    Names of files are relative, with / between their parts. Every method raises RunError that names the address if a
    store cannot be reached or refuses.
    """

    address: str

    def files(self) -> Mapping[str, Stamp]:
        """The names and stamps of all files in it and below. Hidden ones, whose name begins with a dot, are left out.

        Empty if there is no such folder.
        """

    def exists(self, name: str) -> bool:
        """Whether there is a file of this name."""

    def read(self, name: str) -> bytes:
        """The content of a file. Raises RunError if there is none."""

    def writing(self, name: str) -> AbstractContextManager[Path]:
        """A path on this disk to write a file to, which then appears as a whole under its name, or not at all after an
        error. An older file of that name is replaced.
        """

    def remove(self, name: str) -> None:
        """Remove a file, if there is one."""


def folder_at(place: str | Path) -> Folder:
    """The folder at a path or an address. Nothing is asked of a store yet."""
    if is_address(place):
        from condgen.stores.remote import RemoteFolder

        return RemoteFolder(normalised(place))
    return LocalFolder(local(place))


def write(folder: Folder, name: str, content: bytes) -> None:
    """Write a file's content. Raises RunError."""
    with folder.writing(name) as partial:
        partial.write_bytes(content)


def is_hidden(name: str) -> bool:
    """Whether a name, or a folder in it, begins with a dot, as locks and unfinished files do."""
    return any(part.startswith(".") for part in name.split("/"))


class LocalFolder:
    """A folder on this disk."""

    def __init__(self, path: Path):
        self.path = path
        self.address = str(path)

    def files(self) -> Mapping[str, Stamp]:
        """See `Folder`."""
        found = (file for file in sorted(self.path.rglob("*")) if file.is_file())
        names = ((file.relative_to(self.path).as_posix(), file) for file in found)
        return {name: stamped(file) for name, file in names if not is_hidden(name)}

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


def stamped(file: Path) -> Stamp:
    """The size and the time of the last change of a file on this disk."""
    found = file.stat()
    return f"{found.st_size} {found.st_mtime_ns}"


@contextmanager
def _explained(path: Path, done: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise RunError(f"{path} cannot be {done}: {error.strerror or error}.") from None
