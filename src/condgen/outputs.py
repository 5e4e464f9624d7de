"""New folders that appear whole: written as FOLDER.partial, and renamed when they are finished.

A process that is killed leaves FOLDER.partial, in which the same request may go on.
"""

import errno
import json
import os
import shutil
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from condgen.errors import CondgenWarning, RequestError, RunError
from condgen.files import make_folder, publish, write_text
from condgen.locks import held
from condgen.stores.copies import must_be_new

ASKED = ".asked.json"  # in a partial folder: the request that it answers


@contextmanager
def new_folder(
    path: Path, what: str, request: Mapping[str, Any] | None = None, record: str | None = None
) -> Iterator[Path]:
    """A folder to write to, which is then moved to `path`, a name that nothing or an empty folder has.

    request: identifies the contents. An unfinished folder of an equal request is handed out again, with everything that
        is in it. Without one, writing starts anew.
    record: the file in it that tells what is finished. While that is empty, nothing is kept. Without a record, any file
        counts as finished.

    Raises RequestError if `path` is in use, or has no name of its own (`.`), or an unfinished folder is of another
    request, and RunError if another process writes there, or it cannot be written.
    """
    if not path.name:
        raise RequestError(f"'{path}' is a folder that is there already. Name a new one for {what}.")
    partial, lock = path.with_name(f"{path.name}.partial"), path.with_name(f".{path.name}.lock")
    try:
        make_folder(lock)  # apart, so that it stays while the folder gets its name
        with held(lock, path):
            _must_be_free(path, what)
            make_folder(partial)
            _take_up(partial, what, request)
            with _kept_if_started(partial, request, record):
                yield partial
            _clear(partial)
            if path.exists():
                path.rmdir()  # an empty folder, of which some systems do not let another take the name
            publish(partial, path)
            (path / ASKED).unlink()
    except OSError as error:
        raise RunError(
            f"{path} cannot be written: {error.strerror or error}. Choose another folder for {what}."
        ) from None
    finally:
        for empty in (partial, lock):
            with suppress(OSError):
                empty.rmdir()  # if nothing is in it


def _must_be_free(path: Path, what: str) -> None:
    must_be_new(path, what)
    if path.is_dir() and not any(path.iterdir()):
        return
    if path.exists() and not path.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
    if path.exists():
        raise RequestError(f"The folder {path} is not empty; nothing was overwritten. Choose a new one for {what}.")


def _take_up(partial: Path, what: str, request: Mapping[str, Any] | None) -> None:
    """Continue in an unfinished folder, or begin a new one."""
    asked, before = json.dumps(request, sort_keys=True), partial / ASKED
    _clear(partial)
    if before.exists():
        if request is None:
            shutil.rmtree(partial)
            partial.mkdir()
        elif before.read_text(encoding="utf-8") != asked:
            raise RequestError(
                f"{partial} holds the beginning of something else. Ask for the same again to finish it, remove it, or "
                f"choose another folder for {what}."
            )
    elif any(partial.iterdir()):
        raise RequestError(f"The folder {partial} is not empty; nothing was overwritten. Choose another for {what}.")
    write_text(before, asked)


def _clear(partial: Path) -> None:
    """Remove the unfinished files of a killed process. The lock guarantees that no other process is writing them."""
    for left in partial.glob(".*.partial"):
        shutil.rmtree(left)


@contextmanager
def _kept_if_started(partial: Path, request: Mapping[str, Any] | None, record: str | None) -> Iterator[None]:
    """After an error, keep what the same request can continue, and remove the rest."""
    try:
        yield
    except BaseException:
        if request is None or not _started(partial, record):
            shutil.rmtree(partial, ignore_errors=True)
        else:
            text = f"The finished part is kept in {partial}. The same request again continues there."
            warnings.warn(text, CondgenWarning, stacklevel=2)
        raise


def _started(partial: Path, record: str | None) -> bool:
    """Whether the same request can continue something that is finished."""
    if record is None:
        return any(file.name != ASKED for file in partial.iterdir())
    return (partial / record).is_file() and (partial / record).stat().st_size > 0
