"""The division of requests into shards. It depends on nothing but the requests, so any worker can make any shard."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from condgen.errors import RequestError
from condgen.runs.generator import must_be_numbers
from condgen.runs.sampling import BATCH

SAMPLES = 10_000  # samples of a shard, unless they are large
BYTES = 64 * 2**20  # of the samples of a shard as pixels, before they are packed
MOST = 10_000_000  # samples of a shard


@dataclass(frozen=True)
class Batch:
    """Samples that are generated together: the index of their request, and their seeds."""

    request: int
    seeds: range


@dataclass(frozen=True)
class Plan:
    """n samples of every request, in shards of equally many batches.

    The batches are those of `Generator.stream`, in its order, so rounding is the same whichever worker makes them.

    requests: number of requests.
    n: samples of each, with the seeds `seed`, `seed + 1`, …
    size: most samples of a shard. A multiple of BATCH.

    Raises RequestError for numbers that cannot be.
    """

    requests: int
    n: int
    seed: int
    size: int

    def __post_init__(self) -> None:
        must_be_numbers(self.n, self.seed)
        if not BATCH <= self.size <= MOST or self.size % BATCH:
            raise RequestError(
                f"A shard holds a multiple of {BATCH} samples, up to {MOST:,}, not {self.size:,} (`shard={SAMPLES}`)."
            )

    @property
    def samples(self) -> int:
        """The number of samples in all shards."""
        return self.requests * self.n

    @property
    def shards(self) -> int:
        """The number of shards."""
        return -(-self.requests * self._batches // self._in_shard)

    def shard(self, k: int) -> Iterator[Batch]:
        """The batches of shard k, in order."""
        first = k * self._in_shard
        for number in range(first, min(first + self._in_shard, self.requests * self._batches)):
            request, batch = divmod(number, self._batches)
            yield Batch(request, range(self.seed, self.seed + self.n)[batch * BATCH : (batch + 1) * BATCH])

    def samples_of(self, k: int) -> int:
        """The number of samples that shard k is made of."""
        return sum(len(batch.seeds) for batch in self.shard(k))

    @property
    def _batches(self) -> int:
        return -(-self.n // BATCH)

    @property
    def _in_shard(self) -> int:
        return self.size // BATCH


def usual_size(shape: tuple[int, ...]) -> int:
    """The size of a shard by default: 10,000 samples, fewer if they are large."""
    each = math.prod(shape) * (1 if len(shape) == 3 else 4)
    return min(max(BYTES // each // BATCH, 1) * BATCH, SAMPLES)
