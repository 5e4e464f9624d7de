"""The C library's heap."""

import ctypes
import os
from contextlib import suppress
from functools import cache

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3  # of mallopt, in malloc.h
KEPT = 2**30  # bytes
SETTINGS = ("GLIBC_TUNABLES", "MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_")


@cache
def keep_freed_memory() -> None:
    """Make this process keep memory that is freed, up to 1 GiB, for whatever needs some next.

    glibc gives large blocks back to the system at once, and gets them again, emptied, for the next batch. That took a
    third of the time of a flow's batch of 250. Thresholds that the environment sets stay, and so does the heap of other
    C libraries.
    """
    if _is_glibc() and not any(name in os.environ for name in SETTINGS):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(TRIM_THRESHOLD, KEPT)
        mallopt(MMAP_THRESHOLD, KEPT) or mallopt(MMAP_THRESHOLD, 2**25)  # the most before glibc 2.35


def _is_glibc() -> bool:
    with suppress(AttributeError, ValueError, OSError):  # other systems know less of it, or nothing
        return (os.confstr("CS_GNU_LIBC_VERSION") or "").startswith("glibc")
    return False
