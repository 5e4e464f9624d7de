"""Locks on folders that one process at a time writes to. Readers need no lock.

The operating system holds the lock and releases it when the process ends in any way. A file beside it names the owner.
A disk shared by several machines may not pass on locks, so an owner on another machine counts as alive as long as it
renews that file.
"""

import json
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Thread
from typing import Any

from filelock import FileLock, Timeout

from condgen import owner
from condgen.errors import RequestError, RunError
from condgen.files import make_folder, write_text
from condgen.processes import writes
from condgen.stores.copies import must_be_new
from condgen.stores.sending import kept

LOCK, OWNER = ".lock", ".owner.json"
PATIENCE = 0.2  # seconds to wait for a process that is just ending
RENEWED = 20.0  # seconds between signs of life
DEAD = 300.0  # seconds without a sign of life after which another machine's owner counts as ended


@contextmanager
def held(folder: Path, named: Path | None = None) -> Iterator[None]:
    """Lock an existing folder for writing. The same thread may do so several times.

    named: the path that errors name, by default the folder.

    Of the processes of one distributed training, the first locks it for all. Raises RunError that names the owner if
    another process writes to the folder, and if the folder cannot be written.
    """
    lock = FileLock(folder / LOCK, timeout=PATIENCE, is_singleton=True)
    if lock.is_locked or not writes():
        yield
        return
    try:
        _acquire(lock, folder)
    except Timeout:
        raise _taken(folder, named) from None
    except OSError as error:
        raise RunError(f"The folder {named or folder} cannot be written: {error.strerror}.") from None
    try:
        _must_not_be_elsewhere(folder, named)
        with _signed(folder), kept(folder):
            yield
    finally:
        if not (folder / OWNER).exists():
            (folder / LOCK).unlink(missing_ok=True)  # while it is held, so that a waiting process opens a new one
        lock.release()


def _acquire(lock: FileLock, folder: Path) -> None:
    """Acquire a lock, also where an owner that is just ending removes the folder meanwhile."""
    try:
        lock.acquire()
    except FileNotFoundError:
        make_folder(folder)
        lock.acquire()


@contextmanager
def held_new(folder: Path, what: str, begun: bool = False) -> Iterator[None]:
    """Make a folder if needed and lock it as `held` does. Raises RequestError if it is not empty.

    begun: it may hold what was begun before.
    """
    if not writes():
        yield
        return
    if not begun:
        must_be_new(folder, what)
    made = not folder.exists()
    try:
        make_folder(folder)
    except OSError as error:
        raise RunError(f"The folder {folder} cannot be written: {error.strerror}. Choose another for {what}.") from None
    try:
        with held(folder):
            if not begun and any(file.name not in (LOCK, OWNER) for file in folder.iterdir()):
                raise RequestError(
                    f"The folder {folder} is not empty; nothing was overwritten. Choose a new one for {what}."
                )
            yield
    finally:
        if made:
            with suppress(OSError):
                folder.rmdir()  # succeeds only if it is empty


@contextmanager
def _signed(folder: Path) -> Iterator[None]:
    """Name this process as the owner, and renew the file as long as it runs."""
    path, ended = write_text(folder / OWNER, json.dumps(owner.this_process())), Event()
    beat = Thread(target=_renew, args=(path, ended), daemon=True)
    beat.start()
    try:
        yield
    finally:
        ended.set()
        beat.join()
        path.unlink(missing_ok=True)


def _renew(path: Path, ended: Event) -> None:
    while not ended.wait(RENEWED):
        with suppress(OSError):
            os.utime(path)


def _must_not_be_elsewhere(folder: Path, named: Path | None) -> None:
    """Raise RunError if an owner on another machine, whose lock may not reach this one, seems to be alive."""
    if _owner(folder).get("host") in (None, platform.node()):
        return  # no owner, or one whose lock the system has released
    os.utime(folder / LOCK)  # uses the same clock as the signs of life, not the machines' own
    silent = (folder / LOCK).stat().st_mtime - (folder / OWNER).stat().st_mtime
    if silent < DEAD:
        raise _taken(
            folder,
            named,
            f"Its last sign of life is {max(silent, 0):.0f} s old. If it has ended, remove {folder / OWNER}, or try "
            f"again in {DEAD / 60:.0f} minutes.",
        )


def _owner(folder: Path) -> dict[str, Any]:
    try:
        return owner.parsed((folder / OWNER).read_bytes())
    except OSError:
        return {}


def _taken(folder: Path, named: Path | None, advice: str = "Wait until it has finished, or stop it.") -> RunError:
    return RunError(f"The folder {named or folder} is being written to by {owner.sentence(_owner(folder))}. {advice}")
