"""Distances between two sets of features: of samples, and of real observations.

All arithmetic is on the CPU in double precision, so that numbers do not depend on the device.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from condgen.errors import DataError, RequestError
from condgen.evaluation.metrics.estimate import Estimate, linearised, mean, share
from condgen.evaluation.metrics.neighbours import covered, overlap

Features = Float[Tensor, "n feature"]
Others = Float[Tensor, "m feature"]
Codes = Shaped[Tensor, " n"]

NEIGHBOURS = 3  # neighbours for precision and recall, as published
DENSITY_NEIGHBOURS = 5  # neighbours for density and coverage, as published
MAX_POINTS = 5_000  # largest number of points for neighbours and kernels, to limit time


@dataclass(frozen=True)
class Distances:
    """Distances between a set of samples and a set of real observations in one feature space.

    n: number of samples.
    frechet: Fréchet distance of the Gaussians with their moments.
    kernel: unbiased squared maximum mean discrepancy with the kernel (xᵀy/d + 1)³. About 0 at best.
    precision, recall: share of samples within the real manifold, and of real observations within that of the samples.
    density: mean number of real balls that contain a sample, over the expected number. 1 for real data.
    coverage: share of real balls that contain a sample.
    diversity: spread of the features relative to the real ones'.
    """

    n: int
    frechet: Estimate
    kernel: Estimate
    precision: Estimate
    recall: Estimate
    density: Estimate
    coverage: Estimate
    diversity: float


def distances(
    made: Features, real: Others, *, cells: tuple[Int[Tensor, " n"], Int[Tensor, " m"]] | None = None
) -> Distances:
    """Every distance between samples and real observations, [n, feature] and [m, feature].

    cells: the cells of made and real observations, −1 for none. Diversity is the spread within them, or over everything
        without cells.

    Neighbours and kernel use up to 5,000 of each, drawn at random. Intervals are for another draw of samples and real
    observations: to first order for the Fréchet and kernel distances, by bootstrap over the samples for density, and by
    Wilson's formula for shares. For density and shares the manifolds are fixed, so their own uncertainty is not
    included.

    Raises RequestError if there are too few observations, and DataError if one is not finite.
    """
    _check_comparable(made, real)
    made, real = _exact(made), _exact(real)
    a, b = made[some(len(made), MAX_POINTS)], real[some(len(real), MAX_POINTS)]
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
    sets give without a matrix root.
    """
    return frechet(a, b).value


def frechet(a: Features, b: Others) -> Estimate:
    """The Fréchet distance (see `frechet_distance`) and its interval, for new draws of both sets.

    The derivative with respect to the weight of x in the first set is |x − μ₁|² + 2 (x − μ₁)ᵀ(μ₁ − μ₂) − (x − μ₁)ᵀ T (x
    − μ₁), and correspondingly for the second set. T is the linear map from the first Gaussian to the second. The
    variance of the squared difference of means for equal true means, 2 |Σ₁/n + Σ₂/m|², is added.
    """
    a, b = _exact(a), _exact(b)
    shift, a, b = a.mean(0) - b.mean(0), a - a.mean(0), b - b.mean(0)
    R_a, R_b = _factor(a), _factor(b)
    found = between_gaussians(shift, R_a, R_b)
    spanned = found.root > 1e-10 * found.root[0]
    influence_a = _influence(a, shift, (found.Vh @ R_b)[spanned], found.root[spanned])
    influence_b = _influence(b, -shift, (found.U.T @ R_a)[spanned], found.root[spanned])
    means = 2 * (R_a.T @ R_a / len(a) + R_b.T @ R_b / len(b)).square().sum()
    return linearised(found.value, influence_a, influence_b, more=float(means))


@dataclass(frozen=True)
class Gaussians:
    """The Fréchet distance of two Gaussians, and the singular value decomposition that gives it."""

    value: float
    U: Float[Tensor, "row rank"]
    root: Float[Tensor, " rank"]
    Vh: Float[Tensor, "rank column"]


def between_gaussians(
    shift: Float[Tensor, " feature"], a: Float[Tensor, "row feature"], b: Float[Tensor, "column feature"]
) -> Gaussians:
    """The Fréchet distance of Gaussians whose means differ by `shift` and whose covariances are aᵀa and bᵀb."""
    U, root, Vh = torch.linalg.svd(a @ b.T, full_matrices=False)
    value = shift.square().sum() + a.square().sum() + b.square().sum() - 2 * root.sum()
    return Gaussians(float(value), U, root, Vh)


