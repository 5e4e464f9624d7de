"""Named random streams, one per sample: image k is the same whatever the batch size or the number of workers."""

from collections.abc import Iterable
from enum import IntEnum

import torch
from jaxtyping import Float, Int
from torch import Tensor


def _mixed(seed: int) -> int:
    """A seed of 32 bits as it is; of a longer one all bits count, where PyTorch would use only the lowest 32."""
    return (seed ^ (seed >> 32) * 0x9E3779B1) & 0xFFFFFFFF


class Rng:
    """A batch of independent random streams, one per seed.

    Successive draws continue each stream. Numbers are drawn on the CPU and moved, so that they are the same on every
    device.
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
    """The first seeds of a run's random streams: sample k draws from the seed + k of each, and they never meet.

    NOISE:     the samples' own; people choose seeds below 2^40.
    AGAIN:     other noise for the same conditions, where an evaluation looks at how much that changes.
    FILLED:    attributes that an evaluation's conditions leave free.
    CONDITION: attributes that requests leave free; apart from the noise, so that this does not depend on the request.
    EXCLUDED:  values that requests exclude.
    """

    NOISE = 0
    AGAIN = 2**32
    FILLED = 2**33
    CONDITION = 2**40
    EXCLUDED = 2**41

    def rng(self, seeds: Iterable[int] | Int[Tensor, " n"]) -> Rng:
        """This stream of samples with these seeds."""
        return Rng(int(self) + int(seed) for seed in seeds)


SPREAD = 1_000_003  # a prime: the seeds of one run's epochs and steps are not those of another's


def epoch_seed(seed: int, epoch: int) -> int:
    """The seed of the order in which a run sees its data in an epoch."""
    return seed * SPREAD + epoch


def step_seed(seed: int, images: int, process: int = 0) -> int:
    """The seed of a training step, after this many images, in one of up to 64 processes."""
    return epoch_seed(seed, images) * 64 + process
