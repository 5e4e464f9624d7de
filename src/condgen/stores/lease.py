"""Leases on folders in stores, where no system holds a lock: a small file that its owner renews."""

import json
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Event, Thread
from typing import Any
from uuid import uuid4

from condgen import owner
from condgen.errors import RunError, StoreError
from condgen.stores.folder import write
from condgen.stores.remote import RemoteFolder, date_of

LEASE = ".lease.json"
RENEWED = 60.0  # seconds between signs of life
DEAD = 300.0  # seconds without a sign of life after which an owner counts as ended


@contextmanager
def leased(address: str) -> Iterator[None]:
    """The right to write to a folder in a store. Raises RunError that names the owner if another has it."""
    folder, mine = RemoteFolder(address), _mine()
    _take(folder, mine)
    ended = Event()
    beat = Thread(target=_renew, args=(folder, mine, ended), daemon=True, name="lease")
    beat.start()
    try:
        yield
    finally:
        ended.set()
        beat.join()
        with suppress(StoreError):  # without a network, it runs out
            folder.remove(LEASE)


def _mine() -> bytes:
    return json.dumps({**owner.this_process(), "token": uuid4().hex}).encode()


def _take(folder: RemoteFolder, mine: bytes) -> None:
    if folder.create(LEASE, mine) or folder.read(LEASE) == mine:  # an answer may be lost on its way
        return
    if not _ended(folder):
        raise _taken(folder)
    write(folder, LEASE, mine)
    if folder.read(LEASE) != mine:
        raise _taken(folder)


def _ended(folder: RemoteFolder) -> bool:
    """Whether a lease's owner has ended: a process of this machine that is gone, or one silent for long."""
    import psutil

    other = _owner(folder)
    if other.get("host") == platform.node() and isinstance(other.get("pid"), int):
        return other["pid"] != os.getpid() and not psutil.pid_exists(other["pid"])
    return _silence(folder) > DEAD


def _silence(folder: RemoteFolder) -> float:
    """Seconds since the last sign of life, by the store's own clock. 0 where a store tells no times."""
    probe = f".lease.{uuid4().hex[:8]}"
    write(folder, probe, b"")
    now, then = (date_of(folder.facts_of(name) or {}) for name in (probe, LEASE))
    folder.remove(probe)
    return now - then if now and then else 0.0


def _renew(folder: RemoteFolder, mine: bytes, ended: Event) -> None:
    while not ended.wait(RENEWED):
        with suppress(StoreError):
            write(folder, LEASE, mine)


def _owner(folder: RemoteFolder) -> dict[str, Any]:
    try:
        return owner.parsed(folder.read(LEASE))
    except RunError:
        return {}


def _taken(folder: RemoteFolder) -> RunError:
    return RunError(
        f"{folder.address} is being written to by {owner.sentence(_owner(folder))}. Wait until it has finished, or "
        f"stop it. If it has ended, try again in {DEAD / 60:.0f} minutes, or remove {folder.address}/{LEASE}."
    )
