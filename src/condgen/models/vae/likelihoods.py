"""Likelihoods p(x|z,c): log-probabilities of an observation given the decoder's raw outputs, in nats, summed over
values.

Images are in [0, 1]. `raw` holds `per_value` numbers for each value of x, stacked along dimension 1.
"""

import math
from typing import Annotated, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, softplus

from condgen.gaussian import LOG_2PI, soft_clamp
from condgen.parameters import Setting
from condgen.rng import Rng

Batch = Float[Tensor, "batch ..."]
LikelihoodName = Annotated[
    Literal["bernoulli", "gaussian", "laplace", "logistic"] | None,
    Setting(
        "How a decoded observation is compared with a real one; unless given, bernoulli for images. Vectors take "
        "gaussian.",
        part="likelihood",
    ),
]
_FAR = 1e4  # a distance, in scales of the logistic, beyond which its density vanishes


class Likelihood(nn.Module):
    """A distribution of x given the decoder's raw outputs.

    finish: the step from expected observations to those that are shown. By default there is none.
    """

    per_value = 1  # raw outputs for each value of x

    def __init__(self, shape: tuple[int, ...], finish: nn.Module | None = None):
        super().__init__()
        self.shape = shape
        self.finish = finish or nn.Identity()

    def log_prob(self, x: Batch, raw: Batch) -> Float[Tensor, " batch"]:
        """log p(x|raw) in nats, summed over all values of an observation."""
        raise NotImplementedError

    def mean(self, raw: Batch) -> Batch:
        """The expected observation, as it is shown."""
        shown: Batch = self.finish(self.expected(raw))
        return shown

    def expected(self, raw: Batch) -> Batch:
        """The expected observation, as losses see it."""
        raise NotImplementedError

    def draw(self, raw: Batch, rng: Rng) -> Batch:
        """An observation drawn with its noise."""
        raise NotImplementedError


class Bernoulli(Likelihood):
    """Each value is 1 with probability sigmoid(raw).

    A likelihood for binary x, and the usual cross-entropy for grey x.
    """

    def log_prob(self, x: Batch, raw: Batch) -> Float[Tensor, " batch"]:
        """−Σ cross-entropy."""
        return -binary_cross_entropy_with_logits(raw, x, reduction="none").flatten(1).sum(1)

    def expected(self, raw: Batch) -> Batch:
        """Probabilities."""
        return raw.sigmoid()

    def draw(self, raw: Batch, rng: Rng) -> Batch:
        """Zeros and ones."""
        return (rng.uniform(*raw.shape[1:], device=raw.device) < raw.sigmoid()).float()


class Gaussian(Likelihood):
    """Gaussian noise with a learned variance: one per channel, or one per dimension of a vector.

    It balances reconstruction and KL without a hand-set weight (Rybkin et al. 2021, σ-VAE).
    """

    def __init__(self, shape: tuple[int, ...], finish: nn.Module | None = None):
        super().__init__(shape, finish)
        self.log_variance = nn.Parameter(torch.full((shape[0], *[1] * (len(shape) - 1)), -3.0))

    def _bounded(self) -> Tensor:
        return soft_clamp(self.log_variance, -12.0, 4.0)

    def log_prob(self, x: Batch, raw: Batch) -> Float[Tensor, " batch"]:
        """Σ log N(x; raw, σ²)."""
        log_variance = self._bounded()
        density = (x - raw).square() * (-log_variance).exp() + log_variance + LOG_2PI
        return -0.5 * density.flatten(1).sum(1)

    def expected(self, raw: Batch) -> Batch:
        """The raw output itself."""
        return raw

    def draw(self, raw: Batch, rng: Rng) -> Batch:
        """The mean with Gaussian noise."""
        return raw + (0.5 * self._bounded()).exp() * rng.normal(*raw.shape[1:], device=raw.device)


