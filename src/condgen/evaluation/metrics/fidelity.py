"""Fidelity and diversity: the distance of samples from real data, and the share of it that they cover, in given
features.

Distances depend on the features and on the number of samples. Each is therefore given with its floor: the same distance
between real data and as many training observations. Samples that look right overall can still ignore their condition,
so everything is measured within each condition too. The features are usually those of condgen's own judge, so none of
this is an FID.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Int, Shaped
from torch import Tensor

from condgen.data import Dataset
from condgen.data.storage.mapped import Mapped
from condgen.errors import RequestError
from condgen.evaluation.comparison.columns import FRECHET, Quantity, Values, Where, ratio
from condgen.evaluation.findings import Evidence, Finding
from condgen.evaluation.judge.features import extract, extractor
from condgen.evaluation.judge.judge import Judge
from condgen.evaluation.metrics.cells import Cells
from condgen.evaluation.metrics.distances import Distances, Features, check_finite, distances, some
from condgen.evaluation.metrics.memorisation import MAX_TWINS, MEMORISATION, Memorisation, copied
from condgen.evaluation.metrics.metric import Measurement, Metric
from condgen.evaluation.metrics.obedience import OBEDIENCE, clearer
from condgen.evaluation.remedies import less_guidance
from condgen.runs.samples import Samples
from condgen.schema import Condition, Schema
from condgen.units import number, percent

MIN_PER_CELL = 10  # smallest number of observations for measuring within a condition
INTRA = ("frechet", "precision", "recall", "coverage")  # quantities averaged over conditions
MIN_DIVERSITY = 0.6  # samples with a smaller diversity relative to real data are too alike
MIN_COVERAGE = 0.7  # at a smaller coverage relative to real data a part is missing
MIN_RECALL = 0.8  # at a smaller recall relative to real data samples are clearly less varied


@dataclass(frozen=True)
class Within:
    """Distances of samples of one condition, and of as many training observations of that condition."""

    condition: str
    made: Distances
    floor: Distances


@dataclass(frozen=True)
class Fidelity:
    """Distances of samples from held-out real data: overall, within each condition, and averaged over conditions.

    features: the feature space of the distances.
    floor: of as many training observations.
    intra_…: unweighted means over the conditions. NaN if nothing could be measured within any.
    """

    features: str
    overall: Distances
    floor: Distances
    within: tuple[Within, ...]
    intra_frechet: float
    intra_frechet_floor: float
    intra_precision: float
    intra_precision_floor: float
    intra_recall: float
    intra_recall_floor: float
    intra_coverage: float
    intra_coverage_floor: float


@dataclass(frozen=True)
class FeatureSet:
    """Features of observations, and the request or label of each.

    x: [n, feature]. Raises RequestError if the counts differ, and DataError if a feature is not a finite number.
    """

    x: Features
    condition: Condition

    def __post_init__(self) -> None:
        if len(self.x) != len(self.condition):
            raise RequestError(
                f"There are features of {len(self.x)} observations but {len(self.condition)} conditions."
            )
        check_finite(self.x)

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, index: Int[Tensor, " m"]) -> "FeatureSet":
        """The observations at these indices."""
        return FeatureSet(self.x[index], self.condition[index])


# ---- all together


def fidelity(made: FeatureSet, real: FeatureSet, floor: FeatureSet, name: str = "judge") -> Fidelity:
    """The fidelity of samples relative to held-out real data, beside that of training data (`floor`).

    Samples and training observations are compared in equal numbers, drawn at random from the larger set. Within a
    condition there are as many real observations as well. Ask for the samples under the real data's own conditions, so
    that the distributions of labels agree.
    name: of the features.
    Conditions are those of `Cells`, and diversity is the spread within them. A condition with fewer than 10
    observations of any kind is not measured.

    Raises RequestError if the sets' attributes or features differ, or if there are too few observations.
    """
    _check_alike(made, real, floor)
    cells = Cells.of(real.condition)
    n = min(len(made), len(floor))
    made_n, floor_n = (part[some(len(part), n)] for part in (made, floor))
    within = _within_cells(cells, made, real, floor)
    return Fidelity(
        features=name,
        overall=_distances_like(cells, made_n, real),
        floor=_distances_like(cells, floor_n, real),
        within=within,
        **{f"intra_{what}": _mean_of(what, [w.made for w in within]) for what in INTRA},
        **{f"intra_{what}_floor": _mean_of(what, [w.floor for w in within]) for what in INTRA},
    )


def fidelity_in_judge_features(judge: Judge, samples: Samples, train: Dataset, test: Dataset) -> Fidelity:
    """The fidelity of samples to test data in the judge's features, with as many training observations as the floor."""
    part = train[some(len(train), len(samples))]
    made, real, floor = (
        FeatureSet(features(judge, x), condition)
        for x, condition in (
            (samples.x, samples.condition),
            (test.observations, test.condition),
            (part.observations, part.condition),
        )
    )
    return fidelity(made, real, floor, "judge")


