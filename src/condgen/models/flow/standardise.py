"""Standardisation of data to mean zero and unit variance, which flows expect."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from condgen.models import together

OBSERVATIONS = 10_000  # number of observations after which the moments stay fixed
LEAST = 1e-4  # a smaller standard deviation counts as zero


class Standardiser(nn.Module):
    """Shifts and scales by the moments of the first observations seen in training, one per channel or dimension.

    Variances are gathered around the mean (Chan et al. 1979). In the difference of two raw moments, the rounding of a
    constant channel would pass for variation.
    """

    seen: Tensor
    mean: Tensor
    square: Tensor

    def __init__(self, shape: tuple[int, ...]):
        super().__init__()
        self.shape = shape
        per_channel = (shape[0], *[1] * (len(shape) - 1))
        self.register_buffer("seen", torch.zeros(()))
        self.register_buffer("mean", torch.zeros(per_channel))
        self.register_buffer("square", torch.ones(per_channel))

    @torch.no_grad()
    def observe(self, x: Float[Tensor, "batch ..."]) -> None:
        """Update the moments with training observations, until enough have been seen."""
        if self.seen >= OBSERVATIONS:
            return
        others = (0, *range(2, x.dim()))
        n = together.size(len(x))
        share = n / (self.seen + n)
        mean = together.averaged(x.float().mean(others)).view_as(self.mean)
        variance = together.averaged((x.float() - mean).square().mean(others)).view_as(self.mean)
        between = share * (1 - share) * (mean - self.mean).square()
        variance = self.variance.lerp(variance, share) + between
        self.mean.lerp_(mean, share)
        self.square.copy_(self.mean.square() + variance)  # without variation, exactly the mean's square
        self.seen += n

    @property
    def variance(self) -> Float[Tensor, "channel ..."]:
        """Variances, from the moments that checkpoints hold."""
        return (self.square - self.mean.square()).clamp(min=0)

    @property
    def scale(self) -> Float[Tensor, "channel ..."]:
        """Standard deviations, or 1 where there is no variation."""
        deviation = self.variance.sqrt()
        return torch.where(deviation > LEAST, deviation, 1.0)

    @property
    def log_volume(self) -> Float[Tensor, ""]:
        """The change of log-density by standardising, −Σ log scale over all values, in nats."""
        return -self.scale.log().expand(self.shape).sum()

    def forward(self, x: Float[Tensor, "batch ..."]) -> Float[Tensor, "batch ..."]:
        """(x − mean) / scale."""
        return (x - self.mean) / self.scale

    def inverse(self, x: Float[Tensor, "batch ..."]) -> Float[Tensor, "batch ..."]:
        """mean + scale · x."""
        return self.mean + self.scale * x
