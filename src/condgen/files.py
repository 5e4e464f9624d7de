"""Files that are whole or not there: written beside their final name, brought onto the disk, then moved into place."""

import json
import os
import re
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from glob import escape
from pathlib import Path
from socket import gethostname
from typing import Any
from uuid import uuid4

from condgen.errors import RequestError, RunError

STALE = 3600.0  # seconds after which what another machine was writing counts as left behind


@contextmanager
def writing(path: Path) -> Iterator[Path]:
    """A path to write a file to; afterwards it stands at `path`. Folders are made where they are missing.

    Until then, and whenever writing fails or the process dies, the older file stays. Several processes may write the
    same file at once: one of them wins. What dead processes left behind is cleared.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    _clear(path)
    mark = f"{uuid4().hex[:8]}-{os.getpid()}-{gethostname()}"
    folder = path.with_name(f".{path.name}.{mark}.partial")  # a folder: some writers leave files beside
    try:
        folder.mkdir()
        yield folder / path.name
        (folder / path.name).chmod(folder.stat().st_mode & 0o666)  # some writers let nobody else read what they write
        publish(folder / path.name, path)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _clear(path: Path) -> None:
    for left in path.parent.glob(f".{escape(path.name)}.*.partial"):
        with suppress(OSError):  # another process may clear it too
            if _ended(left) or time.time() - left.stat().st_mtime > STALE:
                shutil.rmtree(left)


def _ended(partial: Path) -> bool:
    """Whether the process that was writing here is known to have ended; of other machines nothing is known."""
    mark = re.search(r"\.[0-9a-f]{8}-(\d+)-(.+)\.partial$", partial.name)
    if os.name != "posix" or mark is None or mark[2] != gethostname():
        return False
    try:
        os.kill(int(mark[1]), 0)  # asks, and sends nothing
    except OSError as error:  # of another kind where the process is another person's
        return isinstance(error, ProcessLookupError)
    return False


def publish(partial: Path, path: Path) -> None:
    """Bring a finished file, or a folder of finished files, onto the disk and give it its final name."""
    for file in [partial] if partial.is_file() else [f for f in partial.iterdir() if f.is_file()]:
        with file.open("rb+") as opened:
            os.fsync(opened.fileno())
    partial.replace(path)
    if os.name == "posix":  # elsewhere, folders cannot be opened
        parent = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(parent)
        finally:
            os.close(parent)


def write_text(path: Path, text: str) -> Path:
    """Write a text file. Raises RunError when it cannot be written; then the older one is intact."""
    try:
        with writing(path) as partial:
            partial.write_text(text, encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise RunError(f"{path} cannot be written: {error.strerror or error}.") from None
    return path


def read_log(path: Path) -> list[dict[str, Any]]:
    """The JSON objects in a file, one a line; none without the file. Lines that a crash cut short are dropped."""
    if not path.exists():
        return []
    return [e for e in map(_object, path.read_text(encoding="utf-8", errors="replace").splitlines()) if e is not None]


def log_line(entry: Mapping[str, Any]) -> str:
    """A line of such a file."""
    return json.dumps(entry) + "\n"


def _object(line: str) -> dict[str, Any] | None:
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    return entry if isinstance(entry, dict) else None


def new_folder(path: Path, what: str) -> Path:
    """An empty folder, made if need be. Raises RequestError when it holds something, RunError when it cannot be."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        if any(path.iterdir()):
            raise RequestError(f"The folder {path} is not empty; nothing was overwritten. Choose a new one for {what}.")
        probe = path / ".writable"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise RunError(f"The folder {path} cannot be written: {error.strerror}. Choose another for {what}.") from None
    return path
