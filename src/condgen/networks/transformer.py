"""A diffusion transformer, from images to images of the same shape (Peebles & Xie 2023).

Tokens keep the place of their patches, [batch, channel, row, column], and dense layers are 1×1 convolutions. Every
mechanism therefore wraps them as it wraps a convolution. FiLM behind a parameter-free layer norm is adaptive layer
norm. Branches end in a layer that starts at zero, so this is adaLN-zero, except that the linear map comes before the
modulation.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import gelu, layer_norm, pixel_shuffle, pixel_unshuffle, scaled_dot_product_attention

from condgen.conditioning import Encoded, Mechanism
from condgen.networks.conv import ImageShape, patch_size

Tokens = Float[Tensor, "batch channel row column"]
Heads = Float[Tensor, "batch head token part"]
HEAD = 32  # channels of an attention head


class TransformerBlock(nn.Module):
    """x + W₂ attention(mechanism(W₁)(norm x, c)), then x + W₄ gelu(mechanism(W₃)(norm x, c)). W₂ and W₄ start at 0."""

    def __init__(self, channels: int, mechanism: type[Mechanism], condition_width: int):
        super().__init__()
        self.heads = max(h for h in range(1, max(1, channels // HEAD) + 1) if channels % h == 0)
        self.qkv = mechanism(nn.Conv2d(channels, 3 * channels, 1), condition_width)
        self.attended = nn.Conv2d(channels, channels, 1)
        self.widen = mechanism(nn.Conv2d(channels, 4 * channels, 1), condition_width)
        self.narrow = nn.Conv2d(4 * channels, channels, 1)
        nn.init.zeros_(self.attended.weight)
        nn.init.zeros_(self.narrow.weight)

    def forward(self, x: Tokens, c: Encoded) -> Tokens:
        """The same shape as x."""
        x = x + self.attended(self._attention(self.qkv(_norm(x), c)))
        return x + self.narrow(gelu(self.widen(_norm(x), c), approximate="tanh"))

    def _attention(self, qkv: Float[Tensor, "batch three row column"]) -> Tokens:
        batch, _, rows, columns = qkv.shape
        parts = qkv.permute(0, 2, 3, 1).reshape(batch, rows * columns, 3, self.heads, -1)
        found = attention(*parts.permute(2, 0, 3, 1, 4))
        return found.transpose(1, 2).reshape(batch, rows, columns, -1).permute(0, 3, 1, 2)


class Transformer(nn.Module):
    """Images [batch, channel, height, width] to outputs of the same shape, under a condition."""

    def __init__(
        self,
        shape: ImageShape,
        *,
        mechanism: type[Mechanism],
        condition_width: int,
        channels: int = 128,
        depth: int = 6,
        patch: int | None = None,
    ):
        super().__init__()
        image_channels, height, width = shape
        self.patch = patch or patch_size(height, width)
        if height % self.patch or width % self.patch:
            raise ValueError(f"image sides must be divisible by {self.patch}, not {height}×{width}; resize (`size`)")
        if channels % HEAD and channels > HEAD:
            raise ValueError(f"a transformer's channels must be a multiple of {HEAD}, not {channels}")
        pixels = image_channels * self.patch**2
        self.stem = mechanism(nn.Conv2d(pixels, channels, 1), condition_width)
        self.place = nn.Parameter(0.02 * torch.randn(channels, height // self.patch, width // self.patch))
        self.blocks = nn.ModuleList(TransformerBlock(channels, mechanism, condition_width) for _ in range(depth))
        self.out = nn.Conv2d(channels, pixels, 1)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)  # type: ignore[arg-type]

    def forward(
        self, x: Float[Tensor, "batch channel height width"], c: Encoded
    ) -> Float[Tensor, "batch channel height width"]:
        """The outputs for images x under condition c. Zero at the start of training."""
        x = self.stem(pixel_unshuffle(x, self.patch), c) + self.place
        for block in self.blocks:
            x = block(x, c)
        return pixel_shuffle(self.out(_norm(x)), self.patch)


def attention(q: Heads, k: Heads, v: Heads) -> Heads:
    """softmax(q kᵀ/√d) v.

    Written out for bf16 on a CPU, where PyTorch's own kernel takes seven times as long to go back.
    """
    if q.device.type == "cpu" and q.dtype is torch.bfloat16:
        return (q * q.shape[3] ** -0.5 @ k.transpose(2, 3)).softmax(3) @ v
    return scaled_dot_product_attention(q, k, v)


def _norm(x: Tokens) -> Tokens:
    """Layer norm of each token, without parameters."""
    return layer_norm(x.permute(0, 2, 3, 1), (x.shape[1],)).permute(0, 3, 1, 2)