def features(judge: Judge, x: Shaped[Tensor, "n ..."] | Mapped, batch: int = 500) -> Features:
    """The judge's features of observations (uint8 images too), on the CPU."""
    return judge.read(x, batch).features


def _distances_like(cells: Cells, made: FeatureSet, real: FeatureSet) -> Distances:
    return distances(made.x, real.x, cells=(cells.index(made.condition), cells.index(real.condition)))


def _within_cells(cells: Cells, *sets: FeatureSet) -> tuple[Within, ...]:
    """The distances within each condition of which every set (made, real, floor) has enough observations."""
    indices = [cells.index(part.condition) for part in sets]
    found = []
    for k, name in enumerate(cells.names):
        rows = [(index == k).nonzero()[:, 0] for index in indices]
        n = min(len(row) for row in rows)
        if n >= MIN_PER_CELL:
            made, real, floor = (part.x[row[some(len(row), n)]] for part, row in zip(sets, rows, strict=True))
            found.append(Within(name, distances(made, real), distances(floor, real)))
    return tuple(found)


def _mean_of(what: str, parts: Sequence[Distances]) -> float:
    values: list[float] = [getattr(part, what).value for part in parts]
    return sum(values) / len(values) if values else float("nan")


# ---- what cannot be measured, and what cannot be trusted


def _check_alike(*sets: FeatureSet) -> None:
    if len(widths := {part.x.shape[1] for part in sets}) > 1:
        raise RequestError(
            f"The sets have {' and '.join(map(str, sorted(widths)))} features; only the same features can be compared."
        )
    kinds = [[(a.name, a.kind, getattr(a, "values", ())) for a in part.condition.schema] for part in sets]
    for part, kind in zip(sets, kinds, strict=True):
        if kind != kinds[0]:
            raise RequestError(
                f"The sets are labelled differently, with {', '.join(sets[0].condition.schema.names) or 'nothing'} and "
                f"with {', '.join(part.condition.schema.names) or 'nothing'}; select the same attributes of each."
            )


def too_few(found: Fidelity, real: FeatureSet) -> list[str]:
    """Sentences about the parts of a fidelity that rest on too few observations, with the remedy.

    real: the held-out observations it was measured with.
    """
    return [*_too_few_overall(found, real), *_too_few_within(found, real)]


def _too_few_overall(found: Fidelity, real: FeatureSet) -> list[str]:
    n, width = min(found.overall.n, len(real)), real.x.shape[1]
    counted = f"{found.overall.n:,} samples and {len(real):,} real observations"
    texts = []
    if n < 2 * width:
        texts.append(
            f"Fréchet distances in {width:,} features ({found.features}) were measured between {counted}; with fewer "
            f"than {2 * width:,} of each they are far too large. Compare them with the floor only, or use more."
        )
    if n < 1_000:
        texts.append(
            f"Precision, recall, density and coverage ({found.features}) were measured between {counted}; below 1,000 "
            "of each the manifolds are coarse. Compare them with the floor only, or use more."
        )
    return texts


def _too_few_within(found: Fidelity, real: FeatureSet) -> list[str]:
    names = Cells.of(real.condition).names
    small = [w.condition for w in found.within if w.made.n < 100]
    missing = [name for name in names if name not in {w.condition for w in found.within}]
    texts = []
    if small:
        texts.append(
            f"Fewer than 100 samples were compared within {_in_short(small)} ({found.features}). Read these distances "
            "beside their floor and their interval only, or use more samples and more held-out data."
        )
    if missing:
        texts.append(
            f"Nothing was measured within {_in_short(missing)} ({found.features}): that takes {MIN_PER_CELL} samples, "
            "training and held-out observations each. Ask for samples under the held-out data's own conditions."
        )
    if not names and len(real.condition.schema):
        texts.append(
            f"Nothing was measured within conditions ({found.features}): no combination of "
            f"{', '.join(real.condition.schema.names)} has enough held-out observations. Hold out more data, or choose "
            "fewer attributes."
        )
    return texts


