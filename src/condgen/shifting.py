"""Images moved by whole pixels, for all augmentations."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

Images = Float[Tensor, "batch channel height width"]
Pixels = Int[Tensor, " batch"]


def shifted(x: Images, down: Pixels, right: Pixels) -> Images:
    """Every image moved by its own numbers of pixels. The border is repeated outwards."""
    height, width = x.shape[2:]
    rows = _origin(height, down).clamp(0, height - 1)[:, :, None]
    columns = _origin(width, right).clamp(0, width - 1)[:, None, :]
    index = (rows * width + columns)[:, None].expand(-1, x.shape[1], -1, -1)
    return x.flatten(2).gather(2, index.flatten(2)).view(x.shape)


def seen(x: Images, down: Pixels, right: Pixels) -> Bool[Tensor, "batch 1 height width"]:
    """A mask of the pixels of moved images that were in the image before."""
    rows, columns = (_within(size, by) for size, by in zip(x.shape[2:], (down, right), strict=True))
    return rows[:, None, :, None] & columns[:, None, None, :]


def _origin(size: int, by: Pixels) -> Int[Tensor, "batch size"]:
    """The position from which each position of moved axes comes. Outside the axis for new pixels."""
    return torch.arange(size, device=by.device) - by[:, None]


def _within(size: int, by: Pixels) -> Bool[Tensor, "batch size"]:
    origin = _origin(size, by)
    return (origin >= 0) & (origin < size)
