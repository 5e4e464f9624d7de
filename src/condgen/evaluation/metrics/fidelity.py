"""The metric of fidelity and diversity, its columns, and faults of variety: collapse and dropped modes."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch

from condgen.data import Dataset
from condgen.evaluation.comparison.columns import FRECHET, Quantity, Values, Where, ratio
from condgen.evaluation.findings import Evidence, Finding
from condgen.evaluation.judge.features import extract, extractor
from condgen.evaluation.metrics.feature_sets import FeatureSet, Fidelity, Within, fidelity, too_few
from condgen.evaluation.metrics.memorisation import MAX_TWINS, MEMORISATION, Memorisation, copied
from condgen.evaluation.metrics.metric import Measurement, Metric
from condgen.evaluation.metrics.obedience import OBEDIENCE, clearer
from condgen.models.remedies import less_guidance
from condgen.schema import Condition, Schema
from condgen.units import number, percent

MIN_DIVERSITY = 0.6  # samples with a smaller diversity relative to real data are too alike
MIN_COVERAGE = 0.7  # at a smaller coverage relative to real data a part is missing
MIN_RECALL = 0.8  # at a smaller recall relative to real data samples are clearly less varied


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
        f"Samples {_differ(f, bool(evidence.results.get('obedience')))}{twins}.",
        _against_collapse(evidence),
    )


def _twins(m: Memorisation | None) -> str:
    """The share of samples with a twin, if it is larger than in real data."""
    if m is None or not m.duplicates.value > m.duplicates_real.value:
        return ""
    return f", and {percent(m.duplicates.value)} have a twin (real data: {percent(m.duplicates_real.value)})"


def _differ(f: Fidelity, conditional: bool) -> str:
    if not math.isfinite(f.overall.diversity):
        return "are too alike"
    often = f"{number(f.overall.diversity, '.2f')} times as much as real data"
    return f"of one condition differ {often}" if conditional else f"differ {often}"


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
