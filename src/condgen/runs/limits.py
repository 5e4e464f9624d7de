"""Checks that samples fit into memory and onto the disk, before they are made."""

import math
from pathlib import Path

from condgen.imprint import Origin, png
from condgen.messages import setting
from condgen.room import NEGLIGIBLE, disk, memory
from condgen.runs.samples import Samples

FEW = 8  # samples by which the size of one on the disk is estimated


def must_hold_samples(n: int, shape: tuple[int, ...]) -> None:
    """Raises RequestError for more samples than memory can hold, in batches and together.

    A server asks at every request. So the memory is not looked at for few samples.
    """
    each = 2 * 4 * math.prod(shape)
    if n * each <= NEGLIGIBLE:
        return
    room = memory()
    advice = f"At most {setting(n=room.free // each)} fits. `run.stream` gives any number, in batches."
    room.must_hold(n * each, f"{n:,} samples of shape {shape} in memory", advice)


def must_fit_on_disk(some: Samples, n: int, folder: Path) -> None:
    """Raises RequestError for more samples, by the size of some as files, than the disk of a folder holds."""
    each, room = _bytes_as_files(some), disk(folder)
    room.must_hold(n * each, f"{n:,} samples", f"About {setting(n=int(room.free / each))} in all would fit.")


def _bytes_as_files(samples: Samples) -> float:
    """Bytes that one sample takes on the disk: as an image, or as a row of numbers."""
    if not samples.images:
        return 10.0 * samples.x.shape[1]
    files = map(png, samples.to_pil(), Origin().imprints(samples))
    return sum(map(len, files)) / len(samples)
