"""File systems that bring everything to the disk in one call, however many files it is (`syncfs` of Linux)."""

import ctypes
import os
import re
import sys
from pathlib import Path

SINCE = (5, 8)  # the first Linux whose call tells of data that could not be written
PROVEN = {  # file systems of this machine whose call waits for data and names, by their number in statfs(2)
    0xEF53: "ext4",
    0x58465342: "xfs",
    0x9123683E: "btrfs",
    0xF2F52010: "f2fs",
    0x01021994: "tmpfs",
}
_STATFS = ctypes.c_long * 64  # larger than the system's structure, which begins with the number


def flushed_at_once(folder: Path) -> bool:
    """Wait until all that was written to the folder's file system is on the disk, by whomever. False if this system
    has no such call, or the file system is not known to keep its promise.

    Raises OSError if something could not be written.
    """
    if sys.platform != "linux" or _release() < SINCE:
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    opened = os.open(folder, os.O_RDONLY)
    try:
        if _kind(libc, opened) not in PROVEN:
            return False
        if libc.syncfs(opened):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(folder))
    finally:
        os.close(opened)
    return True


def _release() -> tuple[int, ...]:
    """The version of the system's kernel."""
    found = re.match(r"(\d+)\.(\d+)", os.uname().release)
    return tuple(map(int, found.groups())) if found else (0, 0)


def _kind(libc: ctypes.CDLL, opened: int) -> int | None:
    """The number of the file system that an open file is on, or None if the system does not tell."""
    facts = _STATFS()
    return None if libc.fstatfs(opened, facts) else facts[0] & 0xFFFFFFFF
