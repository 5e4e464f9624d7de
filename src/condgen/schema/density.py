"""Densities: q(code|x) of an attribute, parametrised by a network's output.

Critics' classifiers (models/gan/heads.py) output all parameters of q, for one or two origins of x. Judges
(evaluation/judge) output a guess alone. Its uncertainty is fitted afterwards, on data they were not trained on.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from condgen.gaussian import LOG_2PI, soft_clamp

LOG_VARIANCE = (-4.0, 2.0)  # bounds on a classifier's log-variance of a measured attribute
REAL = 0  # the origin of real observations

Codes = Float[Tensor, "batch ..."]
PerOrigin = Float[Tensor, "batch origin output"]
Guess = Float[Tensor, "batch width"]
Reading = Float[Tensor, "batch read"]


class Density(ABC):
    """The density of an attribute's codes, parametrised by a network's output."""

    @abstractmethod
    def outputs(self, origins: int = 1) -> int:
        """The number of outputs per origin that parametrise q(code, origin|x)."""

    @abstractmethod
    def log_prob(self, output: PerOrigin, codes: Codes, origin: int = REAL) -> Float[Tensor, " batch"]:
        """log q(code, origin|x) in nats."""

    @abstractmethod
    def mode(self, output: PerOrigin) -> Codes:
        """The most likely codes."""

    @abstractmethod
    def loss(self, guess: Guess, codes: Codes) -> Float[Tensor, " batch"]:
        """The loss of a judge's guess. A guess has the width of the plain encoding."""

    @abstractmethod
    def fitted_scale(self, guess: Guess, codes: Codes) -> float:
        """The scale of guesses that maximises the likelihood of the codes."""

    @abstractmethod
    def reading(self, guess: Guess, scale: float | Float[Tensor, ""]) -> Reading:
        """A guess in readable form: calibrated log-probabilities of the values, or the code itself."""

    @abstractmethod
    def read(self, reading: Reading) -> Codes:
        """The most likely codes given a reading."""

    def spread(self, scale: float) -> float | None:
        """The standard deviation of a reading's `distance` from the code. None for named values."""
        return None

    @abstractmethod
    def distance(self, reading: Reading, codes: Codes) -> Float[Tensor, " batch"]:
        """The distance of a reading from the code, on the scale on which its spread is the same everywhere."""

    @abstractmethod
    def log_likelihood(self, reading: Reading, codes: Codes, spread: float | None) -> Float[Tensor, " batch"]:
        """log q(code|x) in nats, given a reading and the spread of its error."""


class ChoiceDensity(Density):
    """A softmax over `count` named values, or over pairs of origin and value if there are several origins.

    binary: a guess is one logit, of the second value against the first. Codes may be probabilities of the second value.
    """

    def __init__(self, count: int, binary: bool = False):
        self.count = count
        self.binary = binary

    def outputs(self, origins: int = 1) -> int:
        """One logit per value."""
        return self.count

    def log_prob(self, output: PerOrigin, codes: Codes, origin: int = REAL) -> Float[Tensor, " batch"]:
        """The log-probability of the code. If the label is a probability, the mean under it."""
        log_p = output.flatten(1).log_softmax(1)[:, self.count * origin : self.count * (origin + 1)]
        if not self.binary:
            return log_p.gather(1, codes.long()[:, None])[:, 0]
        no, yes = log_p.unbind(1)
        return codes * yes + (1 - codes) * no

    def mode(self, output: PerOrigin) -> Codes:
        """The most likely value, over both origins: real and generated."""
        return output.logsumexp(1).argmax(1).float()

    def loss(self, guess: Guess, codes: Codes) -> Float[Tensor, " batch"]:
        """The cross-entropy."""
        return -self.log_prob(self._logits(guess)[:, None], codes)

    def fitted_scale(self, guess: Guess, codes: Codes) -> float:
        """The temperature (Guo et al. 2017).

        The likelihood has one peak in the inverse temperature, which a fine grid finds. A judge without any mistake
        keeps finite confidence.
        """
        grid, values = torch.logspace(-1, 1, 201), codes.round().long()
        losses = [torch.nn.functional.cross_entropy(self._logits(guess / t), values) for t in grid.to(guess)]
        return float(grid[int(torch.stack(losses).argmin())])

    def reading(self, guess: Guess, scale: float | Float[Tensor, ""]) -> Reading:
        """Log-probabilities of the values."""
        return self._logits(guess / scale).log_softmax(1)

    def read(self, reading: Reading) -> Codes:
        """The most likely value."""
        return reading.argmax(1).float()

    def distance(self, reading: Reading, codes: Codes) -> Float[Tensor, " batch"]:
        """0 if the value is the most likely one, else 1."""
        return (self.read(reading) != codes.round()).float()

    def log_likelihood(self, reading: Reading, codes: Codes, spread: float | None) -> Float[Tensor, " batch"]:
        """The value's log-probability."""
        return reading.gather(1, codes.round().long()[:, None])[:, 0]

    def _logits(self, guess: Guess) -> Float[Tensor, "batch value"]:
        return torch.cat([torch.zeros_like(guess), guess], dim=1) if self.binary else guess


