"""Fidelity and diversity: the distance of samples from real data, and the share of it that they cover, in given
features.

Distances depend on the features and on the number of samples. Each is therefore given with its floor: the same distance
between real data and as many training observations. Samples that look right overall can still ignore their condition,
so everything is measured within each condition too. The features are usually those of condgen's own judge, so none of
this is an FID.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from jaxtyping import Int, Shaped
from torch import Tensor

from condgen.data import Dataset
from condgen.data.storage.mapped import Mapped
from condgen.errors import RequestError
from condgen.evaluation.judge.judge import Judge
from condgen.evaluation.metrics.cells import Cells
from condgen.evaluation.metrics.distances import Distances, Features, check_finite, distances, some
from condgen.runs.samples import Samples
from condgen.schema import Condition

MIN_PER_CELL = 10  # smallest number of observations for measuring within a condition
INTRA = ("frechet", "precision", "recall", "coverage")  # quantities averaged over conditions


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
    """The distances within each condition that has enough observations in every set: made, real and floor."""
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
