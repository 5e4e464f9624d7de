"""Fidelity and diversity: how near samples come to real data, and how much of it they cover, in given features.

Distances depend on the features and on the number of samples, so each is to be read beside the floor: the same distance
between real data and as many training observations. Whatever looks right overall can still ignore its condition, so
everything is measured within each condition too. The features are usually those of condgen's own judge: none of this is
an FID.

All arithmetic is done on the CPU, in double precision: numbers do not depend on the device.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from condgen.data import Dataset
from condgen.data.storage.mapped import Mapped
from condgen.errors import DataError, RequestError
from condgen.evaluation.judge.judge import Judge
from condgen.evaluation.metrics.cells import Cells
from condgen.evaluation.metrics.estimate import Estimate, linearised, mean, share
from condgen.evaluation.metrics.neighbours import covered, overlap
from condgen.runs.samples import Samples
from condgen.schema import Condition

Features = Float[Tensor, "n feature"]
Others = Float[Tensor, "m feature"]
Codes = Shaped[Tensor, " n"]

NEIGHBOURS = 3  # of the manifolds of precision and recall, as published
DENSITY_NEIGHBOURS = 5  # of those of density and coverage, as published
MOST = 5_000  # points of a set that neighbours and kernels look at, for time
LEAST = 10  # observations of a condition without which nothing is measured within it
INTRA = ("frechet", "precision", "recall", "coverage")  # what is averaged over conditions


@dataclass(frozen=True)
class Distances:
    """How a set of samples lies to a set of real observations, in one space of features.

    n:                 of samples.
    frechet:           Fréchet distance of the Gaussians with their moments.
    kernel:            unbiased squared maximum mean discrepancy with the kernel (xᵀy/d + 1)³; about 0 at best.
    precision, recall: share of samples within the real manifold, of real observations within that of the samples.
    density:           mean number of real balls a sample lies in, over the number expected; 1 is like real data.
    coverage:          share of real balls that hold a sample.
    diversity:         spread of the features relative to the real ones'.
    """

    n: int
    frechet: Estimate
    kernel: Estimate
    precision: Estimate
    recall: Estimate
    density: Estimate
    coverage: Estimate
    diversity: float


@dataclass(frozen=True)
class Within:
    """Distances of what was asked for under one condition, and of as many training observations of that condition."""

    condition: str
    made: Distances
    floor: Distances


@dataclass(frozen=True)
class Fidelity:
    """What samples are like beside held-out real data: overall, within each condition, and on average over conditions.

    features: of what the distances are. floor: of as many training observations. intra_…: unweighted means over the
    conditions; not a number where nothing could be measured within any.
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
    """Features of observations, and what each was asked to be or is labelled with.

    x: [n, feature]. Raises RequestError when the counts differ, DataError when a feature is not a finite number.
    """

    x: Features
    condition: Condition

    def __post_init__(self) -> None:
        if len(self.x) != len(self.condition):
            raise RequestError(
                f"There are features of {len(self.x)} observations but {len(self.condition)} conditions."
            )
        _check_finite(self.x)

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, index: Int[Tensor, " m"]) -> "FeatureSet":
        """The observations at these indices."""
        return FeatureSet(self.x[index], self.condition[index])


# ---- all together


def fidelity(made: FeatureSet, real: FeatureSet, floor: FeatureSet, name: str = "judge") -> Fidelity:
    """How near samples come to held-out real data, beside how near training data (`floor`) comes.

    Samples and training observations are compared in equal numbers, drawn at random from the larger set; within a
    condition there are as many real observations as well. Ask for the samples under the real data's own conditions, so
    that the distributions of labels agree. name: of the features. Conditions are those of `Cells`; diversity is the
    spread within them. What has fewer than 10 observations of a condition is not measured within it.

    Raises RequestError when the sets' attributes or features differ, or there are too few observations.
    """
    _check_alike(made, real, floor)
    cells = Cells.of(real.condition)
    n = min(len(made), len(floor))
    made_n, floor_n = (part[_some(len(part), n)] for part in (made, floor))
    within = _within_cells(cells, made, real, floor)
    return Fidelity(
        features=name,
        overall=_distances_like(cells, made_n, real),
        floor=_distances_like(cells, floor_n, real),
        within=within,
        **{f"intra_{what}": _mean_of(what, [w.made for w in within]) for what in INTRA},
        **{f"intra_{what}_floor": _mean_of(what, [w.floor for w in within]) for what in INTRA},
    )


