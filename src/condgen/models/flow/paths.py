"""Paths between noise and data, x_t = α(t) x + σ(t) ε, with noise ε at t = 0 and data x at t = 1.

Lipman et al. 2023 (flow matching), Liu et al. 2023 (rectified flow), Albergo et al. 2023 (interpolants).
"""

import math
from typing import Annotated, Literal, NamedTuple

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from condgen.parameters import Setting

PathName = Annotated[
    Literal["linear", "vp"],
    Setting("Way from noise to data: straight lines, or variance-preserving as in diffusion models.", part="path"),
]
Time = Float[Tensor, " batch"]
PredictionName = Literal["velocity", "noise", "data"]


class Point(NamedTuple):
    """A path at some times: its coefficients and their derivatives by t."""

    alpha: Time
    sigma: Time
    alpha_dot: Time
    sigma_dot: Time

    @property
    def variance(self) -> Time:
        """Of x_t, where x and ε are independent and have unit variance."""
        return self.alpha.square() + self.sigma.square()

    def target(self, predict: PredictionName) -> tuple[Time, Time]:
        """(a, b) of the quantity y = a x + b ε: the velocity α̇ x + σ̇ ε, the noise or the data."""
        one, zero = torch.ones_like(self.alpha), torch.zeros_like(self.alpha)
        return {"velocity": (self.alpha_dot, self.sigma_dot), "noise": (zero, one), "data": (one, zero)}[predict]


class Preconditioning(NamedTuple):
    """How a quantity y is read from the network F: y = skip · x_t + out · F(x_t / √variance).

    skip · x_t is the best linear guess of y = a x + b ε from x_t, and `out` the size of what is left (Karras et al.
    2022, appendix B.6, for any path and any y). What is left is (σ x − α ε)/√(α² + σ²) whatever y is: velocity, noise
    and data are three readings of one network, and choosing one is choosing how the loss weighs times, by out².
    """

    skip: Time
    out: Time


def preconditioning(at: Point, predict: PredictionName) -> Preconditioning:
    """skip and out of a quantity, for data of unit variance."""
    a, b = at.target(predict)
    return Preconditioning(
        (a * at.alpha + b * at.sigma) / at.variance, (a * at.sigma - b * at.alpha) / at.variance.sqrt()
    )


class Path:
    """α, σ and their derivatives as functions of t in [0, 1]."""

    def at(self, t: Time) -> Point:
        """The path's coefficients at times t."""
        raise NotImplementedError

    def data(self, x: Tensor, velocity: Tensor, t: Time) -> Tensor:
        """The data that a velocity at x_t points to: (σ ẋ − σ̇ x)/(σ α̇ − σ̇ α)."""
        alpha, sigma, alpha_dot, sigma_dot = (expand_like(part, x) for part in self.at(t))
        return (sigma * velocity - sigma_dot * x) / (sigma * alpha_dot - sigma_dot * alpha)


class Linear(Path):
    """α = t, σ = 1 − t: straight lines, the rectified flow."""

    def at(self, t: Time) -> Point:
        """The path's coefficients at times t."""
        return Point(t, 1 - t, torch.ones_like(t), -torch.ones_like(t))


class VariancePreserving(Path):
    """α = sin(πt/2), σ = cos(πt/2): x_t keeps unit variance (the cosine schedule, Nichol & Dhariwal 2021)."""

    def at(self, t: Time) -> Point:
        """The path's coefficients at times t."""
        angle = t * (math.pi / 2)
        return Point(angle.sin(), angle.cos(), angle.cos() * (math.pi / 2), -angle.sin() * (math.pi / 2))


def expand_like(t: Shaped[Tensor, " batch"], x: Float[Tensor, "batch ..."]) -> Tensor:
    """[batch] made to broadcast over what x holds per observation."""
    return t.reshape(-1, *[1] * (x.dim() - 1))


PATHS: dict[str, type[Path]] = {"linear": Linear, "vp": VariancePreserving}
