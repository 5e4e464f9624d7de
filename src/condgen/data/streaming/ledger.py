"""Facts found while reading a stream: the number of rows of each shard, and broken images."""

import csv
import json
import threading
from pathlib import Path

from condgen.data.storage.images import EncodedImage
from condgen.data.streaming.rows import Place
from condgen.errors import DataError
from condgen.files import write_text

SURE = 1_000  # smallest number of images for a share of broken ones


class Counts:
    """The number of training rows of each shard, kept in a file so that a resumed run need not count again.

    Only speed depends on it. If a number is unknown, the shard is read without decoding.
    """

    def __init__(self, shards: int, path: Path | None = None):
        self.shards, self.path = shards, path
        self._known: dict[int, int] = _read(path) if path else {}

    def of(self, shards: list[int]) -> int | None:
        """The total for these shards, if known."""
        found = [self._known.get(shard) for shard in shards]
        return sum(n for n in found if n is not None) if None not in found else None

    @property
    def total(self) -> int | None:
        """The total for all shards, if known."""
        return self.of(list(range(self.shards)))

    def note(self, shard: int, rows: int) -> None:
        """Record that a shard has been read to its end."""
        if self._known.get(shard) == rows:
            return
        self._known[shard] = rows
        if self.path:
            write_text(self.path, json.dumps(self._known))


def _read(path: Path) -> dict[int, int]:
    try:
        return {int(shard): int(rows) for shard, rows in json.loads(path.read_text()).items()}
    except (OSError, ValueError, AttributeError):  # missing or damaged: counted again
        return {}


class Quarantine:
    """Broken images, listed in a file once each, and counted. allowed: the largest share that may be broken."""

    def __init__(self, path: Path, allowed: float):
        self.path, self.allowed = path, allowed
        self.seen = self.broken = 0
        self._listed = _places(path)
        self._last = ""
        self._lock = threading.Lock()

    def note(self, place: Place, image: EncodedImage, reason: str | None) -> None:
        """Record that an image was decoded or could not be.

        Raises DataError if more than the allowed share could not.
        """
        with self._lock:
            self.seen += 1
            if reason is None:
                return
            self.broken += 1
            self._last = reason
            if place not in self._listed:
                self._list(place, image, reason)
        self.check(SURE)

    def check(self, at_least: int = 1) -> None:
        """Raise DataError if more than the allowed share is broken, of at least this number of images."""
        if self.broken > self.allowed * max(self.seen, at_least) or (self.broken == self.seen >= at_least):
            raise DataError(
                f"{self.broken:,} of {self.seen:,} images are unusable, and a share of at most {self.allowed:.2g} may "
                f"be left out: {self._last} All are listed in {self.path}. Repair them or take them out, or allow more "
                "(`broken`)."
            )

    def _list(self, place: Place, image: EncodedImage, reason: str) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        new = not self.path.exists()
        with self.path.open("a", newline="", encoding="utf-8") as file:
            table = csv.writer(file)
            if new:
                table.writerow(["shard", "row", "image", "reason"])
            table.writerow([place[0] + 1, place[1] + 1, image.name, reason])
        self._listed.add(place)


def _places(path: Path) -> set[Place]:
    """The images that a list already contains."""
    if not path.is_file():
        return set()
    with path.open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.reader(file) if len(row) == 4 and row[0].isdigit() and row[1].isdigit()]
    return {(int(shard) - 1, int(row) - 1) for shard, row, *_ in rows}
