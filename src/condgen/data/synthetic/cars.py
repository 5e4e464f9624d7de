"""Cars from the side, drawn from simple parts.

Every part lies between two profiles, which are heights above the ground along the picture. Its coverage of each pixel
is exact, except that a pixel is cut into a few columns. Lengths are in pixels of a picture of side 64. Places along a
car are shares of its length from the front.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from condgen.data.synthetic.drawing import Canvas, Draws, Region, gathered, palette, shades
from condgen.data.synthetic.world import Link, World
from condgen.schema import Categorical, Condition, Flag, Schema

_COLORS = ("red", "orange", "yellow", "green", "blue", "purple", "brown", "black", "silver", "white")
_CUTS = 4  # columns per pixel
_SCENES = torch.tensor(  # sky and ground
    [
        [[0.62, 0.80, 0.95], [0.52, 0.53, 0.55]],  # day, road
        [[0.80, 0.90, 0.97], [0.55, 0.70, 0.42]],  # day, meadow
        [[0.97, 0.82, 0.66], [0.60, 0.53, 0.48]],  # evening
        [[0.88, 0.88, 0.88], [0.70, 0.70, 0.70]],  # fog
    ]
)

Pair = tuple[int | float, int | float]
Knots = tuple[Pair, ...]
Profile = Float[Tensor, "n cut size"]


@dataclass(frozen=True)
class Body:
    """The outline of a car that faces left, as knots (place, height).

    hull: the lower body, seven knots.
    roof: five knots, the first and last at the hull.
    glass: beginning and end of the windows.
    pillars: the places between windows.
    """

    length: int | float
    hull: Knots
    roof: Knots
    glass: Pair
    pillars: Pair
    clearance: int | float = 4.0
    wheel: int | float = 5.2
    axles: Pair = (0.19, 0.80)


_LOW_HULL = ((0, 8), (0.02, 11), (0.07, 12.5), (0.3, 14), (0.72, 14.2), (0.97, 14), (1, 8.5))
_SPORTS_HULL = ((0, 7), (0.02, 9), (0.10, 11), (0.34, 12.8), (0.7, 13.2), (0.97, 13.8), (1, 8))
BODIES = {
    "Sedan": Body(
        55, _LOW_HULL, ((0.28, 13.5), (0.41, 22.5), (0.52, 23.2), (0.63, 22.5), (0.79, 14)), (0.28, 0.79), (0.53, 0.53)
    ),
    "Coupe": Body(
        53, _SPORTS_HULL, ((0.34, 12.5), (0.49, 19.6), (0.56, 20.2), (0.66, 19.3), (0.95, 13.5)), (0.34, 0.79), (2, 2)
    ),
    "Convertible": Body(
        53, _SPORTS_HULL, ((0.37, 12.5), (0.44, 19.6), (0.455, 19.6), (0.46, 19), (0.465, 12.5)), (2, 2), (2, 2)
    ),
    "SUV": Body(
        52,
        ((0, 9), (0.01, 14), (0.04, 16.5), (0.24, 18), (0.7, 18), (0.98, 18), (1, 10)),
        ((0.23, 17.5), (0.33, 27.6), (0.6, 28.2), (0.93, 27.8), (0.98, 17.5)),
        (0.23, 0.96),
        (0.50, 0.73),
        6.0,
        6.4,
        (0.2, 0.79),
    ),
    "Pickup": Body(
        60,
        ((0, 9), (0.01, 14), (0.04, 16), (0.26, 17), (0.57, 17), (0.99, 17), (1, 9)),
        ((0.25, 16.5), (0.34, 26.3), (0.43, 26.8), (0.525, 26.3), (0.545, 16.5)),
        (0.25, 0.54),
        (0.43, 0.43),
        6.0,
        6.2,
        (0.18, 0.80),
    ),
    "Van": Body(
        57,
        ((0, 9), (0.01, 14), (0.03, 16.5), (0.12, 18.5), (0.7, 18), (0.99, 18), (1, 9)),
        ((0.10, 17.5), (0.24, 30.5), (0.34, 32.4), (0.97, 32.4), (0.995, 17.5)),
        (0.10, 0.36),
        (0.235, 0.235),
        4.5,
        5.2,
        (0.17, 0.80),
    ),
    "Hatchback": Body(
        42,
        ((0, 8), (0.02, 12), (0.07, 13.5), (0.24, 15), (0.72, 15.5), (0.98, 15), (1, 8.5)),
        ((0.20, 14.5), (0.38, 24.5), (0.58, 25), (0.82, 23.5), (0.98, 15)),
        (0.2, 0.96),
        (0.60, 0.60),
        4.0,
        5.2,
        (0.2, 0.80),
    ),
    "Wagon": Body(
        59, _LOW_HULL, ((0.27, 13.5), (0.39, 22.3), (0.6, 23), (0.92, 22), (0.985, 14)), (0.27, 0.97), (0.50, 0.72)
    ),
}


def _table(field: str) -> Float[Tensor, "body ..."]:
    return torch.tensor([getattr(body, field) for body in BODIES.values()], dtype=torch.float32)


class Cars(World):
    """A car on a plain road. Its proportions, wheels, glass and surroundings vary freely."""

    name = "cars"
    slow = True
    schema = Schema(
        attributes=(
            Categorical(name="color", values=_COLORS, aliases={"gray": "silver", "grey": "silver"}),
            Categorical(name="body", values=tuple(BODIES), aliases={"estate": "Wagon", "sports car": "Coupe"}),
            Categorical(name="direction", values=("left", "right")),
            Flag(name="stripe", synonyms=("striped",)),
            Flag(name="lights", synonyms=("headlights",)),
        )
    )
    links = (Link("body", "color", dict(zip(BODIES, _COLORS, strict=False))),)

    def __init__(self, size: int = 64):
        super().__init__(size)

    def _draw(self, condition: Condition, draws: Draws) -> UInt8[Tensor, "n 3 height width"]:
        codes = condition.values
        x = _Car(codes["body"], draws, self.size).painted(codes, draws)
        mirrored = codes["direction"][:, None, None, None] == 1
        return torch.where(mirrored, x.flip(3), x)


class _Car:
    """The parts of a batch of cars, each a coverage [n, size, size]."""

    def __init__(self, body: Float[Tensor, " n"], draws: Draws, size: int):
        self.size, self.unit = size, size / 64
        self.body = body
        self.length = gathered(_table("length"), body) * draws.between(0.95, 1.03)
        self.start = (64 - self.length) / 2 + draws.between(-1.5, 1.5)
        self.ground = draws.between(12, 17)  # height of the ground above the picture's bottom edge
        self.tall = draws.between(0.95, 1.05)
        self.wheel = gathered(_table("wheel"), body) * draws.between(0.93, 1.05)
        self.clearance = gathered(_table("clearance"), body)
        cuts = (torch.arange(_CUTS) + 0.5) / _CUTS
        self.x = (torch.arange(size)[None, :] + cuts[:, None]) / self.unit  # [cut, size]
        self.y = 64 - torch.arange(size + 1) / self.unit  # edges of rows, above the picture's bottom edge

    def painted(self, codes: Mapping[str, Tensor], draws: Draws) -> UInt8[Tensor, "n 3 size size"]:
        """The cars in their surroundings, facing left."""
        paint = shades(gathered(palette(_COLORS), codes["color"]), draws, hue=0.03, light=0.1)
        scene = gathered(_SCENES, draws.among(len(_SCENES)))
        canvas = Canvas(shades(scene[:, 0], draws, light=0.08), self.size)
        self._surroundings(canvas, shades(scene[:, 1], draws, light=0.08), draws)
        self._beam(canvas, codes["lights"])
        self._shell(canvas, paint, draws)
        self._trim(canvas, paint, codes)
        self._wheels(canvas, draws)
        return canvas.finished()

    def _surroundings(self, canvas: Canvas, ground: Float[Tensor, "n 3"], draws: Draws) -> None:
        """A horizon behind the car and its shadow beneath."""
        horizon = draws.between(3, 9)
        flat = torch.zeros_like(self.x).expand(len(ground), -1, -1)
        canvas.paint(ground, self._between(flat - 64, flat + horizon[:, None, None]))
        canvas.paint(ground * 0.55, self._between(*self._disc(self._place(0.5), 0.5, self.length * 0.5, flatness=0.05)))

    def _beam(self, canvas: Canvas, lights: Float[Tensor, " n"]) -> None:
        """Light in front of cars with headlights on."""
        near, far = self._place(0.03), self._place(0.03) - 14
        share = (near[:, None, None] - self.x) / 14
        lit = (share >= 0) & (self.x > far[:, None, None])
        level = gathered(_table("hull"), self.body)[:, 1, 1][:, None, None] - 1
        top = torch.where(lit, level + 1 + 2 * share, level)
        bottom = torch.where(lit, level - 1 - 6 * share, level)
        canvas.paint(_one_colour(lights, 1.0, 0.97, 0.55), self._between(bottom, top).where(lights * 0.85))

    def _shell(self, canvas: Canvas, paint: Float[Tensor, "n 3"], draws: Draws) -> None:
        """Hull and roof in the car's colour, darker towards the ground, with glass, and with seats if there
        is no roof.
        """
        hull, roof = self._profile("hull"), self._profile("roof")
        floor = self.clearance[:, None, None].expand_as(hull)
        open_top = (self.body == list(BODIES).index("Convertible")).float()
        self._seats(canvas, open_top)
        canvas.paint(paint, self._between(floor, roof))
        canvas.paint(paint, self._between(floor, hull))
        canvas.paint(paint * 0.62, self._between(floor, torch.minimum(hull, floor + 2.5)))
        belt = gathered(_table("hull"), self.body)[:, 4, 1] * self.tall
        glass = _one_colour(open_top, 0.30, 0.40, 0.48) * draws.between(0.6, 1.1)[:, None]
        sill = (belt[:, None, None] + 0.6).expand_as(roof)
        canvas.paint(glass, self._between(sill, torch.where(self._glazed(), roof - 1.8, sill)))
        self._doors(canvas, paint, belt)

    def _seats(self, canvas: Canvas, open_top: Float[Tensor, " n"]) -> None:
        for place in (0.56, 0.67):
            seat = self._between(*self._disc(self._place(place), 14.5, self.length * 0 + 2.4, flatness=1.2))
            canvas.paint(_one_colour(open_top, 0.22, 0.16, 0.13), seat.where(open_top))

    def _doors(self, canvas: Canvas, paint: Float[Tensor, "n 3"], belt: Float[Tensor, " n"]) -> None:
        """Thin seams below the pillars, and a handle."""
        pillars = gathered(_table("pillars"), self.body)
        for place in pillars.unbind(1):
            seam = (self.x - self._place(place)[:, None, None]).abs() < 0.4
            canvas.paint(paint * 0.55, self._box(self.clearance + 2.5, belt, seam))

    def _glazed(self) -> Bool[Tensor, "n cut size"]:
        """The columns with windows."""
        first, last = (self._place(place)[:, None, None] for place in gathered(_table("glass"), self.body).unbind(1))
        glazed = (self.x > first) & (self.x < last)
        for place in gathered(_table("pillars"), self.body).unbind(1):
            glazed = glazed & ((self.x - self._place(place)[:, None, None]).abs() > 0.9)
        return glazed

    def _trim(self, canvas: Canvas, paint: Float[Tensor, "n 3"], codes: Mapping[str, Tensor]) -> None:
        """Lamps at both ends, and the stripe along the side if there is one."""
        level = gathered(_table("hull"), self.body)[:, 1, 1] - 0.5
        on = codes["lights"][:, None]
        along = (self.x - self.start[:, None, None]) / self.length[:, None, None]
        lamp = on * _one_colour(on[:, 0], 1.0, 0.98, 0.6) + (1 - on) * _one_colour(on[:, 0], 0.80, 0.82, 0.84)
        canvas.paint(lamp, self._box(level - 2.2, level, (along > 0.012) & (along < 0.06)))
        tail = self._box(level - 1.8, level + 1.2, (along > 0.955) & (along < 0.988))
        canvas.paint(_one_colour(on[:, 0], 0.70, 0.05, 0.06), tail)
        stripe = torch.where(paint.mean(1, keepdim=True) > 0.55, 0.08, 0.97).expand(-1, 3)
        middle = (self.clearance + level) / 2 + 1
        box = self._box(middle - 0.2, middle + 1.7, (along > 0.02) & (along < 0.98))
        canvas.paint(stripe, box.where(codes["stripe"]))

    def _wheels(self, canvas: Canvas, draws: Draws) -> None:
        """Two wheels in their arches."""
        rim, grey = draws.between(0.45, 0.68), draws.between(0.62, 0.9)
        arch, tyre = torch.full_like(rim, 0.05), torch.full_like(rim, 0.14)
        for place in gathered(_table("axles"), self.body).unbind(1):
            for radius, tone in ((self.wheel + 1, arch), (self.wheel, tyre), (self.wheel * rim, grey)):
                bottom, top = self._disc(self._place(place), self.wheel, radius)
                canvas.paint(tone[:, None].expand(-1, 3), self._between(bottom.clamp(min=0), top))

    def _place(self, share: Float[Tensor, " n"] | int | float) -> Float[Tensor, " n"]:
        """The position in the picture of a place along the car."""
        return self.start + share * self.length

    def _profile(self, part: str) -> Profile:
        """Heights of the upper edge of a part of the body, with rounded corners."""
        knots = gathered(_table(part), self.body)
        x = self.start[:, None] + knots[:, :, 0] * self.length[:, None]
        height = knots[:, :, 1] * self.tall[:, None]
        return (_heights(self.x - 0.7, x, height) + _heights(self.x, x, height) + _heights(self.x + 0.7, x, height)) / 3

    def _disc(
        self,
        x: Float[Tensor, " n"],
        y: Float[Tensor, " n"] | int | float,
        radius: Float[Tensor, " n"],
        flatness: int | float = 1.0,
    ) -> tuple[Profile, Profile]:
        """Lower and upper edge of a disc, or of an ellipse if flatness is not one."""
        level = (y + 0 * x)[:, None, None]
        apart = self.x - x[:, None, None]
        half = (radius[:, None, None].square() - apart * apart).clamp(min=0).sqrt() * flatness
        return level - half, level + half

    def _box(
        self, bottom: Float[Tensor, " n"], top: Float[Tensor, " n"], columns: Bool[Tensor, "n cut size"]
    ) -> Region:
        """A rectangle over the given columns."""
        low = bottom[:, None, None].expand(columns.shape)
        return self._between(low, torch.where(columns, top[:, None, None], low))

    def _between(self, bottom: Profile, top: Profile) -> Region:
        """The share of each pixel between two profiles, which are heights above the ground."""
        bottom, top = (p + self.ground[:, None, None] for p in (bottom, top))
        rows, columns = self._extent(bottom, top)
        below, above = (edge[rows, None] for edge in (self.y[1:], self.y[:-1]))
        total = torch.zeros(len(top), len(below), columns.stop - columns.start)
        for low, high in zip(bottom[:, :, columns].unbind(1), top[:, :, columns].unbind(1), strict=True):
            total += (torch.minimum(above, high[:, None]) - torch.maximum(below, low[:, None])).clamp_(min=0)
        return Region(total * (self.unit / _CUTS), rows, columns)

    def _extent(self, bottom: Profile, top: Profile) -> tuple[slice, slice]:
        """The rows and columns that contain everything between the profiles, for all images of the batch."""
        thick = top > bottom
        columns = thick.any(1).any(0).nonzero()[:, 0].tolist()
        if not columns:
            return slice(0, 0), slice(0, 0)
        highest, lowest = top[thick].max().item(), bottom[thick].min().item()
        first, last = (int((64 - height) * self.unit) for height in (highest, lowest))
        return slice(max(first, 0), min(last + 1, self.size)), slice(columns[0], columns[-1] + 1)


def _heights(at: Float[Tensor, "cut size"], x: Float[Tensor, "n knot"], height: Float[Tensor, "n knot"]) -> Profile:
    """Piecewise linear heights between knots. Zero before the first and after the last."""
    out = height[:, :1, None] + torch.zeros_like(at)
    for k in range(x.shape[1] - 1):
        step = x[:, k + 1] - x[:, k]
        slope = (height[:, k + 1] - height[:, k]) / step
        travelled = torch.minimum((at - x[:, k, None, None]).clamp(min=0), step[:, None, None])
        out = out + slope[:, None, None] * travelled
    covered = (at >= x[:, :1, None]) & (at <= x[:, -1:, None])
    return torch.where(covered, out, 0.0)


def _one_colour(like: Float[Tensor, " n"], red: float, green: float, blue: float) -> Float[Tensor, "n 3"]:
    """The same colour for all images."""
    return torch.tensor([red, green, blue]).expand(len(like), 3)
