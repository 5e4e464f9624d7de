"""Drawing in batches: regions with exact or signed-distance coverage, painted one over the other.

Pixels are computed only with operations that round identically in every batch (no sines, no fused sums), so that an
image does not depend on its neighbours.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

COLORS: Mapping[str, tuple[float, float, float]] = {
    "red": (0.82, 0.12, 0.13),
    "orange": (0.96, 0.52, 0.08),
    "yellow": (0.98, 0.85, 0.14),
    "lime": (0.62, 0.94, 0.12),
    "green": (0.13, 0.58, 0.22),
    "cyan": (0.15, 0.78, 0.82),
    "blue": (0.13, 0.27, 0.80),
    "purple": (0.50, 0.18, 0.66),
    "pink": (0.98, 0.50, 0.72),
    "brown": (0.43, 0.26, 0.13),
    "black": (0.10, 0.10, 0.12),
    "gray": (0.50, 0.50, 0.52),
    "silver": (0.66, 0.68, 0.71),
    "white": (0.95, 0.95, 0.95),
}


class Draws:
    """Uniform random numbers per image, drawn column by column."""

    def __init__(self, numbers: Float[Tensor, "n draw"]):
        self._columns = iter(numbers.unbind(1))

    def between(self, low: int | float, high: int | float) -> Float[Tensor, " n"]:
        """Numbers in [low, high)."""
        return next(self._columns) * (high - low) + low

    def among(self, count: int) -> Float[Tensor, " n"]:
        """Random codes 0 … count − 1."""
        return (next(self._columns) * count).floor().clamp(max=count - 1)


@dataclass(frozen=True)
class Region:
    """The covered share of each pixel within a rectangle of the picture. Nothing is covered outside."""

    coverage: Float[Tensor, "n row column"]
    rows: slice
    columns: slice

    def where(self, share: Float[Tensor, " n"]) -> "Region":
        """The region with its coverage scaled, per image, by a share from 0 to 1."""
        return Region(self.coverage * share[:, None, None], self.rows, self.columns)


class Canvas:
    """Square images [n, 3, size, size], painted region by region."""

    def __init__(self, background: Float[Tensor, "n 3"], size: int):
        self.x = background[:, :, None, None].repeat(1, 1, size, size)

    def paint(self, color: Float[Tensor, "n 3"], region: Region) -> None:
        """Paint a colour over a region."""
        below = self.x[:, :, region.rows, region.columns]
        below += (color[:, :, None, None] - below).mul_(region.coverage[:, None])

    def finished(self) -> UInt8[Tensor, "n 3 size size"]:
        """The images as bytes."""
        return (self.x * 255).round().clamp(0, 255).to(torch.uint8)


def palette(names: Sequence[str]) -> Float[Tensor, "color 3"]:
    """The named colours, red, green and blue in [0, 1]."""
    return torch.tensor([COLORS[name] for name in names])


def shades(colors: Float[Tensor, "n 3"], draws: Draws, hue: float = 0.04, light: float = 0.12) -> Float[Tensor, "n 3"]:
    """Variations of colours that keep their names: another tint, slightly less light."""
    tint = torch.stack([draws.between(-hue, hue) for _ in range(3)], dim=1)
    return (colors * draws.between(1 - light, 1)[:, None] + tint).clamp(0, 1)


def gathered(table: Float[Tensor, "code ..."], codes: Float[Tensor, " n"]) -> Float[Tensor, "n ..."]:
    """The row of a table for each code."""
    return table[codes.long()]


def inside(distance: Float[Tensor, "n size size"], pixel: Float[Tensor, " n"]) -> Region:
    """The region with negative signed distance, antialiased. `pixel` is a pixel's side in the distance's unit."""
    coverage = (0.5 - distance / pixel[:, None, None]).clamp(0, 1)
    return Region(coverage, slice(None), slice(None))
