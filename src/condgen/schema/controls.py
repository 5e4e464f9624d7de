"""The data behind a control for an attribute: a choice, a switch, a slider with a histogram."""

import re
from dataclasses import dataclass

BINS = 24  # of a histogram
SAME = "mg g kg lb mm cm m km mph px ms s min h seconds minutes hours days weeks months years"
OTHERS = {"deg": "°", "degrees": "°", "pct": "%", "percent": "%", "kmh": "km/h", "eur": "€", "usd": "$", "gbp": "£"}
UNITS = {unit: unit for unit in SAME.split()} | OTHERS
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z][a-z])")
_BETWEEN_WORDS = re.compile(r"[_\s]+|(?<=\w)-(?=\w)")
_BRACKETS = re.compile(r"\s*[(\[]([^()\[\]]+)[)\]]\s*$")


@dataclass(frozen=True)
class Control:
    """The values that can be chosen, and how often the data has them.

    counts: of each named value, in the order of their codes. Empty for measured attributes.
    low, high: ends of a range of numbers. None for others.
    log: whether the range is logarithmic.
    whole: whether the data has whole numbers only.
    edges, heights: of the bins of a histogram, one edge more than heights. Empty without data.
    size: length of a row of numbers. None for others.
    """

    counts: tuple[int, ...] = ()
    low: float | None = None
    high: float | None = None
    log: bool = False
    whole: bool = False
    edges: tuple[float, ...] = ()
    heights: tuple[int, ...] = ()
    size: int | None = None


def readable(name: str) -> str:
    """A name as people write it: `Mouth_Slightly_Open` is `Mouth slightly open`."""
    first, *rest = _BETWEEN_WORDS.sub(" ", _HUMP.sub(" ", name)).split() or [name]
    return " ".join([first[:1].upper() + first[1:], *(word if word.isupper() else word.lower() for word in rest)])


def label_and_unit(name: str) -> tuple[str, str]:
    """A measured attribute's readable name without its unit, and the unit: `weight_kg` is Weight in kg."""
    if found := _BRACKETS.search(name):
        return readable(name[: found.start()]), found[1].strip()
    stem, between, last = name.replace(" ", "_").rpartition("_")
    if between and last.casefold() in UNITS:
        return readable(stem), UNITS[last.casefold()]
    return readable(name), ""
