"""Comparisons: one table of many reports, with a row per setting and mean ± standard deviation over its seeds.

Only numbers measured by one protocol are compared. A row is called the best only if the difference is beyond noise.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import takewhile
from pathlib import Path
from statistics import fmean, mean, stdev
from typing import Any

from scipy.stats import ttest_ind_from_stats

from condgen.errors import RequestError
from condgen.evaluation.comparison.agreement import must_agree
from condgen.evaluation.comparison.columns import Place, Quantity, Values
from condgen.evaluation.comparison.settings import as_saved, common, labels, must_differ, seed_of, settings
from condgen.evaluation.metrics.registry import METRICS, measured
from condgen.evaluation.protocol import MeasuringProtocol
from condgen.evaluation.report import Report

LEVEL = 0.05  # largest probability of a chance difference that counts as beyond noise


@dataclass(frozen=True)
class Failure:
    """A run without a report: its identity, as in `Report.run`, and the reason for its failure."""

    run: dict[str, Any]
    reason: str
    sampling: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class TableCell:
    """A quantity over the seeds of a row. sd: None for one seed. best: better than every other row beyond noise."""

    values: tuple[float, ...]
    mean: float
    sd: float | None
    best: bool = False

    @classmethod
    def of(cls, values: Sequence[float]) -> "TableCell":
        """The cell of these values."""
        return cls(tuple(values), fmean(values), stdev(values) if len(values) > 1 else None)


@dataclass(frozen=True)
class Standing:
    """The rows of one quantity beside the one with the best mean, by their labels.

    worse: beyond noise.
    even: within noise.
    """

    quantity: Quantity
    leader: str
    worse: tuple[str, ...]
    even: tuple[str, ...]


@dataclass(frozen=True)
class TableRow:
    """Runs that differ in their seeds only.

    seeds, runs: of the measured runs.
    failed: one sentence for each run without a report.
    cells: by the quantity's name.
    """

    label: str
    settings: dict[str, Any]
    seeds: tuple[int, ...]
    runs: tuple[str, ...]
    failed: tuple[str, ...]
    cells: dict[str, TableCell]

    @property
    def title(self) -> str:
        """The label, after the folder's name if the row is of one run."""
        one = len(self.runs) == 1 and not self.failed
        return f"{Path(self.runs[0]).name} · {self.label}" if one else self.label

    def own(self, common: Mapping[str, Any]) -> dict[str, Any]:
        """The settings that differ between rows."""
        return {name: value for name, value in self.settings.items() if name not in common}


@dataclass(frozen=True)
class Comparison:
    """Rows by settings, columns by quantities. common: the settings that all rows share."""

    protocol: MeasuringProtocol
    quantities: tuple[Quantity, ...]
    rows: tuple[TableRow, ...]
    common: dict[str, Any]
    format: int = 1

    def shown(self, where: Place) -> list[Quantity]:
        """The columns to show in this place."""
        return [q for q in self.quantities if q.where in ("terminal", where)]

    @property
    def standings(self) -> list[Standing]:
        """The standing in every quantity that at least two rows have for several seeds."""
        return [standing for q in self.quantities if q.better and (standing := self._standing(q))]

    def _standing(self, q: Quantity) -> Standing | None:
        rows = [row for row in self.rows if q.name in row.cells and len(row.cells[q.name].values) > 1]
        if len(rows) < 2:
            return None
        leader, losers = ranked([[q.score(v) for v in row.cells[q.name].values] for row in rows])
        names = [row.label for row in rows]
        others = [k for k in range(len(names)) if k != leader]
        worse, even = (tuple(names[k] for k in others if (k in losers) is lost) for lost in (True, False))
        return Standing(q, names[leader], worse, even)

    @property
    def undecided(self) -> list[Quantity]:
        """The quantities that several rows have and in which none is best."""
        found = []
        for q in self.quantities:
            cells = [row.cells[q.name] for row in self.rows if q.name in row.cells]
            if q.better and len(cells) > 1 and not any(cell.best for cell in cells):
                found.append(q)
        return found


def compare(reports: Sequence[Report], failures: Sequence[Failure] = ()) -> Comparison:
    """The comparison of runs measured by the same protocol. Runs that differ in their seed only form one row.

    Raises RequestError if there is nothing to compare, if protocols differ (see `must_agree`), or if two runs are the
    same one.
    """
    if not reports:
        raise RequestError(" ".join(["There is no report to compare.", *(_said(f) for f in failures)]))
    must_agree({_path(report): report.protocol for report in reports})
    must_differ(reports)
    grouped: dict[str, list[Report | Failure]] = {}
    members: list[Report | Failure] = [*reports, *failures]
    for each in members:
        grouped.setdefault(as_saved(settings(each)), []).append(each)
    described = [settings(alike[0]) for alike in grouped.values()]
    rows = [_row(*pair) for pair in zip(labels(described), grouped.values(), strict=True)]
    quantities = _quantities(reports)
    return Comparison(reports[0].protocol, quantities, tuple(_with_best(rows, quantities)), common(described))


