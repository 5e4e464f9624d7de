"""A lean U-Net, from images to images of the same shape (Ronneberger et al. 2015).

Pixels are folded into channels first and unfolded last, as in the other networks here. Each resolution has residual
blocks on the way down and on the way up, joined by a skip connection. Every resolution has learned features of
position, because a convolution of noise cannot know where it is. At the lowest resolution, self-attention and a dense
layer over the whole image bring distant parts together.
"""

from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import group_norm, pixel_shuffle, pixel_unshuffle, silu

from condgen.conditioning import Encoded, Mechanism, norm_groups
from condgen.networks.conv import Block, ImageShape, patch_size, stages
from condgen.networks.layout import Halving, ordered
from condgen.networks.transformer import TransformerBlock

Images = Float[Tensor, "batch channel height width"]


class NormedBlock(Block):
    """Residual block of a normalised input: x + W₂ silu(mechanism(conv₃ₓ₃)(norm x, c)). W₂ starts at zero."""

    def forward(self, x: Images, c: Encoded) -> Images:
        """The same shape as x."""
        return x + self.out(silu(self.mix(_normed(x), c)))


class DenseBlock(nn.Module):
    """Residual block over the whole image: x + W₂ silu(mechanism(W₁)(norm x, c)). W₂ starts at zero."""

    def __init__(self, size: tuple[int, int, int], mechanism: type[Mechanism], condition_width: int, hidden: int = 256):
        super().__init__()
        values = size[0] * size[1] * size[2]
        self.mix = mechanism(nn.Linear(values, hidden), condition_width)
        self.out = nn.Linear(hidden, values)
        nn.init.zeros_(self.out.weight)

    def forward(self, x: Images, c: Encoded) -> Images:
        """The same shape as x."""
        return x + self.out(silu(self.mix(_normed(x).flatten(1), c))).view_as(x)


class UNet(nn.Module):
    """Images [batch, channel, height, width] to outputs of the same shape, under a condition."""

    def __init__(
        self,
        shape: ImageShape,
        *,
        mechanism: type[Mechanism],
        condition_width: int,
        channels: int = 64,
        depth: int = 2,
        patch: int | None = None,
    ):
        super().__init__()
        image_channels, height, width = shape
        self.patch = patch or patch_size(height, width)
        sizes = stages(height, width, channels, patch)
        pixels, lowest = image_channels * self.patch**2, sizes[-1]

        def blocks(size: int) -> nn.ModuleList:
            return nn.ModuleList(NormedBlock(size, mechanism, condition_width) for _ in range(depth))

        self.stem = mechanism(nn.Conv2d(pixels, channels, 3, padding=1), condition_width)
        self.places = nn.ParameterList(0.02 * torch.randn(size) for size in sizes)
        self.down_blocks = nn.ModuleList(blocks(c) for c, _, _ in sizes)
        self.down = nn.ModuleList(Halving(a, b) for (a, _, _), (b, _, _) in pairwise(sizes))
        attention = (TransformerBlock(lowest[0], mechanism, condition_width) for _ in range(depth))
        self.middle = nn.ModuleList([*attention, DenseBlock(lowest, mechanism, condition_width)])
        self.up = nn.ModuleList(nn.Conv2d(b, 4 * a, 1) for (a, _, _), (b, _, _) in pairwise(sizes))
        self.join = nn.ModuleList(nn.Conv2d(2 * a, a, 1) for (a, _, _), _ in pairwise(sizes))
        self.up_blocks = nn.ModuleList(blocks(c) for c, _, _ in sizes)
        self.out = nn.Conv2d(channels, pixels, 3, padding=1)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)  # type: ignore[arg-type]

    def forward(self, x: Images, c: Encoded) -> Images:
        """The outputs for images x under condition c. Zero at the start of training."""
        x = self.stem(pixel_unshuffle(x, self.patch), c)
        skips: list[Tensor] = []
        for i, blocks in enumerate(self.down_blocks):
            if i:
                skips.append(x)
                x = self.down[i - 1](x)
            x = x + self.places[i]
            for block in blocks:  # type: ignore[attr-defined]  # a ModuleList of ModuleLists
                x = block(x, c)
        for block in self.middle:
            x = block(x, c)
        for i in reversed(range(len(self.up_blocks))):
            for block in self.up_blocks[i]:  # type: ignore[attr-defined]
                x = block(x, c)
            if i:
                x = self.join[i - 1](torch.cat([pixel_shuffle(self.up[i - 1](x), 2), skips.pop()], dim=1))
        return pixel_shuffle(self.out(silu(x)), self.patch)


def _normed(x: Images) -> Images:
    """Group norm without parameters, of a contiguous tensor, because the forward-mode derivative requires it."""
    return group_norm(ordered(x), norm_groups(x.shape[1]))
