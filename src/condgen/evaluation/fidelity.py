"""Fidelity and diversity: how near samples come to real data, and how much of it they cover, in a judge's features.

Distances depend on the features and on the number of samples, so each is to be read beside the same distance between
two sets of real observations. The features are those of condgen's own judge: none of this is an FID.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Shaped
from torch import Tensor

from condgen.data import Dataset
from condgen.evaluation.judge import Judge
from condgen.samples import Samples

Features = Float[Tensor, "n feature"]
Others = Float[Tensor, "m feature"]
Codes = Shaped[Tensor, " n"]


@dataclass(frozen=True)
class Fidelity:
    """What samples are like beside held-out real data of the same conditions.

    frechet, floor:    Fréchet distance of samples, and of as many training observations, to the held-out ones.
    precision, recall: share of samples that look real, share of real observations that could have been samples.
    diversity:         spread of the features within a value of the attribute, relative to the held-out data's.
    """

    frechet: float
    floor: float
    precision: float
    recall: float
    diversity: float


def fidelity(
    judge: Judge, samples: Samples, train: Dataset, test: Dataset, attribute: str, most: int = 5_000
) -> Fidelity:
    """How near samples come to test data, in the judge's features; precision and recall with at most `most` of each.

    Ask for the samples under the test data's own conditions, so that the distributions of labels agree.
    """
    made, real = features(judge, samples.x), features(judge, test.floats)
    other = features(judge, train[torch.randperm(len(train), generator=_seeded())[: len(test)]].floats)
    precision, recall = precision_recall(real[:most], made[:most])
    spread_made, spread_real = (
        spread_within(part[condition.given(attribute)], condition.values[attribute][condition.given(attribute)])
        for part, condition in ((made, samples.condition), (real, test.condition))
    )
    return Fidelity(
        frechet=frechet_distance(made, real),
        floor=frechet_distance(other, real),
        precision=precision,
        recall=recall,
        diversity=spread_made / spread_real,
    )


def _seeded() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@torch.inference_mode()
def features(judge: Judge, x: Float[Tensor, "n ..."], batch: int = 500) -> Features:
    """The judge's features of observations."""
    return torch.cat([judge.eval().features(part) for part in x.split(batch)])


def frechet_distance(a: Features, b: Others) -> float:
    """Fréchet distance of the Gaussians with the sets' moments: |μ₁ − μ₂|² + tr(Σ₁ + Σ₂ − 2 (Σ₁Σ₂)^½).

    Heusel et al. 2017, eq. 6. tr (Σ₁Σ₂)^½ is the sum of the singular values of Σ₁^½ Σ₂^½, which factors of the centred
    sets give without a root of a matrix.
    """
    a, b = a.double(), b.double()
    factor_a, factor_b = _factor(a), _factor(b)
    root = torch.linalg.svdvals(factor_a @ factor_b.T).sum()
    squares = factor_a.square().sum() + factor_b.square().sum()
    return float((a.mean(0) - b.mean(0)).square().sum() + squares - 2 * root)


def _factor(x: Features) -> Float[Tensor, "row feature"]:
    """A matrix R with RᵀR the covariance of x, with no more rows than features."""
    centred = (x - x.mean(0)) / (len(x) - 1) ** 0.5
    return torch.linalg.qr(centred, mode="r").R


def precision_recall(real: Features, made: Others, k: int = 3) -> tuple[float, float]:
    """Improved precision and recall (Kynkäänniemi et al. 2019, eq. 1–2): the share of `made` within the real manifold,
    and of `real` within the made one. A manifold is the balls around its points up to their k-th nearest neighbour.
    """
    return float(covered(made, real, k).float().mean()), float(covered(real, made, k).float().mean())


def covered(points: Features, manifold: Others, k: int, batch: int = 1_000) -> Bool[Tensor, " n"]:
    """Whether each point lies in the ball of one of the manifold's points."""
    radius = torch.cat([torch.cdist(part, manifold).kthvalue(k + 1).values for part in manifold.split(batch)])
    return torch.cat([(torch.cdist(part, manifold) <= radius).any(1) for part in points.split(batch)])


def spread_within(x: Features, codes: Codes) -> float:
    """Standard deviation within one value, averaged over features and values."""
    return _within(x, codes, lambda part: float(part.std(0).mean()))


def _within(x: Features, codes: Codes, measure: Callable[[Features], float]) -> float:
    values = [measure(x[codes == code]) for code in codes.unique() if (codes == code).sum() > 1]
    return sum(values) / max(len(values), 1)