def _in_short(names: Sequence[str], most: int = 3) -> str:
    if len(names) <= most:
        return " and ".join(names)
    return f"{'; '.join(names[:most])} and {len(names) - most} more conditions"


# ---- the metric


class FidelityMetric(Metric[tuple[Fidelity, ...]]):
    """Fidelity and diversity in every requested feature space."""

    name = "fidelity"
    title = "Fidelity and diversity"
    about = "How near do samples come to real data, and how much of it do they cover?"
    result = tuple[Fidelity, ...]

    def first(self, results: Mapping[str, Any]) -> Fidelity | None:
        """The result in the first feature space, or None."""
        return next(iter(self.of(results) or ()), None)

    def measure(self, case: Measurement) -> tuple[Fidelity, ...]:
        """One result per feature space. Distances are of samples under the held-out data's conditions."""
        return tuple(_measured(case, name) for name in case.config.features)

    def lines(self, result: tuple[Fidelity, ...]) -> list[str]:
        """Two lines per feature space."""
        return [line for each in result for line in _lines(each)]

    def findings(self, result: tuple[Fidelity, ...], evidence: Evidence) -> Iterator[Finding]:
        """Samples that are too alike, and parts of the data without similar samples, by the first feature space."""
        return _variety(result[0], evidence)

    def columns(self, result: tuple[Fidelity, ...], results: Mapping[str, Any]) -> Values:
        """Columns named after the features, except for the first feature space, which is shown in terminals."""
        first, *others = result
        return _columns(first) | {
            _of_features(q, each.features): v for each in others for q, v in _columns(each).items()
        }


FIDELITY = FidelityMetric()


def _measured(case: Measurement, name: str) -> Fidelity:
    """Fidelity in one feature space, with warnings about unreliable parts."""
    network = extractor(name, case.judge)
    order = torch.randperm(len(case.data.train), generator=torch.Generator().manual_seed(0))
    parts = (case.samples, case.data.test, case.data.train[order[: len(case.samples)]])
    made, real, floor = (FeatureSet(extract(network, part.observations), _asked(case, part)) for part in parts)
    found = fidelity(made, real, floor, network.name)
    for text in too_few(found, real):
        case.warn(text)
    return found


def _asked(case: Measurement, part: Dataset) -> Condition:
    """The conditions of observations. Empty ones for a model that cannot be asked."""
    return part.condition if case.subject.conditional else Condition.free(Schema(attributes=()), len(part))


def _lines(f: Fidelity) -> list[str]:
    def beside(made: float, floor: float, form: str) -> str:
        return f"{number(made, form)} ({number(floor, form)})"

    within = f"; within conditions {beside(f.intra_frechet, f.intra_frechet_floor, '.3g')}" if f.within else ""
    shares = (f"{what} {beside(*_pair(f, what), '.2f')}" for what in ("precision", "recall", "coverage"))
    return [
        f"Fréchet distance ({f.features} features) {beside(*_pair(f, 'frechet'), '.3g')}{within}; in brackets, other "
        "real data",
        ", ".join(shares),
    ]


def _pair(f: Fidelity, what: str) -> tuple[float, float]:
    """A distance of samples, and of other real data."""
    return getattr(f.overall, what).value, getattr(f.floor, what).value


def _columns(f: Fidelity) -> Values:
    made, floor = f.overall, f.floor
    return {
        FRECHET: ratio(made.frechet.value, floor.frechet.value),
        Quantity("frechet", "Fréchet", "lower", "json"): made.frechet.value,
        Quantity("kernel", "kernel distance", "lower", "json"): made.kernel.value,
        Quantity("intra_frechet_relative", "intra-Fréchet ÷ real", "lower"): ratio(
            f.intra_frechet, f.intra_frechet_floor
        ),
        Quantity("intra_frechet", "intra-Fréchet", "lower", "json"): f.intra_frechet,
        Quantity("precision", "precision", "higher", "terminal", "share"): made.precision.value,
        Quantity("recall", "recall", "higher", "terminal", "share"): made.recall.value,
        Quantity("coverage", "coverage", "higher", "page", "share"): made.coverage.value,
        Quantity("density", "density", "one", "json"): made.density.value,
        Quantity("intra_recall", "intra-recall", "higher", "page", "share"): f.intra_recall,
        Quantity("intra_coverage", "intra-coverage", "higher", "json", "share"): f.intra_coverage,
        Quantity("diversity", "diversity", "one"): made.diversity,
    }