def judged(judge: Judge, samples: Samples, train: Dataset, test: Dataset) -> Fidelity:
    """The fidelity of samples to test data in the judge's features, with as many training observations for a floor."""
    some = train[_some(len(train), len(samples))]
    made, real, floor = (
        FeatureSet(features(judge, x), condition)
        for x, condition in (
            (samples.x, samples.condition),
            (test.observations, test.condition),
            (some.observations, some.condition),
        )
    )
    return fidelity(made, real, floor, "judge")


def features(judge: Judge, x: Shaped[Tensor, "n ..."] | Mapped, batch: int = 500) -> Features:
    """The judge's features of observations, uint8 images too, on the CPU."""
    return judge.read(x, batch).features


def _distances_like(cells: Cells, made: FeatureSet, real: FeatureSet) -> Distances:
    return distances(made.x, real.x, cells=(cells.index(made.condition), cells.index(real.condition)))


def _within_cells(cells: Cells, *sets: FeatureSet) -> tuple[Within, ...]:
    """The distances within each condition that every set (made, real, floor) has enough observations of."""
    indices = [cells.index(part.condition) for part in sets]
    found = []
    for k, name in enumerate(cells.names):
        rows = [(index == k).nonzero()[:, 0] for index in indices]
        n = min(len(row) for row in rows)
        if n >= LEAST:
            made, real, floor = (part.x[row[_some(len(row), n)]] for part, row in zip(sets, rows, strict=True))
            found.append(Within(name, distances(made, real), distances(floor, real)))
    return tuple(found)


def _mean_of(what: str, parts: Sequence[Distances]) -> float:
    values: list[float] = [getattr(part, what).value for part in parts]
    return sum(values) / len(values) if values else float("nan")


def _some(n: int, most: int) -> Int[Tensor, " m"]:
    """The indices of at most so many of n, drawn at random and always alike, in order."""
    return torch.randperm(n, generator=torch.Generator().manual_seed(0))[:most].sort().values


# ---- one set against another


def distances(
    made: Features, real: Others, *, cells: tuple[Int[Tensor, " n"], Int[Tensor, " m"]] | None = None
) -> Distances:
    """Every distance between samples and real observations, [n, feature] and [m, feature].

    cells: the conditions that made and real belong to, −1 for none: diversity is the spread within them, else within
    everything. Neighbours and kernel look at up to 5,000 of each, drawn at random.

    Intervals say what another draw of samples and of real observations would give: of the Fréchet and kernel distances
    to first order, of density by bootstrap over the samples, of shares by Wilson's formula over what is counted. For
    density and shares the manifolds are fixed, so what another manifold would change is not in them.

    Raises RequestError when there are too few observations, DataError when one is not finite.
    """
    _check_comparable(made, real)
    made, real = _exact(made), _exact(real)
    a, b = made[_some(len(made), MOST)], real[_some(len(real), MOST)]
    seen = overlap(a, b, NEIGHBOURS, DENSITY_NEIGHBOURS)
    return Distances(
        n=len(made),
        frechet=frechet(made, real),
        kernel=kernel_distance(a, b),
        precision=share(seen.precise),
        recall=share(seen.recalled),
        density=mean(seen.balls / DENSITY_NEIGHBOURS),
        coverage=share(seen.covered),
        diversity=_relative_spread(made, real, cells),
    )


