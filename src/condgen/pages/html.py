"""Pages from templates: one self-contained HTML file each.

`base.html` is the frame of every page, and `parts.html` and `charts.html` are its components. This module provides the
pictures and numbers that all pages show.
"""

import base64
import io
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jinja2
from PIL import Image

from condgen.evaluation.metrics.estimate import Estimate
from condgen.notebook import told
from condgen.units import whole

Number = int | float

SMALL = 64  # smallest side in pixels; smaller pictures are enlarged without smoothing
LARGE = 224  # largest side in pixels; larger pictures are scaled down
NOTHING = "–"
SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


@dataclass(frozen=True)
class Picture:
    """An image for a page, and its caption."""

    image: Image.Image
    caption: str = ""


@dataclass(frozen=True)
class Sheet:
    """Pictures in labelled rows under one title. The note is a hint for the reader."""

    title: str
    note: str
    rows: tuple[tuple[str, tuple[Picture, ...]], ...]


def fill(template: str, *filters: Callable[..., Any], **context: Any) -> str:
    """A page as HTML. All text from data is escaped.

    filters: of this template, besides those of all pages.
    context: its content, and the functions that it calls.
    """
    env = jinja2.Environment(
        loader=jinja2.PackageLoader("condgen.pages"),
        extensions=["jinja2.ext.do"],
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    env.filters |= {each.__name__: each for each in (*FILTERS, *filters)}
    return env.get_template(template).render(context)


# ---- numbers


def percent(value: Estimate | Number | None) -> str:
    """A share in percent, with its interval if it has one: 98.2 % (97.6–98.7)."""
    return _written(value, lambda share: f"{100 * share:.1f}".replace("-", "−"), "\u202f%")


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


def format_count(n: Number) -> str:
    """A count in groups of three digits."""
    return f"{round(n):,}".replace(",", "\u202f")


def format_duration(seconds: Number) -> str:
    """A time in its two largest units: 3 min 20 s."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes >= 60:
        return f"{minutes // 60} h {minutes % 60} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


# ---- pictures


def data_uri(image: Image.Image) -> str:
    """A picture as a PNG inside the page, no larger than its size on a high-resolution screen."""
    image = image.copy()
    image.thumbnail((LARGE, LARGE), Image.Resampling.LANCZOS)
    file = io.BytesIO()
    image.save(file, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


def shown_size(image: Image.Image) -> tuple[int, int]:
    """Width and height in the page. Tiny pictures are enlarged by a whole factor, and large ones reduced to LARGE."""
    factor = max(1, -(-SMALL // max(image.size))) if max(image.size) < LARGE else LARGE / max(image.size)
    return round(image.width * factor), round(image.height * factor)


FILTERS = (told, percent, whole, number, format_count, format_duration, data_uri, shown_size)
