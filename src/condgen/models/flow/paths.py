"""Paths between noise and data, x_t = α(t) x + σ(t) ε, with noise ε at t = 0 and data x at t = 1.

Lipman et al. 2023 (flow matching), Liu et al. 2023 (rectified flow), Albergo et al. 2023 (interpolants).
"""

import math
from typing import Annotated, Literal, NamedTuple

from condgen.arrays import Array, Float, Shaped, namespace
from condgen.parameters import Setting

PathName = Annotated[
    Literal["linear", "vp"],
    Setting("Path from noise to data: straight lines, or variance-preserving as in diffusion models.", part="path"),
]
Time = Float[Array, " batch"]
PredictionName = Literal["velocity", "noise", "data"]


class Point(NamedTuple):
    """A path at some times: its coefficients and their derivatives with respect to t."""

    alpha: Time
    sigma: Time
    alpha_dot: Time
    sigma_dot: Time

    @property
    def variance(self) -> Time:
        """The variance of x_t if x and ε are independent and have unit variance."""
        return self.alpha**2 + self.sigma**2

    def target(self, predict: PredictionName) -> tuple[Time, Time]:
        """The coefficients (a, b) of y = a x + b ε, where y is the velocity α̇ x + σ̇ ε, the noise or the data."""
        xp = namespace(self.alpha)
        one, zero = xp.ones_like(self.alpha), xp.zeros_like(self.alpha)
        return {"velocity": (self.alpha_dot, self.sigma_dot), "noise": (zero, one), "data": (one, zero)}[predict]


class Preconditioning(NamedTuple):
    """The coefficients that give a quantity y from the network F: y = skip · x_t + out · F(x_t / √variance).

    skip · x_t is the best linear prediction of y = a x + b ε from x_t, and `out` is the scale of the residual (Karras
    et al. 2022, appendix B.6, for any path and any y). The normalised residual is (σ x − α ε)/√(α² + σ²) for every y.
    So velocity, noise and data are three readings of one network, and choosing one sets the loss's weight of each time
    to out².
    """

    skip: Time
    out: Time


def preconditioning(at: Point, predict: PredictionName) -> Preconditioning:
    """skip and out for a quantity, for data of unit variance."""
    a, b = at.target(predict)
    return Preconditioning(
        (a * at.alpha + b * at.sigma) / at.variance, (a * at.sigma - b * at.alpha) / at.variance**0.5
    )


class Path:
    """α, σ and their derivatives as functions of t in [0, 1]."""

    def at(self, t: Time) -> Point:
        """The path's coefficients at times t."""
        raise NotImplementedError

    def data(self, x: Array, velocity: Array, t: Time) -> Array:
        """The data that a velocity at x_t points to: (σ ẋ − σ̇ x)/(σ α̇ − σ̇ α)."""
        alpha, sigma, alpha_dot, sigma_dot = (expand_like(part, x) for part in self.at(t))
        return (sigma * velocity - sigma_dot * x) / (sigma * alpha_dot - sigma_dot * alpha)


class Linear(Path):
    """α = t, σ = 1 − t: straight lines (rectified flow)."""

    def at(self, t: Time) -> Point:
        """The path's coefficients at times t."""
        one = namespace(t).ones_like(t)
        return Point(t, 1 - t, one, -one)


class VariancePreserving(Path):
    """α = sin(πt/2), σ = cos(πt/2), so that x_t keeps unit variance (the cosine schedule, Nichol & Dhariwal 2021)."""

    def at(self, t: Time) -> Point:
        """The path's coefficients at times t."""
        xp, angle = namespace(t), t * (math.pi / 2)
        alpha, sigma = xp.sin(angle), xp.cos(angle)
        return Point(alpha, sigma, sigma * (math.pi / 2), -alpha * (math.pi / 2))


def expand_like(t: Shaped[Array, " batch"], x: Float[Array, "batch ..."]) -> Array:
    """t [batch], reshaped to broadcast over the other dimensions of x."""
    return t.reshape(-1, *[1] * (x.ndim - 1))


PATHS: dict[str, type[Path]] = {"linear": Linear, "vp": VariancePreserving}
