"""The report as one self-contained HTML file.

The numbers are in the report. This module turns them into words, tables and pictures.
"""

import math
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from condgen.evaluation.measure import Evaluation
from condgen.evaluation.metrics.attribute_obedience import AttributeObedience
from condgen.evaluation.metrics.counterfactuals import Leakage
from condgen.evaluation.metrics.edits import Edited
from condgen.evaluation.metrics.estimate import Estimate
from condgen.evaluation.metrics.registry import METRICS
from condgen.evaluation.report import Report
from condgen.files import write_text
from condgen.pages import charts
from condgen.pages.html import Number, Sheet, fill, number, percent
from condgen.pages.sheets import sheets_of

FILE = "report.html"
# Results with fixed places in the template.
PLACED = (
    "obedience",
    "extremes",
    "rare",
    "asked",
    "fidelity",
    "artefacts",
    "memorisation",
    "critic",
    "usefulness",
    "edits",
    "latents",
)
MAX_VALUES = 30  # largest number of values for a readable confusion matrix
MAX_PAIRS = 20  # pairs of values listed instead of a matrix


def save(evaluation: Evaluation, folder: Path) -> Path:
    """Write report.json and report.html into a folder, and return the path of the page. Raises RunError."""
    evaluation.report.save(folder)
    return write_text(folder / FILE, render(evaluation.report, sheets_of(evaluation), evaluation.log))


def render(report: Report, sheets: Mapping[str, Sheet], curves: Sequence[Mapping[str, Any]]) -> str:
    """The whole page as HTML, including its pictures.

    sheets: "requests", "mistakes", "traversals" and "nearest" have fixed places. Others follow the traversals.
    curves: the entries of the run's log.jsonl.

    Parts that are empty, or None in the report, are left out.
    """
    return fill(
        "report.html",
        measured,
        shlex.quote,
        report=report,
        sheets={name: sheet for name, sheet in sheets.items() if sheet.rows},
        curves=charts.line_charts(curves),
        alarms=[entry for entry in curves if "warning" in entry],
        charts=charts,
        track=track,
        confusion=confusion,
        confused_pairs=confused_pairs,
        leaks=leaks,
        asdict=asdict,
        MAX_VALUES=MAX_VALUES,
        others=list(other_results(report)),
    )


def measured(value: Estimate | Number | None, attribute: AttributeObedience | Edited) -> str:
    """The result of an attribute as text: a share, or an error in the attribute's own unit."""
    return f"off by {number(value)}" if attribute.measured else percent(value)


@dataclass(frozen=True)
class OtherResult:
    """The result of a metric without a fixed place on the page: its numbers by name."""

    name: str
    title: str
    about: str
    numbers: dict[str, Any]


def other_results(report: Report) -> Iterator[OtherResult]:
    """The results of other packages' metrics. A metric that is not installed keeps its name in the report."""
    for name, result in asdict(report)["results"].items():
        if name not in PLACED and result is not None:
            title, about = (METRICS[name].title, METRICS[name].about) if name in METRICS else (name, "")
            numbers = _readable(result)
            yield OtherResult(name, title, about, numbers if isinstance(numbers, dict) else {name: numbers})


def _readable(content: Any) -> Any:
    """The content as plain data, with estimates written out."""
    if isinstance(content, dict):
        whole = content.keys() == {"value", "low", "high"}
        return number(Estimate(**content)) if whole else {name: _readable(part) for name, part in content.items()}
    return [_readable(part) for part in content] if isinstance(content, list | tuple) else content


# ---- what the templates draw


@dataclass(frozen=True)
class Track:
    """Positions, in percent of the width, of a result with its interval between bad (left) and good (right)."""

    value: float
    low: float
    high: float
    real: float | None
    chance: float | None


def track(
    value: Estimate, real: Estimate | None = None, chance: Number | None = None, error: bool = False
) -> Track | None:
    """A track for shares from 0 to 1, or for errors from the largest one down to 0. None if there is no number."""
    numbers = [value.value, value.low, value.high, real.value if real else None, chance]
    known = [n for n in numbers if n is not None and math.isfinite(n)]
    if not math.isfinite(value.value):
        return None
    worst, best = (max(*known, 1e-12), 0.0) if error else (0.0, 1.0)

    def place(n: Number) -> float:
        return round(_clamped((n - worst) / (best - worst)) * 100, 2)

    def mark(n: Number | None) -> float | None:
        return None if n is None or not math.isfinite(n) else place(n)

    low, high = sorted(place(end if math.isfinite(end) else value.value) for end in (value.low, value.high))
    return Track(place(value.value), low, high, mark(real.value) if real else None, mark(chance))


def _clamped(share: Number) -> float:
    return float(min(max(share, 0), 1))


@dataclass(frozen=True)
class ConfusionCell:
    """Frequency with which one value was read for another: as a count, as a share of the requests, and in real data."""

    n: int
    share: float
    real: float | None


def confusion(attribute: AttributeObedience) -> list[tuple[str, int, list[ConfusionCell]]]:
    """For each value its name, the number of requests for it, and its row of the confusion matrix."""
    n = len(attribute.choices)
    real: Sequence[Sequence[float | None]] = [_shares(row) for row in attribute.real_confusion] or [[None] * n] * n
    return [
        (name, sum(row), [ConfusionCell(*cell) for cell in zip(row, _shares(row), beside, strict=True)])
        for name, row, beside in zip(attribute.choices, attribute.confusion, real, strict=True)
    ]


def _shares(row: Sequence[int]) -> list[float]:
    return [n / max(sum(row), 1) for n in row]


def confused_pairs(attribute: AttributeObedience) -> list[tuple[str, str, ConfusionCell]]:
    """The values most often read instead of others: (asked, read, cell)."""
    pairs = [
        (asked, read, cell)
        for asked, _, cells in confusion(attribute)
        for read, cell in zip(attribute.choices, cells, strict=True)
        if read != asked and cell.n
    ]
    return sorted(pairs, key=lambda pair: -pair[2].n)[:MAX_PAIRS]


def leaks(leakage: Leakage) -> list[tuple[str, list[tuple[float, float, float]]]]:
    """For each attribute that is requested differently: its name, and (changed, changed in the data, excess) for all
    attributes.

    The excess of the attribute itself is 0, since its change is intended.
    """
    return [
        (name, [(c, d, 0.0 if k == j else _clamped(c - d)) for j, (c, d) in enumerate(zip(changed, data, strict=True))])
        for k, (name, changed, data) in enumerate(zip(leakage.names, leakage.changed, leakage.data, strict=True))
    ]
