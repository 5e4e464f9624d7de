"""Coloured shapes, drawn from signed distance functions.

The distances are those of Inigo Quilez, "2D distance functions" (https://iquilezles.org/articles/distfunctions2d/), for
shapes that reach one unit from their centre. `u` points right and `v` down.
"""

import math
from collections.abc import Callable, Mapping

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from condgen.data.synthetic.drawing import Canvas, Draws, Region, gathered, inside, palette, shades
from condgen.data.synthetic.world import Link, World
from condgen.schema import Categorical, Condition, Continuous, Flag, Schema

Field = Float[Tensor, "n size size"]
Distance = Callable[[Field, Field], Field]

_BACKGROUNDS = ("white", "gray", "black")
_COLORS = ("red", "orange", "yellow", "green", "cyan", "blue", "purple", "pink")


def circle(u: Field, v: Field) -> Field:
    """Distance to a circle."""
    return _length(u, v) - 0.9


def ring(u: Field, v: Field) -> Field:
    """Distance to a ring."""
    return (_length(u, v) - 0.72).abs() - 0.22


def square(u: Field, v: Field) -> Field:
    """Distance to a square."""
    return torch.maximum(u.abs(), v.abs()) - 0.75


def triangle(u: Field, v: Field) -> Field:
    """Distance to an equilateral triangle that points up."""
    return torch.maximum(u.abs() * math.cos(math.pi / 6) - v * 0.5, v) - 0.5


def hexagon(u: Field, v: Field) -> Field:
    """Distance to a regular hexagon."""
    return torch.maximum(u.abs() * math.cos(math.pi / 6) + v.abs() * 0.5, v.abs()) - 0.8


def star(u: Field, v: Field) -> Field:
    """Distance to a star of five points: the plane is folded at its axes until one edge remains."""
    cos, sin = math.cos(math.pi / 5), math.sin(math.pi / 5)
    x, y = u.abs(), -v
    for side in (1, -1):
        beyond = 2 * (side * x * cos - y * sin).clamp(min=0)
        x, y = x - side * beyond * cos, y + beyond * sin
    x, y = x.abs(), y - 1
    edge_x, edge_y = 0.45 * sin, 0.45 * cos - 1
    along = ((x * edge_x + y * edge_y) / (edge_x**2 + edge_y**2)).clamp(0, 1)
    outside = torch.where(y * edge_x - x * edge_y > 0, 1.0, -1.0)
    return _length(x - edge_x * along, y - edge_y * along) * outside


def cross(u: Field, v: Field) -> Field:
    """Distance to an upright cross."""
    x, y = u.abs(), v.abs()
    return torch.maximum(torch.minimum(x, y) - 0.3, torch.maximum(x, y) - 0.92)


def heart(u: Field, v: Field) -> Field:
    """Distance to a heart."""
    scale = 0.62
    x, y = u.abs() * scale, 0.55 - v * scale
    lobe = _length(x - 0.25, y - 0.75) - math.sqrt(2) / 4
    diagonal = (x + y).clamp(min=0) / 2
    nearest = torch.minimum(_length(x, y - 1), _length(x - diagonal, y - diagonal))
    return torch.where(x + y > 1, lobe, torch.where(x > y, nearest, -nearest)) / scale


def _length(u: Field, v: Field) -> Field:
    return (u * u + v * v).sqrt()


SHAPES: Mapping[str, Distance] = {
    "circle": circle,
    "ring": ring,
    "square": square,
    "triangle": triangle,
    "hexagon": hexagon,
    "star": star,
    "cross": cross,
    "heart": heart,
}


class Shapes(World):
    """One coloured shape on a plain background. Rotation, tint and light vary freely.

    `size` is the shape's diameter and `x`, `y` its centre, as shares of the picture's side from the top left.
    """

    name = "shapes"
    schema = Schema(
        attributes=(
            Categorical(name="shape", values=tuple(SHAPES)),
            Categorical(name="color", values=_COLORS),
            Continuous(name="size", low=0.35, high=0.65),
            Continuous(name="x", low=0.35, high=0.65),
            Continuous(name="y", low=0.35, high=0.65),
            Categorical(name="background", values=_BACKGROUNDS),
            Flag(name="striped"),
        )
    )
    links = (Link("shape", "color", dict(zip(SHAPES, _COLORS, strict=True))),)

    def __init__(self, size: int = 32):
        super().__init__(size)

    def _draw(self, condition: Condition, draws: Draws) -> UInt8[Tensor, "n 3 height width"]:
        codes = condition.values
        angle = draws.between(-0.3, 0.3)
        color = shades(gathered(palette(_COLORS), codes["color"]), draws)
        canvas = Canvas(shades(gathered(palette(_BACKGROUNDS), codes["background"]), draws, hue=0.02), self.size)
        u, v = self._frame(codes, angle)
        pixel = 2 / (self.size * codes["size"])
        region = inside(_distance(codes["shape"], u, v), pixel)
        canvas.paint(color, region)
        stripes = inside((v * 1.6 - (v * 1.6).floor() - 0.5).abs() / 1.6 - 0.25 / 1.6, pixel)
        striped = Region(region.coverage * stripes.coverage, region.rows, region.columns)
        canvas.paint(color * 0.4, striped.where(codes["striped"]))
        return canvas.finished()

    def _frame(self, codes: Mapping[str, Tensor], angle: Float[Tensor, " n"]) -> tuple[Field, Field]:
        """Each pixel's coordinates in the rotated frame of its image's shape, which has radius one."""
        line = (torch.arange(self.size) + 0.5) / self.size
        dx = ((line - codes["x"][:, None]) / (codes["size"][:, None] / 2))[:, None, :]
        dy = ((line - codes["y"][:, None]) / (codes["size"][:, None] / 2))[:, :, None]
        cos, sin = (f(angle.double()).float()[:, None, None] for f in (torch.cos, torch.sin))
        return dx * cos + dy * sin, dy * cos - dx * sin


def _distance(shape: Float[Tensor, " n"], u: Field, v: Field) -> Field:
    """Distances to each image's own shape."""
    out = torch.empty_like(u)
    for code, distance in enumerate(SHAPES.values()):
        chosen = shape == code
        if chosen.any():
            out[chosen] = distance(u[chosen], v[chosen])
    return out
