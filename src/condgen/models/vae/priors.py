"""Priors: distributions of the latent z given the condition."""

from typing import Annotated

import torch
from jaxtyping import Float
from torch import Tensor, nn

from condgen.conditioning import Encoded, FiLM, TimeEncoder
from condgen.gaussian import DiagonalGaussian, soft_clamp, standard_normal_like
from condgen.models import together
from condgen.models.backbones import Count, Depth
from condgen.models.base import Terms
from condgen.models.flow.matching import FlowMatching
from condgen.models.flow.paths import Linear
from condgen.networks import MLP
from condgen.parameters import Needs, Setting
from condgen.registry import NameIn, Registry

OF_FLOW = Needs(prior="flow")
TIME = 64  # width of a flow's encoded time and condition
EXACT = 64  # latents up to which a flow's density is exact, at a tenth of the speed of an estimate on one core
LOG_VARIANCE = (-6.0, 6.0)  # symmetric, so that zero is mapped to zero


class Prior(nn.Module):
    """A distribution p(z|c) that is an invertible map of standard normal noise.

    `latent` is the number of dimensions of z, and `condition_width` the width of c.vector.
    """

    conditional = True  # whether it depends on the condition

    def __init__(self, latent: int, condition_width: int):
        super().__init__()
        self.latent = latent
        self.condition_width = condition_width

    def from_noise(self, noise: Float[Tensor, "batch latent"], c: Encoded) -> Float[Tensor, "batch latent"]:
        """The latent that standard normal noise maps to under c. Sampling applies this to noise."""
        raise NotImplementedError

    def to_noise(self, z: Float[Tensor, "batch latent"], c: Encoded) -> Float[Tensor, "batch latent"]:
        """The inverse of `from_noise`: the part of z that does not depend on c."""
        raise NotImplementedError

    def log_prob(
        self, z: Float[Tensor, "batch latent"], c: Encoded, generator: torch.Generator | None = None
    ) -> Float[Tensor, " batch"]:
        """log p(z|c) in nats. generator: of the random numbers of an estimate, PyTorch's own by default."""
        raise NotImplementedError

    def kl(self, posterior: DiagonalGaussian, z: Float[Tensor, "batch latent"], c: Encoded) -> Float[Tensor, " batch"]:
        """KL(q(z|x,c) ‖ p(z|c)) in nats. Here a one-sample estimate at z ~ q."""
        return posterior.log_prob(z) - self.log_prob(z, c)

    def extra_loss(self, z: Float[Tensor, "batch latent"], c: Encoded) -> Terms:
        """Further loss terms of a prior that is fitted to the latents, which are not changed by it. Empty for most
        priors.
        """
        return {}


class GaussianPrior(Prior):
    """A prior with one diagonal Gaussian per condition, for which everything has a closed form."""

    def gaussian(self, c: Encoded) -> DiagonalGaussian:
        """The prior under each condition of the batch, [batch, latent]."""
        raise NotImplementedError

    def from_noise(self, noise: Float[Tensor, "batch latent"], c: Encoded) -> Float[Tensor, "batch latent"]:
        """μ(c) + σ(c) · noise."""
        return self.gaussian(c).at(noise)

    def to_noise(self, z: Float[Tensor, "batch latent"], c: Encoded) -> Float[Tensor, "batch latent"]:
        """(z − μ(c)) / σ(c)."""
        return self.gaussian(c).standardised(z)

    def log_prob(
        self, z: Float[Tensor, "batch latent"], c: Encoded, generator: torch.Generator | None = None
    ) -> Float[Tensor, " batch"]:
        """log N(z; μ(c), σ²(c)) in nats."""
        return self.gaussian(c).log_prob(z)

    def kl(self, posterior: DiagonalGaussian, z: Float[Tensor, "batch latent"], c: Encoded) -> Float[Tensor, " batch"]:
        """KL in closed form (Kingma & Welling 2014, appendix B, for any mean and variance)."""
        return posterior.kl(self.gaussian(c)).sum(1)


class StandardNormal(GaussianPrior):
    """N(0, I) for every condition, so that z need not encode anything about c."""

    conditional = False

    def gaussian(self, c: Encoded) -> DiagonalGaussian:
        """Mean 0 and log-variance 0."""
        return standard_normal_like(c.vector.new_zeros(c.vector.shape[0], self.latent))


class LearnedGaussian(GaussianPrior):
    """One Gaussian per condition. Mean and variance are learned linear maps of the encoded condition."""

    def __init__(self, latent: int, condition_width: int):
        super().__init__(latent, condition_width)
        self.mean_and_log_variance = nn.Linear(condition_width, 2 * latent)
        nn.init.zeros_(self.mean_and_log_variance.weight)
        nn.init.zeros_(self.mean_and_log_variance.bias)

    def gaussian(self, c: Encoded) -> DiagonalGaussian:
        """μ(c) and a bounded log σ²(c). N(0, I) at the start of training."""
        mean, log_variance = self.mean_and_log_variance(c.vector).chunk(2, dim=1)
        return DiagonalGaussian(mean, soft_clamp(log_variance, *LOG_VARIANCE))