class Laplace(Likelihood):
    """Laplace noise with a learned scale per channel or dimension: the absolute error, in nats.

    Outliers and slightly misplaced edges cost less than under a Gaussian.
    """

    def __init__(self, shape: tuple[int, ...], finish: nn.Module | None = None):
        super().__init__(shape, finish)
        self.log_scale = nn.Parameter(torch.full((shape[0], *[1] * (len(shape) - 1)), -2.0))

    def _bounded(self) -> Tensor:
        return soft_clamp(self.log_scale, -6.0, 2.0)

    def log_prob(self, x: Batch, raw: Batch) -> Float[Tensor, " batch"]:
        """Σ log exp(−|x − raw| / b) / 2b."""
        log_scale = self._bounded()
        density = (x - raw).abs() * (-log_scale).exp() + log_scale + math.log(2)
        return -density.flatten(1).sum(1)

    def expected(self, raw: Batch) -> Batch:
        """The raw output itself."""
        return raw

    def draw(self, raw: Batch, rng: Rng) -> Batch:
        """The mean plus Laplace noise, by the inverse distribution function."""
        u = rng.uniform(*raw.shape[1:], device=raw.device) - 0.5
        return raw - self._bounded().exp() * u.sign() * torch.log1p(-2 * u.abs().clamp(max=0.4999999))


class DiscretisedLogistic(Likelihood):
    """The probability of each of 256 grey levels under a logistic distribution with a learned scale (Kingma et al.
    2016).

    The first and last level take the tails, so the levels' probabilities sum to 1.
    """

    per_value = 2
    levels = 256

    def _mean_and_log_scale(self, raw: Batch) -> tuple[Batch, Batch]:
        shift, log_scale = raw.chunk(2, dim=1)
        return shift + 0.5, soft_clamp(log_scale - 2, -8.0, 2.0)

    def log_prob(self, x: Batch, raw: Batch) -> Float[Tensor, " batch"]:
        """Σ log (F(x + ½ level) − F(x − ½ level)), where F is the logistic distribution function σ.

        Written without cancellation: σ(a) − σ(b) = σ(a) σ(−b) (1 − exp(b − a)).
        """
        mean, log_scale = self._mean_and_log_scale(raw)
        half = 0.5 / (self.levels - 1)
        inverse = (-log_scale).exp()
        lowest, highest = x < half, x > 1 - half  # these levels include a tail: their outer border is infinite
        above = torch.where(highest, _FAR, (x - mean + half) * inverse)
        below = torch.where(lowest, -_FAR, (x - mean - half) * inverse)
        apart = torch.where(lowest | highest, _FAR, 2 * half * inverse)
        score = torch.log(-torch.expm1(-apart)) - softplus(-above) - softplus(below)
        return score.flatten(1).sum(1)

    def expected(self, raw: Batch) -> Batch:
        """The expectation when the tails count as the first and last level, ∫₀¹ 1 − F, up to the rounding to levels."""
        mean, log_scale = self._mean_and_log_scale(raw)
        scale = log_scale.exp()
        near = torch.minimum(mean, 1 - mean)  # the integral is symmetric, and below ½ nothing cancels
        integral = scale * (softplus(near / scale) - softplus((near - 1) / scale))
        return torch.where(mean < 0.5, integral, 1 - integral)

    def draw(self, raw: Batch, rng: Rng) -> Batch:
        """A grey level drawn from the logistic."""
        mean, log_scale = self._mean_and_log_scale(raw)
        u = rng.uniform(*mean.shape[1:], device=mean.device).clamp(1e-6, 1 - 1e-6)
        level = (mean + log_scale.exp() * u.logit()) * (self.levels - 1)
        return level.round().clamp(0, self.levels - 1) / (self.levels - 1)


LIKELIHOODS: dict[str, type[Likelihood]] = {
    "bernoulli": Bernoulli,
    "gaussian": Gaussian,
    "laplace": Laplace,
    "logistic": DiscretisedLogistic,
}
