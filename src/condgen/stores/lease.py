"""Leases on folders in stores, where no system holds a lock: a small file that its owner renews."""

import json
import os
import platform
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Event, Thread
from typing import Any
from uuid import uuid4

from condgen.errors import RunError, StoreError, shorten
from condgen.stores.folder import write
from condgen.stores.remote import RemoteFolder, date_of

LEASE = ".lease.json"
RENEWED = 60.0  # seconds between signs of life
TOLD = {"pid", "host", "command"}  # the facts about an owner
DEAD = 300.0  # seconds without a sign of life after which an owner counts as ended


@contextmanager
def leased(address: str) -> Iterator[None]:
    """The right to write to a folder in a store. Raises RunError that names the owner if another has it."""
    folder, mine = RemoteFolder(address), _owner()
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


def _owner() -> bytes:
    told = {"pid": os.getpid(), "host": platform.node(), "command": shlex.join(sys.argv), "token": uuid4().hex}
    return json.dumps(told).encode()


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

    owner = _read(folder)
    if owner.get("host") == platform.node() and isinstance(owner.get("pid"), int):
        return owner["pid"] != os.getpid() and not psutil.pid_exists(owner["pid"])
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


def _read(folder: RemoteFolder) -> dict[str, Any]:
    try:
        found = json.loads(folder.read(LEASE))
    except (ValueError, RecursionError, RunError):
        return {}
    return found if isinstance(found, dict) else {}


def _taken(folder: RemoteFolder) -> RunError:
    owner = {name: shorten(str(value), 200) for name, value in _read(folder).items()}
    who = (
        "process {pid} on {host} ({command})".format_map(owner)
        if {"pid", "host", "command"} <= owner.keys()
        else "another process"
    )
    return RunError(
        f"{folder.address} is being written to by {who}. Wait until it has finished, or stop it. If it has ended, try "
        f"again in {DEAD / 60:.0f} minutes, or remove {folder.address}/{LEASE}."
    )
