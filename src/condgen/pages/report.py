"""The report as a page: one HTML file that needs nothing but itself, for people.

What is measured is in the report; here it is only put into words, tables and pictures. The templates do most of that:
`base.html` is the frame of every page, `parts.html` and `charts.html` are what pages are made of.
"""

import base64
import io
import math
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import jinja2
from PIL import Image

from condgen.evaluation.metrics.estimate import Estimate
from condgen.pages import charts

if TYPE_CHECKING:
    from condgen.evaluation.metrics.counterfactuals import Leakage
    from condgen.evaluation.metrics.edits import Edited
    from condgen.evaluation.metrics.obedience import AttributeObedience
    from condgen.evaluation.report import Report

Number = int | float

SMALL = 64  # pixels: the least side at which a picture is shown; smaller ones are enlarged without smoothing
LARGE = 224  # pixels: the longest side of a picture in the page; what is larger is scaled down
MOST_VALUES = 30  # of an attribute, for a confusion matrix that can still be read
MOST_PAIRS = 20  # of values, listed where there is no such matrix
NOTHING = "–"
SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


@dataclass(frozen=True)
class Picture:
    """An image for the page and what is written under it."""

    image: Image.Image
    caption: str = ""


@dataclass(frozen=True)
class Sheet:
    """Pictures in labelled rows under one title; the note says what is to be seen."""

    title: str
    note: str
    rows: tuple[tuple[str, tuple[Picture, ...]], ...]


def render(report: "Report", sheets: Mapping[str, Sheet], curves: Sequence[Mapping[str, Any]]) -> str:
    """The whole page as HTML, pictures included.

    sheets: "requests", "mistakes", "traversals" and "nearest" have their places; any others come after the traversals.
    curves: the entries of the run's log.jsonl. What is empty, or None in the report, is left out.
    """
    return (
        environment()
        .get_template("report.html")
        .render(
            report=report,
            sheets={name: sheet for name, sheet in sheets.items() if sheet.rows},
            curves=charts.line_charts(curves),
            alarms=[entry for entry in curves if "warning" in entry],
        )
    )


