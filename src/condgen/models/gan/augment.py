"""Differentiable augmentation: the critic sees real and generated images through the same random changes.

Zhao et al. 2020. With few images a critic learns them by heart; changed at random, they are never the same twice, and
the generator still gets gradients through the change. Each change is made to an image with a `chance` below one, so
that the unchanged images remain the commonest and nothing of it leaks into what is generated (Karras et al. 2020).
"""

from collections.abc import Callable
from typing import Annotated, Literal

import torch
from jaxtyping import Float, Int
from pydantic import Field
from torch import Tensor, nn

from condgen.models.backbones import IMAGES
from condgen.parameters import Listed, Needs, Setting
from condgen.shifting import Images, seen, shifted


def translation(x: Images, share: float = 0.125) -> Images:
    """Moved by up to `share` of the side each way; what comes in is black."""
    down, right = (_drawn(len(x), size, share, x.device) for size in x.shape[2:])
    return shifted(x, down, right) * seen(x, down, right)


def _drawn(n: int, size: int, share: float, device: torch.device) -> Int[Tensor, " n"]:
    """By how many pixels each of n axes is moved."""
    most = max(round(size * share), 1)
    return -torch.randint(-most, most + 1, (n, 1), device=device)[:, 0]


def affine(x: Images, angle: float = 0.25, stretch: float = 0.2, shear: float = 0.3) -> Images:
    """Turned by up to `angle` radians, stretched along each axis and sheared by up to these shares; black outside."""
    turn, slant, *scales = (2 * torch.rand(4, len(x), device=x.device) - 1).unbind(0)
    cos, sin = (angle * turn).cos(), (angle * turn).sin()
    wide, high = ((stretch * s).exp() for s in scales)
    ratio = x.shape[2] / x.shape[3]  # grids run from −1 to 1 along both axes, however long these are
    rows = [torch.stack([wide * cos, ratio * (shear * slant - sin)], 1), torch.stack([sin / ratio, high * cos], 1)]
    matrix = torch.cat([torch.stack(rows, 1), x.new_zeros(len(x), 2, 1)], dim=2)
    grid = nn.functional.affine_grid(matrix, list(x.shape), align_corners=False)
    return nn.functional.grid_sample(x, grid.to(x.dtype), align_corners=False)


def cutout(x: Images, share: float = 0.4) -> Images:
    """A black rectangle of `share` of each side, anywhere, also half outside."""
    n, _, height, width = x.shape
    rows, columns = _covered(n, height, share, x.device), _covered(n, width, share, x.device)
    return x * ~(rows[:, None, :, None] & columns[:, None, None, :])


def _covered(n: int, size: int, share: float, device: torch.device) -> Tensor:
    """Whether each position of n axes is covered by a random interval, [n, size]."""
    centre = torch.rand(n, 1, device=device) * size
    return (torch.arange(size, device=device) + 0.5 - centre).abs() <= share * size / 2


def color(x: Images) -> Images:
    """Brightness moved by up to a half, contrast (and saturation of colour images) scaled by up to a half."""
    brightness, contrast, saturation = (torch.rand(3, len(x), 1, 1, 1, device=x.device, dtype=x.dtype) - 0.5).unbind(0)
    x = x + brightness
    grey = x.mean(1, keepdim=True)
    x = grey + (x - grey) * (1 + 2 * saturation)
    middle = x.mean((1, 2, 3), keepdim=True)
    return middle + (x - middle) * (1 + contrast)


AUGMENTATIONS: dict[str, Callable[[Images], Images]] = {
    "translation": translation,
    "affine": affine,
    "cutout": cutout,
    "color": color,
}


class Augment(nn.Module):
    """The named changes in turn, each made to every image with the same `chance`; vectors are left alone."""

    def __init__(
        self,
        names: Annotated[
            tuple[Literal["translation", "affine", "cutout", "color"], ...],
            Listed,
            Setting("Random changes of the images that the critic sees, for a few thousand images.", name="augment"),
            IMAGES,
        ] = (),
        chance: Annotated[
            float,
            Field(ge=0, lt=1),
            Setting("Chance of each change.", name="augment_chance"),
            Needs(augment=("translation",)),
        ] = 0.7,
    ):
        super().__init__()
        self.names = names
        self.chance = chance

    def forward(self, x: Float[Tensor, "batch ..."]) -> Float[Tensor, "batch ..."]:
        """Images [batch, channel, height, width], each with its own random changes."""
        for name in self.names if x.dim() == 4 else ():
            chosen = torch.rand(len(x), 1, 1, 1, device=x.device) < self.chance
            x = torch.where(chosen, AUGMENTATIONS[name](x), x)
        return x