class GaussianDensity(Density):
    """An isotropic Gaussian around the plain encoding, one per origin.

    encode, decode: from codes to the plain encoding [batch, width], and back.
    limit: readings are clamped to [−limit, limit].
    unit: the factor from an encoding's error to `distance`: the unit of `Attribute.error`, or of the logarithm on a
        logarithmic scale, where no other error is constant.
    """

    def __init__(
        self,
        encode: Callable[[Tensor], Tensor],
        decode: Callable[[Tensor], Tensor],
        *,
        width: int = 1,
        limit: float = 1.0,
        unit: float = 1.0,
    ):
        self.encode = encode
        self.decode = decode
        self.width = width
        self.limit = limit
        self.unit = unit

    def outputs(self, origins: int = 1) -> int:
        """Mean and log-variance, and the origin's logit if there are several origins."""
        return self.width + 1 + (origins > 1)

    def log_prob(self, output: PerOrigin, codes: Codes, origin: int = REAL) -> Float[Tensor, " batch"]:
        """The density of the plain encoding."""
        mean, log_variance, logits = output.tensor_split([self.width, self.width + 1], dim=2)
        log_origin = logits[:, :, 0].log_softmax(1)[:, origin] if logits.shape[2] else 0.0
        log_variance = soft_clamp(log_variance[:, origin], *LOG_VARIANCE)
        square = (self.encode(codes) - mean[:, origin]).square()
        return log_origin - 0.5 * (square / log_variance.exp() + log_variance + LOG_2PI).sum(1)

    def mode(self, output: PerOrigin) -> Codes:
        """The mean for real observations."""
        return self.decode(output[:, REAL, : self.width].clamp(-self.limit, self.limit))

    def loss(self, guess: Guess, codes: Codes) -> Float[Tensor, " batch"]:
        """The squared error of the plain encoding."""
        return (guess - self.encode(codes)).square().mean(1)

    def fitted_scale(self, guess: Guess, codes: Codes) -> float:
        """The standard deviation of the error of the plain encoding."""
        return float((guess - self.encode(codes)).square().mean().sqrt().clamp(min=1e-4))

    def reading(self, guess: Guess, scale: float | Float[Tensor, ""]) -> Reading:
        """The code itself."""
        return self.decode(guess).flatten(1) if self.width > 1 else self.decode(guess)[:, None]

    def read(self, reading: Reading) -> Codes:
        """The code itself."""
        return reading if self.width > 1 else reading[:, 0]

    def spread(self, scale: float) -> float:
        """The standard deviation of the error."""
        return scale * self.unit

    def distance(self, reading: Reading, codes: Codes) -> Float[Tensor, " batch"]:
        """The root mean square difference of the plain encodings, in `unit`."""
        return self._apart(reading, codes).square().mean(1).sqrt()

    def _apart(self, reading: Reading, codes: Codes) -> Float[Tensor, "batch width"]:
        return self.unit * (self.encode(self.read(reading)) - self.encode(codes))

    def log_likelihood(self, reading: Reading, codes: Codes, spread: float | None) -> Float[Tensor, " batch"]:
        """The density of a Gaussian around the code that was read, per unit of error."""
        assert spread is not None
        return -(0.5 * (self._apart(reading, codes) / spread).square() + math.log(spread) + 0.5 * LOG_2PI).sum(1)