def _row(label: str, members: Sequence[Report | Failure]) -> TableRow:
    """The row of runs that differ in their seeds. Raises RequestError if they do not differ at all."""
    reports = [each for each in members if isinstance(each, Report)]
    values = [{q.name: v for group in groups(each).values() for q, v in group.items()} for each in reports]
    names = dict.fromkeys(name for each in values for name in each)
    return TableRow(
        label,
        settings(members[0]),
        tuple(seed_of(each) for each in reports),
        tuple(_path(each) for each in reports),
        tuple(_said(each) for each in members if isinstance(each, Failure)),
        {name: TableCell.of([each[name] for each in values if name in each]) for name in names},
    )


def groups(report: Report) -> dict[str, Values]:
    """The quantities of a report by metric, and the cost of training. Unknown values are left out."""
    found = {metric.name: metric.columns(result, report.results) for metric, result in measured(report.results)}
    found["cost"] = _cost(report.run)
    return {name: {q: float(v) for q, v in group.items() if math.isfinite(v)} for name, group in found.items()}


def _cost(run: Mapping[str, Any]) -> Values:
    """The cost of training, which is not a merit but helps to read the rest."""
    return {
        Quantity("images", "images", "", "terminal", "count"): run["images"],
        Quantity("seconds", "seconds", "", "page", "count"): run["seconds"],
    }


def _quantities(reports: Sequence[Report]) -> tuple[Quantity, ...]:
    """All quantities of any report, metric by metric."""
    every = [groups(report) for report in reports]
    names = [*METRICS, "cost"]
    return tuple(dict.fromkeys(q for name in names for found in every for q in found.get(name, ())))


def _with_best(rows: Sequence[TableRow], quantities: Sequence[Quantity]) -> list[TableRow]:
    """The rows, with the best cell of every quantity marked if there is one."""
    cells = [dict(row.cells) for row in rows]
    for q in quantities:
        having = [row for row in cells if q.name in row]
        best = winner([[q.score(v) for v in row[q.name].values] for row in having]) if q.better else None
        if best is not None:
            having[best][q.name] = replace(having[best][q.name], best=True)
    return [replace(row, cells=found) for row, found in zip(rows, cells, strict=True)]


def winner(scores: Sequence[Sequence[float]]) -> int | None:
    """The row whose scores are higher than those of every other row beyond noise, or None.

    Rows with one seed say nothing about noise, so there is no winner then.
    """
    if len(scores) < 2 or min(map(len, scores)) < 2:
        return None
    best, losers = ranked(scores)
    return best if len(losers) == len(scores) - 1 else None


def ranked(scores: Sequence[Sequence[float]]) -> tuple[int, set[int]]:
    """The row with the highest mean, and the rows that are lower beyond noise.

    Welch's t-test of the highest mean against each other row, with Holm's correction for their number: the hypotheses
    of the smallest p-values are rejected as long as the i-th smallest of m is below level / (m − i + 1) (Holm 1979).
    """
    best = max(range(len(scores)), key=lambda k: fmean(scores[k]))
    chances = sorted((chance(scores[best], other), k) for k, other in enumerate(scores) if k != best)
    beyond = takewhile(lambda found: found[1][0] * (len(chances) - found[0]) < LEVEL, enumerate(chances))
    return best, {k for _, (_, k) in beyond}


def chance(a: Sequence[float], b: Sequence[float]) -> float:
    """The probability that samples of one distribution differ at least this much, by Welch's t-test (Welch 1947).

    If neither sample varies, t has no scale. Then it is the share of all divisions of the values that separate them.
    """
    if len(set(a)) == len(set(b)) == 1:
        return 1.0 if a[0] == b[0] else 2 / math.comb(len(a) + len(b), len(a))
    moments = (mean(a), stdev(a), len(a), mean(b), stdev(b), len(b))  # exact moments: equal values have zero spread
    return float(ttest_ind_from_stats(*moments, equal_var=False).pvalue)


def dumps(comparison: Comparison) -> str:
    """JSON with every quantity, the values of every seed, all settings, and the protocol as `recipe`."""
    content = asdict(comparison)
    content = (
        {"recipe": content.pop("protocol")}
        | content
        | {
            "undecided": [q.name for q in comparison.undecided],
            "standings": {s.quantity.name: _as_words(s) for s in comparison.standings},
        }
    )
    return json.dumps(content, indent=2, ensure_ascii=False, default=str)


def _as_words(standing: Standing) -> dict[str, Any]:
    return {"best": standing.leader, "worse beyond noise": standing.worse, "within noise": standing.even}


def _path(report: Report) -> str:
    return str(report.run["path"])


def _said(failure: Failure) -> str:
    return f"{Path(failure.run['path']).name} failed: {failure.reason}"
