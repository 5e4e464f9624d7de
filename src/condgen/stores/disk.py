"""Folders on this disk."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
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
