"""Diagonal Gaussians, and bounds that keep their logarithms finite on any data."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import softplus

LOG_2PI = math.log(2 * math.pi)


def soft_clamp(x: Float[Tensor, "..."], low: float, high: float) -> Float[Tensor, "..."]:
    """x, bent smoothly into (low, high), with a gradient that fades but never jumps to zero.

    low + softplus(x − low) − softplus(x − high), which is symmetric about the middle and equals x there. It is written
    nested, so that nothing cancels for large x.
    """
    return high - softplus(math.log(math.expm1(high - low)) - softplus(x - low))


@dataclass(frozen=True)
class DiagonalGaussian:
    """Independent Gaussians: mean and log-variance, each [batch, dimension]."""

    mean: Float[Tensor, "batch dimension"]
    log_variance: Float[Tensor, "batch dimension"]

    @property
    def scale(self) -> Float[Tensor, "batch dimension"]:
        """Standard deviations."""
        return (0.5 * self.log_variance).exp()

    def at(self, noise: Float[Tensor, "batch dimension"]) -> Float[Tensor, "batch dimension"]:
        """The point that standard normal noise is mapped to (the reparametrisation trick)."""
        return self.mean + self.scale * noise

    def standardised(self, z: Float[Tensor, "batch dimension"]) -> Float[Tensor, "batch dimension"]:
        """The noise that `at` maps to z."""
        return (z - self.mean) / self.scale

    def log_prob(self, z: Float[Tensor, "batch dimension"]) -> Float[Tensor, " batch"]:
        """Log-density in nats, summed over dimensions."""
        return -0.5 * (self.standardised(z).square() + self.log_variance + LOG_2PI).sum(1)

    def kl(self, other: "DiagonalGaussian") -> Float[Tensor, "batch dimension"]:
        """KL(self ‖ other) in nats per dimension: never negative."""
        gap = (self.mean - other.mean).square() / other.log_variance.exp()
        ratio = self.log_variance - other.log_variance
        return 0.5 * (gap + ratio.expm1() - ratio)


def standard_normal_like(mean: Float[Tensor, "batch dimension"]) -> DiagonalGaussian:
    """The standard normal of the same size."""
    return DiagonalGaussian(torch.zeros_like(mean), torch.zeros_like(mean))
