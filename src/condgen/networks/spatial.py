"""Convolutional encoder and decoder between images and latents that keep their place: smaller images, of more channels.

No layer looks at the whole image, so the same network takes images of every size.
"""

import math
from itertools import pairwise

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import pixel_unshuffle, silu

from condgen.conditioning import Unconditioned
from condgen.conditioning.folding import NOTHING
from condgen.networks.conv import Block
from condgen.networks.layout import Halving
from condgen.networks.patches import Pixels

PATCH = 4  # side of the patches that are folded into channels

Images = Float[Tensor, "batch channel height width"]
Latents = Float[Tensor, "batch latent row column"]


def widths(factor: int, channels: int) -> list[int]:
    """The channels of every stage, from patches on, doubling with each halving of the sides.

    Raises ValueError for a factor that is not a power of two, or smaller than a patch.
    """
    halvings = math.log2(factor / PATCH)
    if halvings < 0 or halvings != int(halvings):
        raise ValueError(f"the factor must be {PATCH}, {2 * PATCH} or {4 * PATCH}, not {factor}")
    return [channels * 2**k for k in range(int(halvings) + 1)]


def blocks(width: int, depth: int) -> nn.ModuleList:
    """Residual blocks of one stage."""
    return nn.ModuleList(Block(width, Unconditioned, 0) for _ in range(depth))


class SpatialEncoder(nn.Module):
    """Images [batch, channel, height, width] to [batch, outputs, height / factor, width / factor]."""

    def __init__(self, images: int, outputs: int, *, factor: int, channels: int, depth: int):
        super().__init__()
        sizes = widths(factor, channels)
        self.stem = nn.Conv2d(images * PATCH**2, channels, 3, padding=1)
        self.stages = nn.ModuleList(blocks(width, depth) for width in sizes)
        self.down = nn.ModuleList(Halving(a, b) for a, b in pairwise(sizes))
        self.out = nn.Conv2d(sizes[-1], outputs, 3, padding=1)

    def forward(self, x: Images) -> Latents:
        """The outputs for images x."""
        x = silu(self.stem(pixel_unshuffle(x, PATCH)))
        for i, stage in enumerate(self.stages):
            x = self.down[i - 1](x) if i else x
            for block in stage:  # type: ignore[attr-defined]  # a ModuleList of ModuleLists
                x = block(x, NOTHING)
        return self.out(silu(x))


class SpatialDecoder(nn.Module):
    """Latents [batch, inputs, rows, columns] to images of `factor` times their sides. It mirrors the encoder.

    outputs: the steps to a finer resolution and, from the last layer, to pixels (patches.py).
    """

    def __init__(
        self, inputs: int, images: int, *, factor: int, channels: int, depth: int, outputs: type[Pixels] = Pixels
    ):
        super().__init__()
        sizes = widths(factor, channels)[::-1]
        self.stem = nn.Conv2d(inputs, sizes[0], 3, padding=1)
        self.stages = nn.ModuleList(blocks(width, depth) for width in sizes)
        self.up = nn.ModuleList(nn.Conv2d(a, outputs.finer * b, 1) for a, b in pairwise(sizes))
        self.out = nn.Conv2d(channels, images * PATCH**2, 3, padding=1)
        self.unfold = outputs(images, PATCH)
        self.unfold.begin(self.out)

    def forward(self, z: Latents) -> Images:
        """The images for latents z."""
        x = silu(self.stem(z))
        for i, stage in enumerate(self.stages):
            x = self.unfold.enlarged(self.up[i - 1](x)) if i else x
            for block in stage:  # type: ignore[attr-defined]  # a ModuleList of ModuleLists
                x = block(x, NOTHING)
        return self.unfold(self.out(silu(x)))