@cache
def environment() -> jinja2.Environment:
    """The templates and all they may call. Whatever comes from data is escaped."""
    env = jinja2.Environment(
        loader=jinja2.PackageLoader("condgen.pages"),
        extensions=["jinja2.ext.do"],
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters: list[Callable[..., Any]] = [percent, whole, number, count, duration, measured, data_uri, shown_size]
    parts: list[Callable[..., Any]] = [track, confusion, confused_pairs, leaks, asdict]
    env.filters |= {each.__name__: each for each in filters} | {"quoted": shlex.quote}
    env.globals |= {each.__name__: each for each in parts} | {"MOST_VALUES": MOST_VALUES, "charts": charts}
    return env


# ---- numbers


def percent(value: Estimate | Number | None) -> str:
    """A share in percent, with its interval if it has one: 98.2 % (97.6–98.7)."""
    return _written(value, lambda share: f"{100 * share:.1f}".replace("-", "−"), "\u202f%")


def whole(share: Number) -> str:
    """A share in whole percent, without the sign, for dense tables: 98, or <1."""
    return "<1" if 0 < share < 0.005 else f"{100 * share:.0f}"


def number(value: Estimate | Number | None) -> str:
    """A number to three digits, with its interval if it has one: 3.14 (3.10–3.18)."""
    return _written(value, _three_digits)


def _written(value: Estimate | Number | None, write: Callable[[Number], str], unit: str = "") -> str:
    if not isinstance(value, Estimate):
        return NOTHING if value is None or not math.isfinite(value) else write(value) + unit
    if not math.isfinite(value.value) or not math.isfinite(value.high - value.low):
        return _written(value.value, write, unit)
    return f"{write(value.value)}{unit} ({write(value.low)}–{write(value.high)})"


def _three_digits(value: Number) -> str:
    if value != 0 and not 1e-4 <= abs(value) < 1e5:
        digits, exponent = f"{value:.1e}".split("e")
        return f"{digits}·10{str(int(exponent)).translate(SUPERSCRIPT)}".replace("-", "−")
    return (
        f"{value:#.3g}".rstrip(".").replace("-", "−") if abs(value) < 1000 else f"{value:,.0f}".replace(",", "\u202f")
    )


def count(n: Number) -> str:
    """A number of things, in groups of three digits."""
    return f"{round(n):,}".replace(",", "\u202f")


def duration(seconds: Number) -> str:
    """A time in the two largest units that it has: 3 min 20 s."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes >= 60:
        return f"{minutes // 60} h {minutes % 60} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def measured(value: Estimate | Number | None, attribute: "AttributeObedience | Edited") -> str:
    """What is said of an attribute: a share, or an error in the attribute's own unit."""
    return f"off by {number(value)}" if attribute.kind == "continuous" else percent(value)


# ---- what the templates draw


@dataclass(frozen=True)
class Track:
    """Positions, in percent of the width, of a result with its interval between what is bad (left) and good (right)."""

    value: float
    low: float
    high: float
    real: float | None
    chance: float | None


def track(
    value: Estimate, real: Estimate | None = None, chance: Number | None = None, error: bool = False
) -> Track | None:
    """Shares run from 0 to 1; errors run backwards, from the largest at hand to 0. None where there is no number."""
    numbers = [value.value, value.low, value.high, real.value if real else None, chance]
    known = [n for n in numbers if n is not None and math.isfinite(n)]
    if not math.isfinite(value.value):
        return None
    worst, best = (max(*known, 1e-12), 0.0) if error else (0.0, 1.0)

    def place(n: Number | None) -> float | None:
        return None if n is None or not math.isfinite(n) else round(_clamped((n - worst) / (best - worst)) * 100, 2)

    dot, *ends = (place(n) for n in (value.value, value.low, value.high))
    low, high = sorted(dot if end is None else end for end in ends)  # type: ignore[type-var]
    return Track(dot, low, high, place(real.value) if real else None, place(chance))  # type: ignore[arg-type]


def _clamped(share: Number) -> float:
    return float(min(max(share, 0), 1))


@dataclass(frozen=True)
class Cell:
    """How often one value was read where another was asked: as a number, as a share of the asked, and in real data."""

    n: int
    share: float
    real: float | None


def confusion(attribute: "AttributeObedience") -> list[tuple[str, int, list[Cell]]]:
    """Per value: its name, how often it was asked for, and its row of the confusion matrix."""
    n = len(attribute.choices)
    real: Sequence[Sequence[float | None]] = [_shares(row) for row in attribute.real_confusion] or [[None] * n] * n
    return [
        (name, sum(row), [Cell(*cell) for cell in zip(row, _shares(row), beside, strict=True)])
        for name, row, beside in zip(attribute.choices, attribute.confusion, real, strict=True)
    ]


def _shares(row: Sequence[int]) -> list[float]:
    return [n / max(sum(row), 1) for n in row]


def confused_pairs(attribute: "AttributeObedience") -> list[tuple[str, str, Cell]]:
    """The values most often read in the place of others: (asked, read, cell)."""
    pairs = [
        (asked, read, cell)
        for asked, _, cells in confusion(attribute)
        for read, cell in zip(attribute.choices, cells, strict=True)
        if read != asked and cell.n
    ]
    return sorted(pairs, key=lambda pair: -pair[2].n)[:MOST_PAIRS]


def leaks(leakage: "Leakage") -> list[tuple[str, list[tuple[float, float, float]]]]:
    """Per attribute that is asked differently: its name, and (changed, changed in the data, excess) of every attribute.

    The excess of an attribute itself is no leak but the point, so it is 0.
    """
    return [
        (name, [(c, d, 0.0 if k == j else _clamped(c - d)) for j, (c, d) in enumerate(zip(changed, data, strict=True))])
        for k, (name, changed, data) in enumerate(zip(leakage.names, leakage.changed, leakage.data, strict=True))
    ]


# ---- pictures


def data_uri(image: Image.Image) -> str:
    """A picture as a PNG inside the page, no larger than it is shown on a sharp screen."""
    image = image.copy()
    image.thumbnail((LARGE, LARGE), Image.Resampling.LANCZOS)
    file = io.BytesIO()
    image.save(file, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


def shown_size(image: Image.Image) -> tuple[int, int]:
    """Width and height in the page: tiny pictures a whole number of times their own, large ones at most LARGE."""
    factor = max(1, -(-SMALL // max(image.size))) if max(image.size) < LARGE else LARGE / max(image.size)
    return round(image.width * factor), round(image.height * factor)
