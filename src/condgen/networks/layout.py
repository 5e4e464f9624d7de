"""The order in memory of feature maps, kept along a network and along the way back of its gradients.

Convolutions on most machines are fastest with the channels of a place side by side (channels last). A vector that
becomes feature maps has another order, and so have the gradients of feature maps that became a vector. If they went on
like that, every later layer would mix both orders: operations on single numbers take three times as long then, and
convolutions copy.
"""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import conv2d

Maps = Float[Tensor, "batch channel row column"]


def _format_of(x: Tensor) -> torch.memory_format:
    last = x.is_contiguous(memory_format=torch.channels_last) and not x.is_contiguous()
    return torch.channels_last if last else torch.contiguous_format


class _Ordered(torch.autograd.Function):
    """Maps whose channels are apart in memory, and gradients in the order that they had before."""

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return x.contiguous()

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: Tensor) -> None:
        ctx.before = _format_of(inputs[0])

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return gradient.contiguous(memory_format=ctx.before)

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor) -> Tensor:
        return tangent.contiguous()


def ordered(x: Maps) -> Maps:
    """The same maps, one channel after the other in memory. Gradients go back in the order of x."""
    return _Ordered.apply(x) if x.requires_grad and not x.is_contiguous() else x.contiguous()


def maps(vector: Float[Tensor, "batch value"], shape: tuple[int, int, int], like: nn.Conv2d) -> Maps:
    """Vectors as feature maps [batch, *shape], in the order in memory of the weights of `like`."""
    return vector.view(-1, *shape).contiguous(memory_format=_format_of(like.weight))


class Halving(nn.Conv2d):
    """A dense layer of every 2×2 places: half as many rows and columns.

    Its weights are those of a 1×1 convolution of places folded into channels (pixel_unshuffle). As a 2×2 convolution in
    steps of two it computes the same without a copy of the folded maps.
    """

    def __init__(self, channels: int, outputs: int):
        super().__init__(4 * channels, outputs, 1)

    def forward(self, x: Maps) -> Float[Tensor, "batch output half_row half_column"]:
        """Maps [batch, output, row / 2, column / 2]."""
        return conv2d(x, self.weight.view(self.out_channels, -1, 2, 2), self.bias, stride=2)