def _factor(centred: Features) -> Float[Tensor, "row feature"]:
    """A matrix R with RᵀR the covariance, with no more rows than features."""
    return torch.linalg.qr(centred / (len(centred) - 1) ** 0.5, mode="r").R


def _influence(
    centred: Features,
    shift: Float[Tensor, " feature"],
    map_: Float[Tensor, "rank feature"],
    root: Float[Tensor, " rank"],
) -> Float[Tensor, " n"]:
    """The derivative of the distance with respect to each observation's weight, with T = mapᵀ diag(1/root) map."""
    carried = ((centred @ map_.T).square() / root).sum(1)
    return centred.square().sum(1) + 2 * centred @ shift - carried


def kernel_distance(a: Features, b: Others) -> Estimate:
    """Unbiased squared maximum mean discrepancy with the kernel k(x, y) = (xᵀy/d + 1)³, and its interval.

    Bińkowski et al. 2018, eq. 4 (over all pairs, not subsets). The interval is for new draws of both sets: to first
    order, and to second order as between equal distributions (Gretton et al. 2012, appendix B).
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
    """For each x, the mean over a set of y of k(x, y) and of its square."""

    first: Float[Tensor, " n"]
    second: Float[Tensor, " n"]

    def centred(self, back: "_KernelMeans") -> float:
        """The mean square of the kernel minus its means over x and over y. back: the same means, of each y over x."""
        means = self.first.var(correction=0) + back.first.var(correction=0)
        return max(float(self.second.mean() - self.first.mean() ** 2 - means), 0.0)


def _kernel_means(a: Features, b: Others, batch: int = 500) -> _KernelMeans:
    kernels = ((part @ b.T / b.shape[1] + 1).pow(3) for part in a.split(batch))  # one part at a time
    means = torch.cat([torch.stack([k.mean(1), k.square().mean(1)]) for k in kernels], dim=1)
    return _KernelMeans(means[0], means[1])


def _kernel(x: Features) -> Float[Tensor, " n"]:
    """The kernel of each x with itself."""
    return (x.square().mean(1) + 1).pow(3)


def precision_recall(real: Features, made: Others, k: int = NEIGHBOURS) -> tuple[float, float]:
    """Improved precision and recall (Kynkäänniemi et al. 2019, eq. 1–2).

    Precision is the share of `made` within the real manifold, and recall the share of `real` within the made one. A
    manifold is the union of balls around its points, each up to the k-th nearest neighbour.
    """
    return float(covered(made, real, k).float().mean()), float(covered(real, made, k).float().mean())


def spread_within(x: Features, codes: Codes) -> float:
    """Standard deviation within one value, averaged over features and values."""
    return _within(x, codes, lambda part: float(part.std(0).mean()))


def _within(x: Features, codes: Codes, measure: Callable[[Features], float]) -> float:
    values = [measure(x[codes == code]) for code in codes.unique() if (codes == code).sum() > 1]
    return sum(values) / max(len(values), 1)


def _relative_spread(made: Features, real: Others, cells: tuple[Int[Tensor, " n"], Int[Tensor, " m"]] | None) -> float:
    """The spread of samples relative to real observations, or NaN if these have no spread."""
    if cells is None or not all((each >= 0).any() for each in cells):
        cells = torch.zeros(len(made), dtype=torch.long), torch.zeros(len(real), dtype=torch.long)
    of_made, of_real = (
        spread_within(x[index >= 0], index[index >= 0]) for x, index in zip((made, real), cells, strict=True)
    )
    return of_made / of_real if of_real else float("nan")


def _exact(x: Features) -> Features:
    """The features in double precision on the CPU. Not every device has it."""
    return x.cpu().double()


def some(n: int, most: int) -> Int[Tensor, " m"]:
    """The indices of at most `most` of n, in order. The random choice is always the same."""
    return torch.randperm(n, generator=torch.Generator().manual_seed(0))[:most].sort().values


def check_finite(x: Features) -> None:
    """Raise DataError if a feature is not a finite number."""
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
    check_finite(made)
    check_finite(real)
