"""Decoding of rows by threads. Decoders release the interpreter's lock, and a few decoded images wait in a queue."""

import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice

from condgen.data.storage.images import Fit, Pixels, fitted
from condgen.data.streaming.ledger import Quarantine
from condgen.data.streaming.rows import Row
from condgen.errors import DataError

AT_ONCE = 16  # images that a thread decodes at a time
Decoded = tuple[Row, Pixels | None]  # None if the image is broken


def decoded(rows: Iterable[Row], fit: Fit, quarantine: Quarantine) -> Iterator[Decoded]:
    """Rows with their pixels, in order. Raises DataError if too many are broken. Work ends with the iterator."""
    rows, workers = iter(rows), _workers()
    with ThreadPoolExecutor(workers, thread_name_prefix="decoding") as pool:
        waiting: deque[Future[list[tuple[Row, Pixels | str]]]] = deque()
        try:
            while True:
                while len(waiting) < 2 * workers and (some := list(islice(rows, AT_ONCE))):
                    waiting.append(pool.submit(_decode, some, fit))
                if not waiting:
                    return
                for row, found in waiting.popleft().result():
                    pixels, reason = (None, found) if isinstance(found, str) else (found, None)
                    quarantine.note(row.place, row.image, reason)
                    yield row, pixels
        finally:
            pool.shutdown(cancel_futures=True)


def _decode(rows: list[Row], fit: Fit) -> list[tuple[Row, Pixels | str]]:
    return [(row, _pixels(row, fit)) for row in rows]


def _pixels(row: Row, fit: Fit) -> Pixels | str:
    """The pixels of an image, or the reason why there are none."""
    try:
        return fitted(row.image, fit)[0]
    except DataError as error:
        return str(error)


def _workers() -> int:
    """One thread per processor available to this process, shared with other training processes."""
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, available // int(os.environ.get("LOCAL_WORLD_SIZE", 1)))
