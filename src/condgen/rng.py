"""Named random streams, one per sample. Image k is the same for every batch size and number of workers.

A run and its exported model share their noise (docs/decisions/0034-numpy-draws-the-same-noise.md).
"""

import math
import threading
from collections.abc import Iterable, Iterator
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.random import MT19937, RandomState
from numpy.typing import NDArray

from condgen.arrays import Array, Float, Int

FEW = 16  # PyTorch draws fewer normal numbers than this one by one, with 53 bits each, and more in blocks of so many
AT_ONCE = 2**18  # random numbers that are worked on together, so that they stay in the processor's cache


def _mixed(seed: int) -> int:
    """A seed of up to 32 bits unchanged. All bits of a longer one are used, whereas PyTorch would use the lowest 32."""
    return (seed ^ (seed >> 32) * 0x9E3779B1) & 0xFFFFFFFF


class _Engine(threading.local):
    """The Mersenne Twister of a thread. Seeding it takes a microsecond, making one takes a hundred."""

    def __init__(self) -> None:
        self.bits = MT19937(0)
        self.seed = RandomState(self.bits).seed  # by init_genrand (Matsumoto and Nishimura 2002), as PyTorch does


_ENGINE = _Engine()


class NumpyRng:
    """A batch of independent random streams, one per seed, which draws arrays of NumPy.

    Successive draws continue each stream. The numbers are those of `Rng`: uniform ones bit for bit, normal ones within
    the rounding of 32-bit floats.
    """

    def __init__(self, seeds: Iterable[int]):
        self.seeds = list(seeds)
        self._drawn = 0  # random words of each stream
        self._spare = np.empty((len(self.seeds), 0))  # the second number of a pair whose first was drawn last

    def __len__(self) -> int:
        return len(self.seeds)

    def normal(self, *shape: int, device: Any = "cpu") -> Float[Array, "batch ..."]:
        """Standard normal numbers [batch, *shape]."""
        n = math.prod(shape)
        x: Any = self._normal_by_one(n) if n < FEW else self._normal_in_blocks(n)
        return x.reshape(len(self), *shape)

    def uniform(self, *shape: int, device: Any = "cpu") -> Float[Array, "batch ..."]:
        """Uniform numbers in [0, 1), [batch, *shape]."""
        n = math.prod(shape)
        x: Any = np.empty((len(self), n), np.float32)
        for rows, words in self._words(n):
            x[rows] = _uniform(words)
        return x.reshape(len(self), *shape)

    def _normal_by_one(self, n: int) -> NDArray[np.float32]:
        """Box and Muller's pairs (1958, eq. 1) in double precision. Half a pair is left for the next draw."""
        pairs = -(-(n - self._spare.shape[1]) // 2)
        z = np.empty((len(self), 2 * pairs))
        for rows, words in self._words(4 * pairs):
            u = _uniform_double(words)
            radius, angle = np.sqrt(-2 * np.log1p(-u[:, 1::2])), 2 * np.pi * u[:, ::2]
            z[rows, ::2], z[rows, 1::2] = radius * np.cos(angle), radius * np.sin(angle)
        z = np.concatenate([self._spare, z], 1)
        self._spare = z[:, n:]
        return z[:, :n].astype(np.float32)

    def _normal_in_blocks(self, n: int) -> NDArray[np.float32]:
        """The same pairs in single precision, 8 in a block of 16. An incomplete last block is drawn anew as the last 16
        numbers.
        """
        x, tail = np.empty((len(self), n), np.float32), n % FEW
        for rows, words in self._words(n + FEW if tail else n):
            u = _uniform(words)
            x[rows, : n - tail] = _box_muller(u[:, : n - tail])
            x[rows, n - FEW :] = _box_muller(u[:, -FEW:])
        return x

    def _words(self, n: int) -> Iterator[tuple[slice, NDArray[np.uint32]]]:
        """The next n random words of every stream, [some streams, n], for one group of streams after the other."""
        start, self._drawn = self._drawn, self._drawn + n
        step = max(1, AT_ONCE // max(n, 1))
        for first in range(0, len(self), step):
            seeds = self.seeds[first : first + step]
            words = np.empty((len(seeds), n), np.uint32)
            for row, seed in zip(words, seeds, strict=True):
                _ENGINE.seed(_mixed(seed))
                row[:] = _ENGINE.bits.random_raw(start + n)[start:]  # a nanosecond or two each, from the first
            yield slice(first, first + step), words


class Rng(NumpyRng):
    """A batch of independent random streams, one per seed, which draws tensors with PyTorch's own generator.

    Successive draws continue each stream. Numbers are drawn on the CPU and then moved, so that they are the same on
    every device.
    """

    def __init__(self, seeds: Iterable[int]):
        import torch

        super().__init__(seeds)
        self._generators = [torch.Generator().manual_seed(_mixed(seed)) for seed in self.seeds]

    def normal(self, *shape: int, device: Any = "cpu") -> Float[Array, "batch ..."]:
        """Standard normal numbers [batch, *shape]."""
        out = self._empty(*shape)
        for row, generator in zip(out, self._generators, strict=True):
            row.normal_(generator=generator)
        return out.to(device)

    def uniform(self, *shape: int, device: Any = "cpu") -> Float[Array, "batch ..."]:
        """Uniform numbers in [0, 1), [batch, *shape]."""
        out = self._empty(*shape)
        for row, generator in zip(out, self._generators, strict=True):
            row.uniform_(generator=generator)
        return out.to(device)

    def _empty(self, *shape: int) -> Float[Array, "batch ..."]:
        import torch

        return torch.empty(len(self), *shape)


def _uniform(words: NDArray[np.uint32]) -> NDArray[np.float32]:
    """Uniform numbers in [0, 1) from the lower 24 bits of each word."""
    return (words & np.uint32(2**24 - 1)).astype(np.float32) * np.float32(2**-24)


def _uniform_double(words: NDArray[np.uint32]) -> NDArray[np.float64]:
    """Uniform numbers in [0, 1) from the lower 53 bits of each pair of words, of which the first is the upper one."""
    pairs = (words[:, ::2].astype(np.uint64) << np.uint64(32)) | words[:, 1::2]
    return (pairs & np.uint64(2**53 - 1)).astype(np.float64) * 2**-53


def _box_muller(u: NDArray[np.float32]) -> NDArray[np.float32]:
    """Standard normal numbers from uniform ones in blocks of 16: radii from the first 8, angles from the last 8."""
    u = u.reshape(len(u), -1, 2, FEW // 2)
    radius, angle = np.sqrt(-2 * np.log(1 - u[:, :, 0])), np.float32(2 * np.pi) * u[:, :, 1]
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], 2).reshape(len(u), -1)


class Stream(IntEnum):
    """The first seeds of a run's random streams. Sample k uses the seed + k of each stream.

    Streams share no seed as long as users choose seeds below 2^32. From there on, NOISE has the seeds of AGAIN and
    FILLED. A generator takes 32 bits of a seed (`_mixed`), so that one pair of seeds in 2^32 gives the same numbers.

    NOISE: the samples' noise. Users choose seeds below 2^40.
    AGAIN: other noise for the same conditions, with which an evaluation measures the effect of noise.
    FILLED: attributes that an evaluation's conditions leave free.
    CONDITION: attributes that requests leave free, separate from the noise so that it does not depend on the request.
    EXCLUDED: values that requests exclude.
    CANDIDATES: the noise of a sample's second candidate, of which the best is kept. That of the others follows.
    """

    NOISE = 0
    AGAIN = 2**32
    FILLED = 2**33
    CONDITION = 2**40
    EXCLUDED = 2**41
    CANDIDATES = 2**43

    def rng(self, seeds: Iterable[int] | Int[Array, " n"]) -> NumpyRng:
        """This stream for samples with these seeds. It draws arrays of NumPy if the seeds are one."""
        of = NumpyRng if isinstance(seeds, np.ndarray) else Rng
        return of(int(self) + int(seed) for seed in seeds)


SPREAD = 1_000_003  # a prime, so that runs do not share the seeds of epochs and steps


def epoch_seed(seed: int, epoch: int) -> int:
    """The seed of the order of the data in an epoch."""
    return seed * SPREAD + epoch


def step_seed(seed: int, images: int, process: int = 0) -> int:
    """The seed of a training step, after this many images, for what one of several processes draws by itself."""
    return epoch_seed(seed, images) * 64 + process
