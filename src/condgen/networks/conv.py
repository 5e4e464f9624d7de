"""Convolutional encoder and decoder for images of any size divisible by 4.

Pixels are folded into channels first (patchify) and unfolded last, so that no convolution runs at full resolution.
Residual blocks pair one 3×3 convolution with a pointwise one. They start as the identity and so need no normalisation.
The condition enters every layer by `mechanism`. Layers behind the first use `inner` if it is given: with Unconditioned,
the condition enters at the input only.
"""

import math
from itertools import pairwise

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import pixel_unshuffle, silu

from condgen.conditioning import Encoded, Mechanism
from condgen.networks.layout import Halving, maps, ordered
from condgen.networks.patches import Pixels

ImageShape = tuple[int, int, int]  # channel, height, width


def patch_size(height: int, width: int) -> int:
    """The side of the patches that are folded into channels: 4 pixels, or 2 for images smaller than 16."""
    return 4 if min(height, width) >= 16 else 2


def stages(height: int, width: int, channels: int, patch: int | None = None) -> list[tuple[int, int, int]]:
    """(channels, height, width) of every stage, from the patchified image down to about 4×4…8×8, with channels
    doubling.

    patch: the side of the patches, `patch_size` unless given. Raises ValueError if a side is not divisible by 4, or by
    the patch.
    """
    least = 4 if patch is None else patch
    if height % least or width % least:
        raise ValueError(
            f"image sides must be divisible by {least}, not {height}×{width}; resize or pad the images (`size`)"
        )
    patch = patch or patch_size(height, width)
    found = [(channels, height // patch, width // patch)]
    while min(found[-1][1:]) > 8 and not (found[-1][1] % 2 or found[-1][2] % 2):
        c, h, w = found[-1]
        found.append((min(2 * c, 4 * channels), h // 2, w // 2))
    return found


def pattern_period(height: int, width: int, patch: int | None = None) -> int:
    """The side in pixels of the pattern that a decoder of such images may repeat: a patch, or two where it doubles its
    rows and columns before the last layer.
    """
    patch = patch or patch_size(height, width)
    return 2 * patch if len(stages(height, width, 1, patch)) > 1 else patch


class Block(nn.Module):
    """Residual block: x + W₂ silu(mechanism(conv₃ₓ₃)(x, c)), W₂ pointwise and zero at the start."""

    def __init__(self, channels: int, mechanism: type[Mechanism], condition_width: int):
        super().__init__()
        self.mix = mechanism(nn.Conv2d(channels, channels, 3, padding=1), condition_width)
        self.out = nn.Conv2d(channels, channels, 1)
        nn.init.zeros_(self.out.weight)

    def forward(self, x: Float[Tensor, "batch channel height width"], c: Encoded) -> Tensor:
        """The same shape as x."""
        return x + self.out(silu(self.mix(x, c)))


class ConvEncoder(nn.Module):
    """Images [batch, channel, height, width] to vectors [batch, outputs], under a condition."""

    def __init__(
        self,
        shape: ImageShape,
        outputs: int,
        *,
        mechanism: type[Mechanism],
        condition_width: int,
        inner: type[Mechanism] | None = None,
        channels: int = 64,
        depth: int = 2,
        patch: int | None = None,
    ):
        super().__init__()
        inner = inner or mechanism
        image_channels, height, width = shape
        self.patch = patch or patch_size(height, width)
        sizes = stages(height, width, channels, patch)
        self.stem = mechanism(nn.Conv2d(image_channels * self.patch**2, channels, 3, padding=1), condition_width)
        self.stages = nn.ModuleList(
            nn.ModuleList(Block(c, inner, condition_width) for _ in range(depth)) for c, _, _ in sizes
        )
        self.down = nn.ModuleList(Halving(a, b) for (a, _, _), (b, _, _) in pairwise(sizes))
        self.out = nn.Linear(math.prod(sizes[-1]), outputs)

    def forward(self, x: Float[Tensor, "batch channel height width"], c: Encoded) -> Float[Tensor, "batch output"]:
        """The outputs for images x under condition c."""
        x = silu(self.stem(pixel_unshuffle(x, self.patch), c))
        for i, blocks in enumerate(self.stages):
            if i:
                x = self.down[i - 1](x)
            for block in blocks:  # type: ignore[attr-defined]  # a ModuleList of ModuleLists
                x = block(x, c)
        return self.out(silu(ordered(x).flatten(1)))


class ConvDecoder(nn.Module):
    """Vectors [batch, inputs] to images [batch, channel, height, width], under a condition. It mirrors the encoder.

    outputs: the steps to a finer resolution and, from the last layer, to pixels (patches.py).
    """

    def __init__(
        self,
        inputs: int,
        shape: ImageShape,
        *,
        mechanism: type[Mechanism],
        condition_width: int,
        inner: type[Mechanism] | None = None,
        channels: int = 64,
        depth: int = 2,
        patch: int | None = None,
        outputs: type[Pixels] = Pixels,
    ):
        super().__init__()
        inner = inner or mechanism
        image_channels, height, width = shape
        self.patch = patch or patch_size(height, width)
        sizes = stages(height, width, channels, patch)[::-1]
        self.start = sizes[0]
        self.stem = mechanism(nn.Linear(inputs, math.prod(self.start)), condition_width)
        self.stages = nn.ModuleList(
            nn.ModuleList(Block(c, inner, condition_width) for _ in range(depth)) for c, _, _ in sizes
        )
        self.up = nn.ModuleList(nn.Conv2d(a, outputs.finer * b, 1) for (a, _, _), (b, _, _) in pairwise(sizes))
        self.out = nn.Conv2d(channels, image_channels * self.patch**2, 3, padding=1)
        self.unfold = outputs(image_channels, self.patch)
        self.unfold.begin(self.out)

    def forward(self, z: Float[Tensor, "batch input"], c: Encoded) -> Float[Tensor, "batch channel height width"]:
        """The images for vectors z under condition c."""
        x = maps(silu(self.stem(z, c)), self.start, like=self.out)
        for i, blocks in enumerate(self.stages):
            if i:
                x = self.unfold.enlarged(self.up[i - 1](x))
            for block in blocks:  # type: ignore[attr-defined]  # a ModuleList of ModuleLists
                x = block(x, c)
        return self.unfold(self.out(silu(x)))
