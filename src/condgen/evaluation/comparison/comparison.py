"""Comparisons: one table of many reports, with a row per setting and mean ± standard deviation over its seeds.

Only numbers measured by one protocol are compared. A row is called the best only if the difference is beyond noise.
"""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from statistics import fmean, mean, stdev
from typing import Any

from scipy.stats import ttest_ind_from_stats

from condgen.errors import RequestError
from condgen.evaluation.comparison.columns import Place, Quantity, Values
from condgen.evaluation.metrics.registry import METRICS, measured
from condgen.evaluation.protocol import MeasuringProtocol
from condgen.evaluation.report import Report
from condgen.messages import call

LEVEL = 0.05  # largest probability of a chance difference that counts as beyond noise
NO_SETTING = ("seed", "checkpoint_seconds")  # fields of TrainingConfig that do not distinguish rows
EVERYWHERE = ("model", "mechanism", "prior", "images", "seconds")  # settings that rows of different models share
BARE = ("model", "mechanism", "prior")  # settings shown by their value alone
SAMPLED = "sampled with "  # prefix of sampling options among the settings
# Parts of a protocol that are arguments of evaluation.
TOLD = ("samples", "labels", "features", "pairs", "useful", "seed")


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

    Raises RequestError if there is nothing to compare, if protocols differ (see `must_match`), or if two runs are the
    same one.
    """
    if not reports:
        raise RequestError(" ".join(["There is no report to compare.", *(_said(f) for f in failures)]))
    must_match(reports)
    grouped: dict[str, list[Report | Failure]] = {}
    members: list[Report | Failure] = [*reports, *failures]
    for each in members:
        grouped.setdefault(as_saved(settings(each)), []).append(each)
    described = [settings(alike[0]) for alike in grouped.values()]
    rows = [_row(*pair) for pair in zip(labels(described), grouped.values(), strict=True)]
    quantities = _quantities(reports)
    return Comparison(reports[0].protocol, quantities, tuple(_with_best(rows, quantities)), _common(described))


def must_match(reports: Sequence[Report]) -> None:
    """Raise RequestError if protocols differ, with the difference, the value of each run, and the way to mend it."""
    differing = {f.name: by for f in fields(MeasuringProtocol) if len(by := _by_value(reports, f.name)) > 1}
    if not differing:
        return
    parts = [f"{name} is {_versus(by)}" for name, by in differing.items()]
    wanted = reports[0].protocol
    wrong = [_path(r) for r in reports if r.protocol != wanted]
    raise RequestError(
        f"These runs were not measured by the same protocol, so their numbers cannot be compared: {'; '.join(parts)}. "
        f"Measure them like {_path(reports[0])}: {_mending(wanted, list(differing), wrong)}."
    )


def _by_value(reports: Sequence[Report], name: str) -> dict[str, list[str]]:
    """The runs, grouped by their value of a part of the protocol."""
    by: dict[str, list[str]] = {}
    for report in reports:
        by.setdefault(text(getattr(report.protocol, name)), []).append(_path(report))
    return by


def _versus(by: Mapping[str, Sequence[str]]) -> str:
    return " but ".join(f"{value} for {', '.join(runs)}" for value, runs in by.items())


def _mending(wanted: MeasuringProtocol, differing: Sequence[str], runs: Sequence[str]) -> str:
    """Advice about differing parts of a protocol."""
    told = {name: _short(getattr(wanted, name)) for name in TOLD if name in differing}
    advice = call("evaluate", "RUN" if len(runs) > 1 else runs[0], **told)
    advice += f" for each of {', '.join(runs)}" if len(runs) > 1 else ""
    if {"reference", "held_out", "judge"} & set(differing):
        advice += ", on the same data and by the same judge"
    return advice


def settings(of: Report | Failure) -> dict[str, Any]:
    """The settings that define a run's row: model, arguments, training except the seed, data, and sampling."""
    run = of.run
    training = {k: v for k, v in run["training"].items() if k not in NO_SETTING}
    data = {k: run["data"].get(k) for k in ("fingerprint", "teacher") if run["data"].get(k)}
    sampled = {SAMPLED + k: v for k, v in of.sampling.items() if v is not None}
    return {"model": run["model"], **run["arguments"], **training, **sampled, **data}


