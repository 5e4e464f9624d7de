"""Layout of charts: the positions of ticks, lines and points. `templates/charts.html` draws them as SVG."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Number = int | float

WIDTH, HEIGHT = 320, 190  # size of a chart in its own units, about pixels on a phone
LEFT, RIGHT, TOP, BOTTOM = 44, 304, 10, 164  # the area of lines
SIDE = 304  # side of the calibration's square
POINTS = 160  # largest number of points in a line; longer series are averaged
VALIDATION = "validation/"
MAIN = ("loss", "diversity", "condition_effect")  # the most important curves; the others are folded away


@dataclass(frozen=True)
class Scale:
    """An axis that maps numbers from `low` to `high` to positions from `start` to `end`."""

    low: Number
    high: Number
    start: Number
    end: Number

    def __call__(self, value: Number) -> float:
        """The position of a number, to a tenth of a unit."""
        share = (value - self.low) / (self.high - self.low)
        return round(self.start + share * (self.end - self.start), 1)

    @property
    def ticks(self) -> list[float]:
        """Three to six round numbers on the axis."""
        step = _round_step((self.high - self.low) / 4)
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        return [k * step for k in range(first, last + 1)]

    def label(self, tick: Number) -> str:
        """A tick as text, with as many decimals as its neighbours need."""
        step = _round_step((self.high - self.low) / 4)
        if max(abs(self.low), abs(self.high)) >= 10_000:
            return _abbreviated(tick)
        return f"{tick:.{max(0, -math.floor(math.log10(step) + 1e-9))}f}".replace("-", "−")


def _round_step(least: float) -> float:
    """The smallest of 1, 2, 5, 10, … times a power of ten that is at least `least`."""
    power = 10.0 ** math.floor(math.log10(least))
    return next(k * power for k in (1, 2, 5, 10) if k * power >= least * (1 - 1e-9))


def _abbreviated(value: Number) -> str:
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.3g}{letter}".replace("-", "−")
    return f"{value:.3g}"


def scale(values: Sequence[Number], start: Number, end: Number, rounded: bool = False) -> Scale:
    """The axis for these numbers. It starts at zero if that takes little room.

    rounded: extend it to round numbers.
    """
    low, high = min(values), max(values)
    if 0 <= low < high / 2:
        low = 0
    if high - low <= 1e-9 * max(abs(high), 1e-9):
        low, high = low - (abs(low) or 1) / 2, high + (abs(high) or 1) / 2
    if rounded:
        step = _round_step((high - low) / 4)
        low, high = math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step
    return Scale(low, high, start, end)


@dataclass(frozen=True)
class Line:
    """One series: points (x, y), finite and in order."""

    name: str
    points: tuple[tuple[Number, Number], ...]

    @property
    def last(self) -> Number:
        """Its last value."""
        return self.points[-1][1]


@dataclass(frozen=True)
class LineChart:
    """Series over one axis, and places on it to mark."""

    title: str
    lines: tuple[Line, ...]
    marks: tuple[Number, ...] = ()

    @property
    def main(self) -> bool:
        """Whether it is among the most important charts."""
        return self.title.rsplit("/")[-1] in MAIN

    @property
    def x(self) -> Scale:
        """The horizontal axis."""
        return scale([0, *(x for line in self.lines for x, _ in line.points), *self.marks], LEFT, RIGHT)

    @property
    def y(self) -> Scale:
        """The vertical axis, upwards."""
        return scale([y for line in self.lines for _, y in line.points], BOTTOM, TOP, rounded=True)

    def path(self, line: Line) -> str:
        """The `points` of an SVG polyline."""
        return " ".join(f"{self.x(x):g},{self.y(y):g}" for x, y in line.points)


def line_charts(log: Sequence[Mapping[str, Any]]) -> list[LineChart]:
    """A chart for every name in a training log, with its validation series and a mark at every warning.

    log: entries with "images" and either numbers by name or a "warning". Numbers that are not finite are left out.
    """
    series: dict[str, dict[str, list[tuple[Number, Number]]]] = {}
    for entry in log:
        for name, value in entry.items():
            if name not in ("images", "warning") and math.isfinite(value):
                kind = "validation" if name.startswith(VALIDATION) else "training"
                found = series.setdefault(name.removeprefix(VALIDATION), {})
                found.setdefault(kind, []).append((entry["images"], value))
    marks = tuple(sorted({entry["images"] for entry in log if "warning" in entry}))
    return [
        LineChart(title, tuple(Line(kind, _thinned(points)) for kind, points in found.items()), marks)
        for title, found in series.items()
    ]


def _thinned(points: list[tuple[Number, Number]]) -> tuple[tuple[Number, Number], ...]:
    """At most POINTS points, each the mean of a group of neighbours."""
    size = math.ceil(len(points) / POINTS)
    groups = [points[k : k + size] for k in range(0, len(points), size)]
    return tuple((sum(x for x, _ in g) / len(g), sum(y for _, y in g) / len(g)) for g in groups)


@dataclass(frozen=True)
class Square:
    """Readings against requests, with equal axes, so that the diagonal is ideal."""

    x: Scale
    y: Scale


def square(values: Sequence[Number]) -> Square:
    """Axes for these numbers."""
    x = scale(values, LEFT, SIDE, rounded=True)
    return Square(x, Scale(x.low, x.high, SIDE - LEFT + TOP, TOP))