def frechet_distance(a: Features, b: Others) -> float:
    """Fréchet distance of the Gaussians with the sets' moments: |μ₁ − μ₂|² + tr(Σ₁ + Σ₂ − 2 (Σ₁Σ₂)^½).

    Heusel et al. 2017, eq. 6. tr (Σ₁Σ₂)^½ is the sum of the singular values of Σ₁^½ Σ₂^½, which factors of the centred
    sets give without a root of a matrix.
    """
    return frechet(a, b).value


def frechet(a: Features, b: Others) -> Estimate:
    """The Fréchet distance (see `frechet_distance`) and its interval, for new draws of both sets.

    The derivative in the weight of x in the first set is |x − μ₁|² + 2 (x − μ₁)ᵀ(μ₁ − μ₂) − (x − μ₁)ᵀ T (x − μ₁), and
    alike in the second; T is the linear map that carries the first Gaussian onto the second. Added is the variance of
    the squared difference of means where the true means are equal, 2 |Σ₁/n + Σ₂/m|².
    """
    a, b = _exact(a), _exact(b)
    shift, a, b = a.mean(0) - b.mean(0), a - a.mean(0), b - b.mean(0)
    R_a, R_b = _factor(a), _factor(b)
    U, root, Vh = torch.linalg.svd(R_a @ R_b.T, full_matrices=False)
    value = shift.square().sum() + R_a.square().sum() + R_b.square().sum() - 2 * root.sum()
    spanned = root > 1e-10 * root[0]
    influence_a = _influence(a, shift, (Vh @ R_b)[spanned], root[spanned])
    influence_b = _influence(b, -shift, (U.T @ R_a)[spanned], root[spanned])
    means = 2 * (R_a.T @ R_a / len(a) + R_b.T @ R_b / len(b)).square().sum()
    return linearised(float(value), influence_a, influence_b, more=float(means))


def _factor(centred: Features) -> Float[Tensor, "row feature"]:
    """A matrix R with RᵀR the covariance, with no more rows than features."""
    return torch.linalg.qr(centred / (len(centred) - 1) ** 0.5, mode="r").R


def _influence(
    centred: Features,
    shift: Float[Tensor, " feature"],
    map_: Float[Tensor, "rank feature"],
    root: Float[Tensor, " rank"],
) -> Float[Tensor, " n"]:
    """The derivative of the distance in each observation's weight, with T = mapᵀ diag(1/root) map."""
    carried = ((centred @ map_.T).square() / root).sum(1)
    return centred.square().sum(1) + 2 * centred @ shift - carried


def kernel_distance(a: Features, b: Others) -> Estimate:
    """Unbiased squared maximum mean discrepancy with the kernel k(x, y) = (xᵀy/d + 1)³, and its interval.

    Bińkowski et al. 2018, eq. 4 (of all pairs, not of subsets). The interval is for new draws of both sets: to first
    order, and to second as between equal distributions (Gretton et al. 2012, appendix B).
    """
    a, b = _exact(a), _exact(b)
    n, m = len(a), len(b)
    aa, ab, ba, bb = (_kernel_means(x, y) for x, y in ((a, a), (a, b), (b, a), (b, b)))
    within_a, within_b = ((len(x) * means.first - _kernel(x)) / (len(x) - 1) for x, means in ((a, aa), (b, bb)))
    value = within_a.mean() + within_b.mean() - 2 * ab.first.mean()
    degenerate = 2 * aa.centred(aa) / n**2 + 2 * bb.centred(bb) / m**2 + 4 * ab.centred(ba) / (n * m)
    return linearised(float(value), 2 * (within_a - ab.first), 2 * (within_b - ba.first), more=degenerate)


@dataclass(frozen=True)
class _KernelMeans:
    """Of each x: the mean of k(x, y) over the y of some set, and of its square."""

    first: Float[Tensor, " n"]
    second: Float[Tensor, " n"]

    def centred(self, back: "_KernelMeans") -> float:
        """The mean square of the kernel less its means over x and over y; back: the same means, of each y over x."""
        means = self.first.var(correction=0) + back.first.var(correction=0)
        return max(float(self.second.mean() - self.first.mean() ** 2 - means), 0.0)


