"""One random stream per sample, so that image k is the same whatever the batch size or the number of workers."""

from collections.abc import Iterable

import torch
from jaxtyping import Float
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
