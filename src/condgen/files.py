"""Atomic writing of files: written beside their final name, flushed to disk, then moved into place."""

import json
import os
import platform
import re
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from glob import escape
from itertools import chain, islice
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any
from uuid import uuid4

from condgen.errors import RunError
from condgen.filesystems import flushed_at_once

MANY = 64  # files from which on the whole file system is flushed, which also waits for the data of others
WAITING = 16  # files that are waited for at a time: a disk writes them in one go, in a twentieth of the time
STALE = 3600.0  # seconds after which another machine's unfinished file counts as a leftover

followers: dict[Path, Callable[[Path], None]] = {}  # called with each file or folder that is published below a path


@contextmanager
def writing(path: Path) -> Iterator[Path]:
    """A path to write a file to, which is then moved to `path`. Missing folders are created.

    Until then the older file stays, also if writing fails or the process dies. Several processes may write the same
    file at once, and one of them wins. Leftovers of dead processes are removed.
    """
    make_folder(path.parent)
    _clear(path)
    folder = path.with_name(f".{path.name}.{_mark()}.partial")  # a folder, because some writers create further files
    try:
        folder.mkdir()
        yield folder / path.name
        (folder / path.name).chmod(folder.stat().st_mode & 0o666)  # some writers restrict the permissions
        publish(folder / path.name, path)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def is_partial_of(name: str, path: Path) -> bool:
    """Whether a folder's name is that of an unfinished file, which is then moved to `path`."""
    return name.startswith(f".{path.name}.") and name.endswith(".partial")


def _mark() -> str:
    """A unique part of a name, by which other processes know whether this one still runs."""
    return f"{uuid4().hex[:8]}-{os.getpid()}-{platform.node()}"


def _clear(path: Path) -> None:
    for left in path.parent.glob(f".{escape(path.name)}.*.partial"):
        with suppress(OSError):  # another process may clear it too
            if _ended(left) or time.time() - left.stat().st_mtime > STALE:
                shutil.rmtree(left)


def _ended(partial: Path) -> bool:
    """Whether the process that was writing here has ended. False if it belongs to another machine."""
    mark = re.search(r"\.[0-9a-f]{8}-(\d+)-(.+)\.partial$", partial.name)
    if os.name != "posix" or mark is None or mark[2] != platform.node():
        return False
    try:
        os.kill(int(mark[1]), 0)  # only checks that the process exists
    except OSError as error:  # another user's process gives another error
        return isinstance(error, ProcessLookupError)
    return False


def publish(partial: Path, path: Path) -> None:
    """Flush a finished file, or a folder of finished files, to disk and give it its final name."""
    sync(partial)
    partial.replace(path)
    sync(path.parent, deep=False)
    for below, follow in followers.items():
        if path.is_relative_to(below):
            follow(path)


def sync(path: Path, deep: bool = True) -> None:
    """Wait until a file or folder is on the disk. deep: for a folder also its contents, not only its list of names."""
    if deep and path.is_dir():
        below = path.rglob("*")
        some = list(islice(below, MANY))
        if len(some) == MANY and flushed_at_once(path):
            return
        with ThreadPoolExecutor(WAITING) as pool:
            list(pool.map(_flush, chain(some, below)))
    _flush(path)


def _flush(path: Path) -> None:
    if path.is_file() or os.name == "posix":  # elsewhere, folders cannot be opened
        opened = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)


def settled(file: Path) -> None:
    """Flush a file to disk and drop it from the system's cache, so that it is next read from the disk."""
    sync(file)
    if hasattr(os, "posix_fadvise"):
        opened = os.open(file, os.O_RDONLY)
        try:
            os.posix_fadvise(opened, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(opened)


def former(path: Path) -> Path:
    """The name under which a file is kept when another replaces it."""
    return path.with_name(f"{path.stem}.before{path.suffix}")


def is_former(path: Path) -> bool:
    """Whether a file is kept under such a name."""
    return ".before" in path.suffixes[-2:-1]


def keep(path: Path, older: Path) -> None:
    """Give a file a second name, under which it remains when another file replaces it. Replaces an older file of that
    name.
    """
    with writing(older) as partial:
        try:
            partial.hardlink_to(path)
        except (OSError, NotImplementedError):  # some disks allow one name per file only
            shutil.copyfile(path, partial)


def make_folder(path: Path) -> None:
    """Make a folder and its missing parents such that they survive a power failure."""
    missing = [each for each in (path, *path.parents) if not each.exists()]
    path.mkdir(parents=True, exist_ok=True)
    for each in missing:
        sync(each.parent, deep=False)


def must_be_writable(folder: Path) -> None:
    """Raise RunError unless files can be written into a folder, which may be missing. Leaves nothing behind."""
    try:
        missing = [each for each in (folder, *folder.parents) if not each.exists()]
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise RunError(f"{folder} cannot be written: {error.strerror or error}.") from None
    with suppress(OSError):  # another process may have begun to write there
        for each in missing:
            each.rmdir()


@contextmanager
def saving(path: Path) -> Iterator[Path]:
    """A path as `writing` gives it. Raises RunError, which names `path`, if it cannot be written."""
    try:
        with writing(path) as partial:
            yield partial
    except OSError as error:
        raise RunError(f"{path} cannot be written: {error.strerror or error}.") from None


def write_text(path: Path, text: str) -> Path:
    """Write a text file atomically. Raises RunError if that fails. The older file is then intact."""
    with saving(path) as partial:
        partial.write_text(text, encoding="utf-8", errors="backslashreplace")
    return path


def write_new(path: str, content: bytes) -> None:
    """Write a file that is not yet flushed to disk, as those of a folder that is published whole. Raises OSError.

    Half as much work as with a file object, which counts where there are thousands.
    """
    opened = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_BINARY", 0), 0o666)
    try:
        left = memoryview(content)
        while left:
            left = left[os.write(opened, left) :]
    finally:
        os.close(opened)


def read_log(path: Path) -> list[dict[str, Any]]:
    """The JSON objects in a file, one per line. Empty if there is no file. Truncated lines are skipped."""
    if not path.exists():
        return []
    return [e for e in map(_object, path.read_text(encoding="utf-8", errors="replace").splitlines()) if e is not None]


def log_line(entry: Mapping[str, Any]) -> str:
    """An entry as a line of such a file."""
    return json.dumps(entry) + "\n"


def _object(line: str) -> dict[str, Any] | None:
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    return entry if isinstance(entry, dict) else None
