"""Room in memory and on the disk, checked before work starts.

Estimates are low rather than high. A refused task cannot fit, while an accepted one may still run out of room.
"""

import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from condgen.errors import CondgenError, DataError, RequestError

GROUP = Path("/sys/fs/cgroup")  # the limits of a container on Linux
NEGLIGIBLE = 32 * 2**20  # bytes that every machine has
UNPACKED = 64 * 2**20  # bytes to which anything may unpack, however small
RATIO = 200  # largest factor of unpacking beyond that; images and tables are far below


@dataclass(frozen=True)
class Room:
    """A place with its name in messages and its number of free bytes."""

    name: str
    free: int

    def must_hold(self, needed: int | float, what: str, advice: str, error: type[CondgenError] = RequestError) -> None:
        """Raise an error if more bytes are needed than are free, with both numbers and the advice."""
        if needed > self.free:
            raise error(f"{what} would take {size(needed)}, and {self.name} has {size(self.free)} free. {advice}")


def memory(device: Any = "cpu") -> Room:
    """The memory of this machine that this process may use, or that of a GPU."""
    if str(device).startswith("cuda"):
        import torch

        return Room("the GPU", torch.cuda.mem_get_info(device)[0])
    import psutil  # takes as long to import as a small model to open

    free = [psutil.virtual_memory().available]
    with suppress(OSError, ValueError):  # the value is `max` without a limit
        limit = int((GROUP / "memory.max").read_text())
        free.append(limit - int((GROUP / "memory.current").read_text()))
    return Room("the memory", max(min(free), 0))


def must_fit_in_memory(needed: int, what: str, advice: str, error: type[CondgenError] = RequestError) -> None:
    """Raise an error as `Room.must_hold` does. Little is not worth a look at the memory."""
    if needed > NEGLIGIBLE:
        memory().must_hold(needed, what, advice, error)


def disk(path: Path) -> Room:
    """The disk of a file or folder, which need not exist yet."""
    place = next(each for each in (path.absolute(), *path.absolute().parents) if each.exists())
    return Room(f"the disk of {place}", shutil.disk_usage(place).free)


def must_unpack_to(packed: int, unpacked: int, what: str) -> None:
    """Raise DataError if something small unpacks to something huge, as decompression bombs do."""
    if unpacked > max(UNPACKED, RATIO * packed):
        raise DataError(
            f"{what} takes {size(packed)} and unpacks to {size(unpacked)}, as no image or table does (a decompression "
            "bomb?). Unpack it yourself, if you know what it holds."
        )


def size(count: int | float) -> str:
    """A number of bytes for people: 1.5 GB."""
    for unit in ("bytes", "kB", "MB", "GB", "TB", "PB"):
        if count < 1000 or unit == "PB":
            return f"{count:,.0f} {unit}" if unit == "bytes" else f"{count:,.1f} {unit}"
        count /= 1000
    raise AssertionError
