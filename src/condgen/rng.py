"""Named random streams, one per sample. Image k is the same for every batch size and number of workers."""

from collections.abc import Iterable
from enum import IntEnum

import torch
from jaxtyping import Float, Int
from torch import Tensor


def _mixed(seed: int) -> int:
    """A seed of up to 32 bits unchanged. All bits of a longer one are used, whereas PyTorch would use the lowest 32."""
    return (seed ^ (seed >> 32) * 0x9E3779B1) & 0xFFFFFFFF


class Rng:
    """A batch of independent random streams, one per seed.

    Successive draws continue each stream. Numbers are drawn on the CPU and then moved, so that they are the same on
    every device.
    """

    def __init__(self, seeds: Iterable[int]):
        self.seeds = list(seeds)
        self._generators = [torch.Generator().manual_seed(_mixed(seed)) for seed in self.seeds]

    def __len__(self) -> int:
        return len(self.seeds)

    def normal(self, *shape: int, device: torch.device | str = "cpu") -> Float[Tensor, "batch ..."]:
        """Standard normal numbers [batch, *shape]."""
        out = torch.empty(len(self), *shape)
        for row, generator in zip(out, self._generators, strict=True):
            row.normal_(generator=generator)
        return out.to(device)

    def uniform(self, *shape: int, device: torch.device | str = "cpu") -> Float[Tensor, "batch ..."]:
        """Uniform numbers in [0, 1), [batch, *shape]."""
        out = torch.empty(len(self), *shape)
        for row, generator in zip(out, self._generators, strict=True):
            row.uniform_(generator=generator)
        return out.to(device)


class Stream(IntEnum):
    """The first seeds of a run's random streams. Sample k uses the seed + k of each stream, and the streams never
    overlap.

    NOISE: the samples' noise. Users choose seeds below 2^40.
    AGAIN: other noise for the same conditions, with which an evaluation measures the effect of noise.
    FILLED: attributes that an evaluation's conditions leave free.
    CONDITION: attributes that requests leave free, separate from the noise so that it does not depend on the request.
    EXCLUDED: values that requests exclude.
    """

    NOISE = 0
    AGAIN = 2**32
    FILLED = 2**33
    CONDITION = 2**40
    EXCLUDED = 2**41

    def rng(self, seeds: Iterable[int] | Int[Tensor, " n"]) -> Rng:
        """This stream for samples with these seeds."""
        return Rng(int(self) + int(seed) for seed in seeds)


SPREAD = 1_000_003  # a prime, so that runs do not share the seeds of epochs and steps


def epoch_seed(seed: int, epoch: int) -> int:
    """The seed of the order of the data in an epoch."""
    return seed * SPREAD + epoch


def step_seed(seed: int, images: int, process: int = 0) -> int:
    """The seed of a training step, after this many images, in one of up to 64 processes."""
    return epoch_seed(seed, images) * 64 + process