def _of_features(quantity: Quantity, features: str) -> Quantity:
    where: Where = "json" if quantity.where == "json" else "page"
    return replace(quantity, name=f"{features}_{quantity.name}", title=f"{quantity.title} ({features})", where=where)


# ---- findings


def _variety(f: Fidelity, evidence: Evidence) -> Iterator[Finding]:
    """Samples that are all alike, and parts of the data without similar samples."""
    missing = [w for w in f.within if _misses(w)]
    if _collapsed(f, MEMORISATION.of(evidence.results)):
        yield _as_collapsed(f, evidence)
    elif missing:
        yield _as_dropped_mode(f, missing, evidence)
    elif narrower(f) and clearer(OBEDIENCE.of(evidence.results)) is None:
        yield Finding(
            "less varied than real data",
            f"Samples cover {percent(f.overall.recall.value, 0)} of real data, where other real data covers "
            f"{percent(f.floor.recall.value, 0)} (recall).",
            _against_collapse(evidence),
            grave=False,
        )


def _collapsed(f: Fidelity, m: Memorisation | None) -> bool:
    """Whether samples are rarely new: too alike to cover even a quarter of the data that other real data covers.

    If one part of the data is missing but the rest is there, a mode was dropped instead. Twins that are copies of the
    same training observation are not a collapse.
    """
    alike = f.overall.diversity < MIN_DIVERSITY and not _recalls(f)
    return alike or (m is not None and m.duplicates.low - m.duplicates_real.high > MAX_TWINS and not copied(m))


def _recalls(f: Fidelity) -> bool:
    """Whether samples cover at least a quarter of the data that other real data covers, within conditions if there are
    any.
    """
    recall, floor = (
        (f.intra_recall, f.intra_recall_floor) if f.within else (f.overall.recall.value, f.floor.recall.value)
    )
    return recall > 0.25 * floor


def _misses(w: Within) -> bool:
    """Whether samples of a condition are realistic but leave out a part of it."""
    precise = w.made.precision.value >= 0.8 * w.floor.precision.value
    known = w.made.coverage.known and w.floor.coverage.known
    return known and precise and w.made.coverage.high < MIN_COVERAGE * w.floor.coverage.value


def narrower(f: Fidelity) -> bool:
    """Whether samples cover clearly less of the real data than other real data does."""
    known = f.overall.recall.known and f.floor.recall.known
    return known and f.overall.recall.high < MIN_RECALL * f.floor.recall.value


def _as_collapsed(f: Fidelity, evidence: Evidence) -> Finding:
    twins = _twins(MEMORISATION.of(evidence.results))
    return Finding(
        "mode collapse",
        f"Samples {_differ(f)}{twins}.",
        _against_collapse(evidence),
    )


def _twins(m: Memorisation | None) -> str:
    if m is None or not (m.duplicates.known and m.duplicates_real.known):
        return ""
    return f", and {percent(m.duplicates.value)} have a twin (real data: {percent(m.duplicates_real.value)})"


def _differ(f: Fidelity) -> str:
    known, often = (
        math.isfinite(f.overall.diversity),
        f"{number(f.overall.diversity, '.2f')} times as much as real data",
    )
    return f"of one condition differ {often}" if known else "are too alike"


def _as_dropped_mode(f: Fidelity, missing: Sequence[Within], evidence: Evidence) -> Finding:
    worst = min(missing, key=lambda w: w.made.coverage.value / max(w.floor.coverage.value, 1e-9))
    return Finding(
        "dropped mode",
        f"{len(missing)} of {len(f.within)} conditions lack a part of their real data; most of all {worst.condition}, "
        f"where samples cover {percent(worst.made.coverage.value, 0)} and other real data "
        f"{percent(worst.floor.coverage.value, 0)}.",
        _against_collapse(evidence),
        grave=len(missing) > len(f.within) / 4,
    )


def _against_collapse(evidence: Evidence) -> str:
    if evidence.over_guided:
        return f"Sample with less guidance ({less_guidance(evidence.guidance)})."
    return evidence.trained.against_alike_samples
