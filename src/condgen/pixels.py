"""Pixels as levels of 8 bits, as data holds them, and as numbers in [0, 1], as models take them."""

import torch
from jaxtyping import Float, Shaped
from torch import Tensor


def as_float(x: Shaped[Tensor, "batch ..."]) -> Float[Tensor, "batch ..."]:
    """Observations in the form for models: uint8 images as numbers in [0, 1], vectors unchanged."""
    return x.float() / 255 if x.dtype == torch.uint8 else x.float()


def as_uint8(x: Float[Tensor, "batch ..."]) -> Shaped[Tensor, "batch ..."]:
    """Images in [0, 1] as uint8, rounded to the nearest level."""
    return (x * 255).round().clamp(0, 255).to(torch.uint8)
