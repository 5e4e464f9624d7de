"""Moments of features that are merged exactly, and the Fréchet distance between them."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from condgen.evaluation.metrics.distances import between_gaussians

PARTS = ("n", "mean", "scatter")


@dataclass(frozen=True)
class Moments:
    """Number, mean [feature] and scatter [feature, feature] of a set of features, in double precision.

    The scatter is the sum of (x − mean)(x − mean)ᵀ.
    """

    n: int
    mean: Float[Tensor, " feature"]
    scatter: Float[Tensor, "feature feature"]

    @classmethod
    def of(cls, x: Float[Tensor, "n feature"]) -> "Moments":
        """The moments of some features. Those of none are zero."""
        x = x.cpu().double()
        mean = x.mean(0) if len(x) else x.new_zeros(x.shape[1])
        return cls(len(x), mean, (x - mean).T @ (x - mean))

    def merged(self, other: "Moments") -> "Moments":
        """The moments of both sets together (Chan, Golub & LeVeque 1979, eq. 2.1)."""
        n = self.n + other.n
        if not self.n or not other.n:
            return self if self.n else other
        apart = other.mean - self.mean
        between = torch.outer(apart, apart) * (self.n * other.n / n)
        return Moments(n, self.mean + apart * (other.n / n), self.scatter + other.scatter + between)

    def tensors(self) -> dict[str, Tensor]:
        """The moments as tensors. Of the scatter, which is symmetric, one triangle."""
        rows, columns = torch.triu_indices(*self.scatter.shape)
        return {"n": torch.tensor(self.n), "mean": self.mean, "scatter": self.scatter[rows, columns]}

    @classmethod
    def from_tensors(cls, found: Mapping[str, Tensor]) -> "Moments":
        """The moments that gave these tensors."""
        width = len(found["mean"])
        scatter = torch.zeros(width, width, dtype=torch.double)
        rows, columns = torch.triu_indices(width, width)
        scatter[rows, columns] = found["scatter"]
        scatter[columns, rows] = found["scatter"]
        return cls(int(found["n"]), found["mean"], scatter)


def frechet_of_moments(a: Moments, b: Moments) -> float:
    """The Fréchet distance of the Gaussians with these moments (see `distances.frechet_distance`).

    NaN for fewer than two observations of either.
    """
    if min(a.n, b.n) < 2:
        return float("nan")
    return between_gaussians(a.mean - b.mean, _root(a), _root(b)).value


def _root(moments: Moments) -> Float[Tensor, "feature feature"]:
    """A matrix R with RᵀR the covariance."""
    values, vectors = torch.linalg.eigh(moments.scatter / (moments.n - 1))
    return (vectors * values.clamp(min=0).sqrt()).T
