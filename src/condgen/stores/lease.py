"""Leases on folders in stores, where no system holds a lock: a small file that its owner renews."""

import json
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


class LostError(RunError):
    """Another process has taken the lease of this one."""


class Lease:
    """The right to write to a folder in a store, until another process takes it from one that is silent for long."""

    def __init__(self, address: str):
        self._folder = RemoteFolder(address)
        self._mine = json.dumps({**owner.this_process(), "token": uuid4().hex}).encode()

    def must_be_mine(self) -> None:
        """Raise LostError if another process has taken it, and StoreError if the store cannot be reached."""
        if not (self._folder.exists(LEASE) and self._folder.read(LEASE) == self._mine):
            raise _lost(self._folder)

    def take(self) -> None:
        """Take it. Raises RunError that names the owner if another has it."""
        folder, mine = self._folder, self._mine
        if folder.create(LEASE, mine) or folder.read(LEASE) == mine:  # an answer may be lost on its way
            return
        if not _ended(folder):
            raise _taken(folder)
        write(folder, LEASE, mine)
        if folder.read(LEASE) != mine:
            raise _taken(folder)

    def renew(self, ended: Event) -> None:
        """Give signs of life until the end."""
        while not ended.wait(RENEWED):
            with suppress(StoreError, LostError):  # whoever writes learns that it is lost
                self.must_be_mine()
                write(self._folder, LEASE, self._mine)

    def release(self) -> None:
        """Give it back. Another's is left alone."""
        with suppress(StoreError, LostError):  # without a network, it runs out
            self.must_be_mine()
            self._folder.remove(LEASE)


@contextmanager
def leased(address: str) -> Iterator[Lease]:
    """The right to write to a folder in a store. Raises RunError that names the owner if another has it."""
    lease, ended = Lease(address), Event()
    lease.take()
    beat = Thread(target=lease.renew, args=(ended,), daemon=True, name="lease")
    beat.start()
    try:
        yield lease
    finally:
        ended.set()
        beat.join()
        lease.release()


def _ended(folder: RemoteFolder) -> bool:
    """Whether a lease's owner has ended: a process of this machine that is gone, or one silent for long.

    The number of a process that is there proves nothing: each container of a machine counts from 1.
    """
    import psutil

    other = _owner(folder)
    if other.get("host") == platform.node() and isinstance(pid := other.get("pid"), int) and not psutil.pid_exists(pid):
        return True
    return _silence(folder) > DEAD


def _silence(folder: RemoteFolder) -> float:
    """Seconds since the last sign of life, by the store's own clock. 0 where a store tells no times."""
    probe = f".lease.{uuid4().hex[:8]}"
    write(folder, probe, b"")
    now, then = (date_of(folder.facts_of(name) or {}) for name in (probe, LEASE))
    folder.remove(probe)
    return now - then if now and then else 0.0


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


def _lost(folder: RemoteFolder) -> LostError:
    return LostError(
        f"{folder.address} was taken over by {owner.sentence(_owner(folder))}, since this process had given no sign of "
        f"life for {DEAD / 60:.0f} minutes. Nothing more is put there; what was written since lies in the copy on this "
        "disk."
    )
