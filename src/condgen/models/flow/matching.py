"""Flow matching: path, network and loss of a learned velocity from noise to data (Lipman et al. 2023).

Shared by flows of pixels and flows of an autoencoder's latents. It takes encoded conditions only.
"""

from typing import Annotated, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from condgen.conditioning import Encoded, TimeEncoder
from condgen.models import together
from condgen.models.base import Batch, Terms
from condgen.models.flow.density import EXACT, directions, log_density
from condgen.models.flow.integration import reversible
from condgen.models.flow.paths import Path, PredictionName, Time, expand_like, preconditioning
from condgen.models.flow.samplers import SAMPLERS, SamplerName, Velocity
from condgen.models.flow.standardise import Standardiser
from condgen.parameters import Setting

TimesName = Literal["uniform", "logit-normal"]


class FlowMatching(nn.Module):
    """A learned velocity for observations of one shape.

    network(x, c) maps [batch, *shape] to the same shape. Its c holds the condition and the time.
    predict: the quantity that the loss compares, which decides the weight of each time (see `paths.Preconditioning`).
    times: the distribution of training times.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        *,
        network: nn.Module,
        time_encoder: TimeEncoder,
        path: Path,
        predict: Annotated[
            PredictionName, Setting("Quantity that the loss compares. It sets the weight of each time.", part="path")
        ] = "velocity",
        times: Annotated[
            TimesName, Setting("Distribution of training times: uniform, or more in the middle.", part="path")
        ] = "uniform",
    ):
        super().__init__()
        self.shape = shape
        self.network = network
        self.time_encoder = time_encoder
        self.standardise = Standardiser(shape)
        self.path = path
        self.predict: PredictionName = predict
        self.times: TimesName = times

    def forward(self, data: Batch, noise: Batch, c: Encoded) -> Terms:
        """The loss on standardised data: E |y − ŷ(x_t, t, c)|², where y is the velocity, the noise or the
        data (eq. 9).
        """
        return self.matching(data, noise, draw_times(self.times, len(data), data.device), c)

    def matching(self, data: Batch, noise: Batch, t: Time, c: Encoded) -> Terms:
        """The loss at given times, averaged over batch and values. `error` is about 1 for an untrained network.

        The network's target is (σ x − α ε)/√(α² + σ²) for every choice of `predict`. The choice only sets the weight.
        """
        at = self.path.at(t)
        alpha, sigma, deviation = (expand_like(part, data) for part in (at.alpha, at.sigma, at.variance.sqrt()))
        wanted = (sigma * data - alpha * noise) / deviation
        found = self.network((alpha * data + sigma * noise) / deviation, self.time_encoder(c, t))
        error = (found - wanted).square().flatten(1).mean(1)
        return {"loss": (preconditioning(at, self.predict).out.square() * error).mean(), "error": error.mean()}

    def observe(self, x: Batch) -> Batch:
        """Training observations, standardised by the moments seen so far."""
        if self.training:
            self.standardise.observe(x)
        return self.standardise(x)

    def velocity(self, x: Batch, t: Time, c: Encoded) -> Batch:
        """dx/dt at x_t = x, in standardised data, computed from the network's output."""
        at = self.path.at(t)
        skip, out = (expand_like(part, x) for part in preconditioning(at, "velocity"))
        return skip * x + out * self.network(x / expand_like(at.variance.sqrt(), x), self.time_encoder(c, t))

    def field(self, c: Encoded) -> Velocity:
        """The velocity under an encoded condition."""
        return lambda x, t: self.velocity(x, t, c)

    def to_data(self, velocity: Velocity, noise: Batch, sampler: SamplerName, steps: int) -> Batch:
        """Noise integrated along a velocity to observations."""
        return self.standardise.inverse(SAMPLERS[sampler](velocity, noise, self.path, steps))

    def to_noise(self, velocity: Velocity, x: Batch, sampler: SamplerName, steps: int) -> Batch:
        """Observations integrated back along a velocity to their noise."""
        integrate = SAMPLERS[reversible(sampler)]
        return integrate(velocity, self.standardise(x), self.path, steps, start=1.0, end=0.0)

    def log_prob(
        self,
        x: Batch,
        c: Encoded,
        sampler: SamplerName,
        steps: int,
        probes: int = 1,
        generator: torch.Generator | None = None,
        exact: int = EXACT,
    ) -> Float[Tensor, " batch"]:
        """log p(x|c) in nats, by change of variables: an estimate in more than `exact` dimensions."""
        along = directions(self.shape, probes, generator, x.device, exact)
        with torch.inference_mode(False):  # inference mode has no derivatives
            c, x = Encoded(*(part.clone() for part in c)), self.standardise(x.clone())
            found = log_density(self.field(c), x, self.path, SAMPLERS[reversible(sampler)], steps, along)
            return found + self.standardise.log_volume


def draw_times(name: TimesName, n: int, device: torch.device) -> Time:
    """n times, one in each n-th of the distribution.

    The distribution is uniform, or logit-normal, which has more times in the middle, where prediction is hard (Esser et
    al. 2024, eq. 19).
    """
    u = (together.index(n, device) + together.rand(n, device=device)) / together.size(n)
    return u if name == "uniform" else torch.special.ndtri(u.clamp(1e-6, 1 - 1e-6)).sigmoid()