def _kernel_means(a: Features, b: Others, batch: int = 500) -> _KernelMeans:
    kernels = ((part @ b.T / b.shape[1] + 1).pow(3) for part in a.split(batch))  # one part at a time
    means = torch.cat([torch.stack([k.mean(1), k.square().mean(1)]) for k in kernels], dim=1)
    return _KernelMeans(means[0], means[1])


def _kernel(x: Features) -> Float[Tensor, " n"]:
    """Of each x with itself."""
    return (x.square().mean(1) + 1).pow(3)


def precision_recall(real: Features, made: Others, k: int = NEIGHBOURS) -> tuple[float, float]:
    """Improved precision and recall (Kynkäänniemi et al. 2019, eq. 1–2): the share of `made` within the real manifold,
    and of `real` within the made one. A manifold is the balls around its points up to their k-th nearest neighbour.
    """
    return float(covered(made, real, k).float().mean()), float(covered(real, made, k).float().mean())


def spread_within(x: Features, codes: Codes) -> float:
    """Standard deviation within one value, averaged over features and values."""
    return _within(x, codes, lambda part: float(part.std(0).mean()))


def _within(x: Features, codes: Codes, measure: Callable[[Features], float]) -> float:
    values = [measure(x[codes == code]) for code in codes.unique() if (codes == code).sum() > 1]
    return sum(values) / max(len(values), 1)


def _relative_spread(made: Features, real: Others, cells: tuple[Int[Tensor, " n"], Int[Tensor, " m"]] | None) -> float:
    """Not a number where the real observations have no spread."""
    if cells is None or not all((each >= 0).any() for each in cells):
        cells = torch.zeros(len(made), dtype=torch.long), torch.zeros(len(real), dtype=torch.long)
    of_made, of_real = (
        spread_within(x[index >= 0], index[index >= 0]) for x, index in zip((made, real), cells, strict=True)
    )
    return of_made / of_real if of_real else float("nan")


def _exact(x: Features) -> Features:
    """Double precision, which not every device has."""
    return x.cpu().double()


# ---- what cannot be measured, and what cannot be trusted


def _check_finite(x: Features) -> None:
    if bad := int((~x.isfinite()).any(1).sum()):
        raise DataError(
            f"{bad} of {len(x)} observations have features that are not finite numbers, so no distance to them exists. "
            "The samples themselves are probably not finite: the model has diverged; train it with a lower rate."
        )


def _check_comparable(made: Features, real: Others) -> None:
    least = max(NEIGHBOURS, DENSITY_NEIGHBOURS) + 1
    if min(len(made), len(real)) < least:
        raise RequestError(
            f"There are {len(made)} samples and {len(real)} real observations; distances take at least {least} "
            "of each. Ask for more samples, or hold out more data."
        )
    _check_finite(made)
    _check_finite(real)


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
    """What in a fidelity rests on too few observations to be trusted: one sentence each, which says what to do.

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
            f"Fewer than 100 samples were compared within {_listed(small)} ({found.features}). Read these distances "
            "beside their floor and their interval only, or use more samples and more held-out data."
        )
    if missing:
        texts.append(
            f"Nothing was measured within {_listed(missing)} ({found.features}): that takes {LEAST} samples, training "
            "and held-out observations each. Ask for samples under the held-out data's own conditions."
        )
    if not names and len(real.condition.schema):
        texts.append(
            f"Nothing was measured within conditions ({found.features}): no combination of "
            f"{', '.join(real.condition.schema.names)} has enough held-out observations. Hold out more data, or choose "
            "fewer attributes."
        )
    return texts


def _listed(names: Sequence[str], most: int = 3) -> str:
    if len(names) <= most:
        return " and ".join(names)
    return f"{'; '.join(names[:most])} and {len(names) - most} more conditions"
