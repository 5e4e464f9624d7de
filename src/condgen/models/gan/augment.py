"""Differentiable augmentation: the critic sees real and generated images through the same random changes.

With few images a critic memorises them (Zhao et al. 2020). Random changes prevent that, and the generator still gets
gradients through them. Each change is made with a `chance` below one, so that unchanged images remain the most common
and the changes do not leak into generated images (Karras et al. 2020).
"""

from collections.abc import Callable
from typing import Annotated, Literal

import torch
from jaxtyping import Float, Int
from pydantic import Field
from torch import Tensor, nn

from condgen.models import together
from condgen.models.backbones import IMAGES
from condgen.parameters import Listed, Needs, Setting
from condgen.shifting import Images, seen, shifted


def translation(x: Images, share: float = 0.125) -> Images:
    """Images moved by up to `share` of the side in each direction. The uncovered border is black."""
    down, right = (_drawn(len(x), size, share, x.device) for size in x.shape[2:])
    return shifted(x, down, right) * seen(x, down, right)


def _drawn(n: int, size: int, share: float, device: torch.device) -> Int[Tensor, " n"]:
    """Random shifts in pixels for n axes."""
    most = max(round(size * share), 1)
    return -together.randint(-most, most + 1, (n, 1), device=device)[:, 0]


def affine(x: Images, angle: float = 0.25, stretch: float = 0.2, shear: float = 0.3) -> Images:
    """Images rotated by up to `angle` radians, stretched along each axis and sheared by up to these shares. Black
    outside.
    """
    turn, slant, *scales = (2 * together.rand(4, len(x), along=1, device=x.device) - 1).unbind(0)
    cos, sin = (angle * turn).cos(), (angle * turn).sin()
    wide, high = ((stretch * s).exp() for s in scales)
    ratio = x.shape[2] / x.shape[3]  # grid coordinates are in [−1, 1] along both axes, whatever the sides
    rows = [torch.stack([wide * cos, ratio * (shear * slant - sin)], 1), torch.stack([sin / ratio, high * cos], 1)]
    matrix = torch.cat([torch.stack(rows, 1), x.new_zeros(len(x), 2, 1)], dim=2)
    exact = torch.promote_types(x.dtype, torch.float32)
    with torch.autocast(x.device.type, enabled=False):  # places in half precision are pixels off in large images
        grid = nn.functional.affine_grid(matrix.to(exact), list(x.shape), align_corners=False)
        return nn.functional.grid_sample(x.to(exact), grid, align_corners=False).to(x.dtype)


def cutout(x: Images, share: float = 0.4) -> Images:
    """Images with a black rectangle of `share` of each side, anywhere, also partly outside."""
    n, _, height, width = x.shape
    rows, columns = _covered(n, height, share, x.device), _covered(n, width, share, x.device)
    return x * ~(rows[:, None, :, None] & columns[:, None, None, :])


def _covered(n: int, size: int, share: float, device: torch.device) -> Tensor:
    """A mask of the positions on n axes that a random interval covers: [n, size]."""
    centre = together.rand(n, 1, device=device) * size
    return (torch.arange(size, device=device) + 0.5 - centre).abs() <= share * size / 2


def color(x: Images) -> Images:
    """Images with brightness changed by up to a half, contrast scaled by 0.5 to 1.5 and saturation by 0 to 2, as in
    DiffAugment (Zhao et al. 2020).
    """
    u = together.rand(3, len(x), 1, 1, 1, along=1, device=x.device, dtype=x.dtype)
    brightness, contrast, saturation = (u - 0.5).unbind(0)
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
    """The named changes in turn, each made to every image with the same `chance`. Vectors are left unchanged."""

    def __init__(
        self,
        names: Annotated[
            tuple[Literal["translation", "affine", "cutout", "color"], ...],
            Listed,
            Setting("Random changes of the critic's images, for data sets of a few thousand images.", name="augment"),
            IMAGES,
        ] = (),
        chance: Annotated[
            float,
            Field(ge=0, lt=1),
            Setting("Probability of each change.", name="augment_chance"),
            Needs(augment=("translation",)),
        ] = 0.7,
    ):
        super().__init__()
        self.names = names
        self.chance = chance

    def forward(self, x: Float[Tensor, "batch ..."]) -> Float[Tensor, "batch ..."]:
        """Images [batch, channel, height, width], each with its own random changes."""
        for name in self.names if x.dim() == 4 else ():
            chosen = together.rand(len(x), 1, 1, 1, device=x.device) < self.chance
            x = torch.where(chosen, AUGMENTATIONS[name](x), x)
        return x