def labels(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """A short name for each row's settings: differences between rows of its model, and settings that all models have.

    With one row, or if nothing else identifies a row, its model.
    """
    return [_label(row, rows) for row in rows]


def _label(row: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> str:
    family = [each for each in rows if each["model"] == row["model"]]
    shown = [
        _setting(name, value)
        for name, value in row.items()
        if value is not None
        and (
            _varies(name, family)
            or (name in EVERYWHERE and _varies(name, [each for each in rows if name in each]))
            or (name.startswith(SAMPLED) and _varies(name, rows))
        )
    ]
    return " · ".join(shown) or str(row["model"])


def _varies(name: str, rows: Iterable[Mapping[str, Any]]) -> bool:
    return len({as_saved(row.get(name)) for row in rows}) > 1


def _setting(name: str, value: object) -> str:
    return str(value) if name in BARE else f"{name.removeprefix(SAMPLED)}={text(value)}"


def _common(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The settings that all rows share."""
    return {k: v for k, v in rows[0].items() if all(k in row for row in rows) and not _varies(k, rows)}


def _row(label: str, members: Sequence[Report | Failure]) -> TableRow:
    """The row of runs that differ in their seeds. Raises RequestError if they do not differ at all."""
    reports = [each for each in members if isinstance(each, Report)]
    _must_be_independent(label, reports)
    values = [{q.name: v for group in groups(each).values() for q, v in group.items()} for each in reports]
    names = dict.fromkeys(name for each in values for name in each)
    return TableRow(
        label,
        settings(members[0]),
        tuple(_seed(each) for each in reports),
        tuple(_path(each) for each in reports),
        tuple(_said(each) for each in members if isinstance(each, Failure)),
        {name: TableCell.of([each[name] for each in values if name in each]) for name in names},
    )


def _must_be_independent(label: str, reports: Sequence[Report]) -> None:
    """Raise RequestError for duplicate runs, whose zero spread would make any difference look certain."""
    runs: dict[int, str] = {}
    for report in reports:
        if (seed := _seed(report)) in runs:
            raise RequestError(
                f"{runs[seed]} and {_path(report)} ({label}) have the same settings and the same seed, {seed}: "
                "they are one run, not two. Leave one of them out, or train with another seed (`seed`)."
            )
        runs[seed] = _path(report)


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

    Welch's t-test of the highest mean against each other row, with Holm's correction for their number: all hypotheses
    are rejected if the i-th smallest of m p-values is below level / (m − i + 1) for every i (Holm 1979). Rows with one
    seed say nothing about noise, so there is no winner then.
    """
    if len(scores) < 2 or min(map(len, scores)) < 2:
        return None
    best = max(range(len(scores)), key=lambda k: fmean(scores[k]))
    chances = sorted(chance(scores[best], other) for k, other in enumerate(scores) if k != best)
    return best if all(p * (len(chances) - i) < LEVEL for i, p in enumerate(chances)) else None


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
    content = {"recipe": content.pop("protocol")} | content | {"undecided": [q.name for q in comparison.undecided]}
    return json.dumps(content, indent=2, ensure_ascii=False, default=str)


def text(value: object) -> str:
    """A setting as text for people."""
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else _short(value)


def _path(report: Report) -> str:
    return str(report.run["path"])


def _seed(of: Report | Failure) -> int:
    return int(of.run["training"]["seed"])


def _said(failure: Failure) -> str:
    return f"{Path(failure.run['path']).name} failed: {failure.reason}"


def as_saved(value: object) -> str:
    """A text that is equal for values that are equal after a round trip through JSON."""
    return json.dumps(value, sort_keys=True, default=str)


def _short(value: object) -> str:
    """A setting without thousands separators, so that it can be entered again."""
    if isinstance(value, tuple | list):
        return ",".join(map(_short, value))
    return f"{value:g}" if isinstance(value, float) else str(value)
