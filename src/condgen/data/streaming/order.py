"""The order in which training visits a stream, as a function of the seed and the number of images seen.

An epoch visits the shards in random order, OPEN of them at a time, and takes a row of each in turn. The rows pass
through a shuffle buffer: consecutive rows fill it, come out in random order, and are replaced by the next ones.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np

from condgen.data.streaming.ledger import Counts
from condgen.data.streaming.rows import Row, in_turn
from condgen.errors import DataError

OPEN = 8  # number of shards read side by side


@dataclass(frozen=True)
class Order:
    """The order of all rows. rows: reads those of a shard. buffer: number of rows within which they are shuffled."""

    shards: int
    rows: Callable[[int], Iterator[Row]]
    counts: Counts
    buffer: int

    def rows_from(self, seed: int, start: int) -> Iterator[Row]:
        """Endless rows from image number `start` on. Earlier rows are skipped without decoding.

        Raises DataError if there is no row to train on.
        """
        while (total := self.counts.total) != 0:
            epoch, skipped = divmod(start, total) if total else (0, start)
            for row in self._epoch(seed, epoch, skipped):
                yield row
                start += 1
        raise DataError("The stream has no images to train on: all are held out, without labels, or in the sample.")

    def _epoch(self, seed: int, epoch: int, skipped: int) -> Iterator[Row]:
        """An epoch without the first `skipped` rows of its order."""
        number, offset = divmod(skipped, self.buffer)
        rows = self._unshuffled(seed, epoch, number * self.buffer)
        block: list[Row | None] = list(islice(rows, self.buffer))
        while block:
            following: list[Row | None] = []
            for k, place in enumerate(_permutation(len(block), seed, epoch, number + 1)):
                row, block[place] = block[place], None
                following += islice(rows, 1)
                if k >= offset:
                    assert row is not None
                    yield row
            block, number, offset = following, number + 1, 0

    def _unshuffled(self, seed: int, epoch: int, skipped: int) -> Iterator[Row]:
        """An epoch's rows in the order of reading."""
        order = _permutation(self.shards, seed, epoch, 0)
        for first in range(0, self.shards, OPEN):
            group = order[first : first + OPEN]
            known = self.counts.of(group)
            if known is not None and known <= skipped:
                skipped -= known
                continue
            for row in in_turn(self._counted(shard) for shard in group):
                if skipped:
                    skipped -= 1
                else:
                    yield row

    def _counted(self, shard: int) -> Iterator[Row]:
        n = 0
        for row in self.rows(shard):
            yield row
            n += 1
        self.counts.note(shard, n)


def _permutation(n: int, seed: int, epoch: int, number: int) -> list[int]:
    return np.random.default_rng((seed, epoch, number)).permutation(n).tolist()
