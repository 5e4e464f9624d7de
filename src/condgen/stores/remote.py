"""Folders in stores, by the protocols that fsspec knows: s3, gs, hf, memory, http and others."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime
from functools import cached_property, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar
from uuid import uuid4

from condgen.errors import StoreError
from condgen.stores.address import joined, protocol
from condgen.stores.folder import Stamp, is_hidden
from condgen.stores.patience import ATTEMPTS, explained, patiently

WHOLE = ("s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "hf", "memory")  # a file appears there when it is complete
SMALL = 8 * 2**20  # bytes that are put in one request
VERSIONS = ("ETag", "etag", "md5Hash", "blob_id", "Last-Modified")  # in what stores say of a file
TIMES = ("LastModified", "mtime", "created")  # of its last change

Result = TypeVar("Result")


class RemoteFolder:
    """A folder in a store. See `Folder`.

    attempts: number of times that an answer is asked for.
    """

    def __init__(self, address: str, attempts: int = ATTEMPTS):
        self.address = address
        self.attempts = attempts

    def files(self) -> Mapping[str, Stamp]:
        """See `Folder`."""
        return {name: stamp_of(facts) for name, facts in self.facts().items() if not is_hidden(name)}

    def facts(self, deep: bool = True) -> dict[str, Mapping[str, Any]]:
        """The store's facts about every file below, hidden ones included, by name. deep: of all folders below."""
        found = self._ask("listed", partial(self._find, deep))
        base = self._path.rstrip("/")
        below = {path[len(base) :].lstrip("/"): facts for path, facts in found.items() if path.startswith(f"{base}/")}
        return {name: below[name] for name in sorted(below) if below[name].get("type") == "file"}

    def _find(self, deep: bool) -> dict[str, Any]:
        self._store.invalidate_cache()
        with suppress(FileNotFoundError):
            found = dict(self._store.find(self._path, maxdepth=None if deep else 1, detail=True))
            return {path: facts if facts.get("size") is not None else self._info(path) for path, facts in found.items()}
        return {}

    def facts_of(self, name: str) -> Mapping[str, Any] | None:
        """The store's facts about a file. None if there is no such file."""
        with suppress(FileNotFoundError):
            facts: Mapping[str, Any] = self._ask("read", partial(self._info, self._at(name)))
            return facts if facts["type"] == "file" else None
        return None

    def _info(self, path: str) -> dict[str, Any]:
        self._store.invalidate_cache()
        return dict(self._store.info(path))

    def exists(self, name: str) -> bool:
        """See `Folder`."""
        return self.facts_of(name) is not None

    def read(self, name: str) -> bytes:
        """See `Folder`."""
        with self._there(name):
            return self._ask("read", partial(self._cat, name))

    def fetch(self, name: str, path: Path) -> None:
        """Copy a file to a path on this disk. Raises StoreError if there is none, or it does not come whole."""

        def get() -> None:
            size = self._info(self._at(name)).get("size")
            self._store.get_file(self._at(name), str(path))
            if size is not None and path.stat().st_size != size:
                raise OSError(f"{path.stat().st_size:,} of {size:,} bytes came")

        with self._there(name):
            self._ask("read", get)

    @contextmanager
    def writing(self, name: str) -> Iterator[Path]:
        """See `Folder`."""
        with TemporaryDirectory(prefix="condgen-") as place:
            path = Path(place) / name.rpartition("/")[2]
            yield path
            self.put(path, name)

    def put(self, path: Path, name: str) -> Stamp:
        """Copy a file from this disk, whole or not at all. Returns the stamp that it has in the store."""
        put = self._put if protocol(self.address) in WHOLE else self._put_aside
        with self._made():
            return stamp_of(self._ask("written", partial(put, path, self._at(name))))

    def _put(self, path: Path, target: str) -> Mapping[str, Any]:
        size = path.stat().st_size
        if size <= SMALL:
            self._store.pipe_file(target, path.read_bytes())
        else:
            self._store.put_file(str(path), target)
        arrived = self._info(target)
        if arrived.get("size") != size:
            raise OSError(f"{arrived.get('size'):,} of {size:,} bytes arrived")
        return arrived

    def _put_aside(self, path: Path, target: str) -> Mapping[str, Any]:
        """Put a file under a hidden name, then rename it."""
        folder, _, last = target.rpartition("/")
        aside = f"{folder}/.{last}.{uuid4().hex[:8]}.partial"
        self._store.makedirs(folder, exist_ok=True)
        self._put(path, aside)
        self._store.mv(aside, target)
        return self._info(target)

    def create(self, name: str, content: bytes) -> bool:
        """Write a file unless there is one of that name. False if there is one.

        Stores that can do so decide it in one step, also between several writers.
        """
        with self._made(), suppress(FileExistsError):
            self._ask("written", partial(self._store.pipe_file, self._at(name), content, mode="create"))
            return True
        return False

    def remove(self, name: str) -> None:
        """See `Folder`."""
        with suppress(FileNotFoundError):
            self._ask("removed", partial(self._store.rm_file, self._at(name)))

    def span(self, name: str, start: int, end: int) -> bytes:
        """The bytes of a file from `start` to before `end`. Raises StoreError if they do not all come."""

        def get() -> bytes:
            found = self._cat(name, start=start, end=end)
            if len(found) != end - start:
                raise OSError(f"{len(found):,} bytes came, not the {end - start:,} that were asked for")
            return found

        with self._there(name):
            return self._ask("read", get)

    def _cat(self, name: str, **span: int) -> bytes:
        self._store.invalidate_cache()  # s3fs would look for the file in an earlier listing
        return bytes(self._store.cat_file(self._at(name), **span))

    @cached_property
    def _store(self) -> Any:
        with explained(self.address, "reached"):
            from fsspec.core import url_to_fs

            return url_to_fs(self.address)[0]

    @property
    def _path(self) -> str:
        with explained(self.address, "reached"):
            return str(self._store._strip_protocol(self.address))

    def _at(self, name: str) -> str:
        return joined(self._path.rstrip("/"), name)

    def _ask(self, done: str, ask: Callable[[], Result]) -> Result:
        return patiently(self.address, done, ask, self.attempts)

    @contextmanager
    def _made(self) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError:
            raise StoreError(
                f"{self.address} cannot be written: there is no such bucket or host. Check the address, or make the "
                "bucket first."
            ) from None

    @contextmanager
    def _there(self, name: str) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError:
            raise StoreError(
                f"There is no {joined(self.address, name)}. Check the address, and that you may read it."
            ) from None


def stamp_of(facts: Mapping[str, Any]) -> Stamp:
    """The stamp of a file by its store: its size, and the digest, version or time that the store has of it."""
    version = next((facts[key] for key in VERSIONS if facts.get(key)), None) or date_of(facts)
    return f"{facts.get('size')} {version}"


def date_of(facts: Mapping[str, Any]) -> float | None:
    """The time of a file's last change, in seconds, as far as its store tells it."""
    told = next((facts[key] for key in TIMES if facts.get(key)), None)
    seconds = told.timestamp() if isinstance(told, datetime) else told
    return float(seconds) if isinstance(seconds, int | float) else None