class FixedGaussian(GaussianPrior):
    """One unit Gaussian per condition with fixed, different means, orthogonal as long as there are enough dimensions.

    The mean under a plainly encoded condition lies about `separation` standard deviations from the origin, whatever the
    schema. If a categorical is the only attribute, two of its values lie `separation`·√2 apart. If a flag is, yes and
    no lie 2·`separation` apart. Several attributes share that distance.
    """

    means: Tensor

    def __init__(self, latent: int, condition_width: int, separation: float = 3.0):
        super().__init__(latent, condition_width)
        self.separation = separation
        directions = torch.randn(condition_width, latent, generator=torch.Generator().manual_seed(0))
        if condition_width <= latent:
            directions = torch.linalg.qr(directions.T).Q.T
        per_unit = separation / condition_width**0.5  # c.vector has a mean square of one per number
        self.register_buffer("means", per_unit * nn.functional.normalize(directions, dim=1))

    def gaussian(self, c: Encoded) -> DiagonalGaussian:
        """The condition's fixed mean, and log-variance 0."""
        mean = c.vector @ self.means
        return DiagonalGaussian(mean, torch.zeros_like(mean))


class ConditionalFlow(Prior):
    """A small conditional flow, fitted to the latents while they are learned.

    The KL term keeps the encoder near N(0, I), its reference, while the flow learns the actual latents of each
    condition (Vahdat et al. 2021 and Rombach et al. 2022, without their second stage). Sampling integrates a dense
    network in `steps` steps of Heun's method. Fitting uses every latent `draws` times, each with its own noise and
    time. That is cheap beside the encoder.
    """

    def __init__(
        self,
        latent: int,
        condition_width: int,
        *,
        hidden: Annotated[Count, Setting("Width of the flow's layers.", "prior_width", "prior"), OF_FLOW] = 256,
        depth: Annotated[Depth, Setting("Number of the flow's hidden layers.", "prior_depth", "prior"), OF_FLOW] = 3,
        draws: Annotated[
            Count,
            Setting("Number of times that training shows each latent to the flow.", "prior_draws", "prior"),
            OF_FLOW,
        ] = 1,
        steps: int = 12,
        additive: bool = False,
    ):
        super().__init__(latent, condition_width)
        self.draws = draws
        self.steps = steps
        self.transport = FlowMatching(
            (latent,),
            network=MLP(latent, [hidden] * depth, latent, mechanism=FiLM, condition_width=TIME),
            time_encoder=TimeEncoder(condition_width, TIME, additive=additive),
            path=Linear(),
        )

    def from_noise(self, noise: Float[Tensor, "batch latent"], c: Encoded) -> Float[Tensor, "batch latent"]:
        """The end of the flow that starts from this noise."""
        return self.transport.to_data(self.transport.field(c), noise, "heun", self.steps)

    def to_noise(self, z: Float[Tensor, "batch latent"], c: Encoded) -> Float[Tensor, "batch latent"]:
        """The start of the flow that ends in z."""
        return self.transport.to_noise(self.transport.field(c), z, "heun", self.steps)

    def log_prob(
        self, z: Float[Tensor, "batch latent"], c: Encoded, generator: torch.Generator | None = None
    ) -> Float[Tensor, " batch"]:
        """log p(z|c) in nats by change of variables. Not differentiable.

        Above 64 dimensions it is an estimate along one random direction, which depends on nothing but the seed of
        `generator`. All samples of an importance-weighted bound share it, so its noise moves the bound up or down, and
        does not always raise it.
        """
        seed = torch.initial_seed() if generator is None else generator.initial_seed()
        same = torch.Generator(z.device).manual_seed(seed)
        return self.transport.log_prob(z, c, "heun", self.steps, generator=same, exact=EXACT)

    def kl(self, posterior: DiagonalGaussian, z: Float[Tensor, "batch latent"], c: Encoded) -> Float[Tensor, " batch"]:
        """KL(q(z|x,c) ‖ N(0, I)), the regulariser. The KL to the flow itself is smaller once the flow fits."""
        return posterior.kl(standard_normal_like(posterior.mean)).sum(1)

    def extra_loss(self, z: Float[Tensor, "batch latent"], c: Encoded) -> Terms:
        """The flow-matching loss on latents."""
        data = self.transport.observe(z).repeat(self.draws, 1)
        c = Encoded(c.vector.repeat(self.draws, 1), c.tokens.repeat(self.draws, 1, 1))
        return {"matching": self.transport(data, together.randn_like(data), c)["loss"]}


PRIORS: Registry[type[Prior]] = Registry(
    "prior",
    "condgen.priors",
    {"standard": StandardNormal, "gaussian": LearnedGaussian, "gaussian-fixed": FixedGaussian, "flow": ConditionalFlow},
    accepts=lambda entry: isinstance(entry, type) and issubclass(entry, Prior),
    wanted="subclass of condgen.models.vae.priors.Prior",
)
PriorName = Annotated[
    str,
    NameIn(PRIORS),
    Setting(
        "Distribution of the latent: one normal for all, a learned or fixed normal per condition, or a flow.",
        part="prior",
    ),
]
