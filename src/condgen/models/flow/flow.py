"""Flow matching: a velocity carries noise to data under a condition (Lipman et al. 2023, Ho & Salimans 2022).

A flow has three independent parts. The path mixes noise and data at time t, the network predicts from the mixture, and
the sampler follows the velocity. Attributes that a request leaves free enter as the network's learned null.
"""

from collections.abc import Callable
from typing import Annotated, Literal

import torch
from jaxtyping import Bool, Float
from pydantic import Field
from torch import Tensor, nn

from condgen.conditioning import EmbeddingEncoder, Encoded, TimeEncoder
from condgen.gaussian import DiagonalGaussian
from condgen.models import together
from condgen.models.backbones import (
    Additive,
    Backbone,
    Backbones,
    ConditionDropout,
    Embedding,
    EnteringBy,
    Size,
    StepCount,
)
from condgen.models.base import Batch, Model, Terms
from condgen.models.flow.dropout import dropped
from condgen.models.flow.guidance import PLAIN, Guidance, GuidanceWeight
from condgen.models.flow.integration import InvertsGuided
from condgen.models.flow.matching import FlowMatching
from condgen.models.flow.paths import PATHS, PathName, Time, expand_like
from condgen.models.flow.samplers import SamplerName
from condgen.models.registry import Family, Practice
from condgen.parameters import Part, Setting, composed
from condgen.rng import Rng
from condgen.schema import Condition, Schema

Latent = Float[Tensor, "batch latent"]
CouplingName = Literal["independent", "optimal"]


class Flow(InvertsGuided, Model):
    """A conditional flow, with the default settings of its sampling."""

    handles_missing = True
    uses_unlabelled = True
    lossless = True

    def __init__(
        self,
        schema: Schema,
        shape: tuple[int, ...],
        *,
        condition_encoder: EmbeddingEncoder,
        transport: FlowMatching,
        coupling: CouplingName = "independent",
        condition_dropout: float = 0.1,
        guidance: Guidance = PLAIN,
        steps: int = 16,
        sampler: SamplerName = "heun",
    ):
        super().__init__(schema, shape)
        self.condition_encoder = condition_encoder
        self.transport = transport
        self.path = transport.path
        self.coupling = coupling
        self.condition_dropout = condition_dropout
        self.guidance = guidance
        self.steps = steps
        self.sampler = sampler

    def forward(self, x: Batch, condition: Condition, player: str = "model") -> Terms:
        """The flow-matching loss, with attributes randomly left free so that guidance has a contrast."""
        data = self.transport.observe(x)
        noise = together.randn_like(data)
        if self.coupling == "optimal":
            everyone = together.gathered(noise), together.gathered(data), together.gathered(condition)
            noise = together.own(coupled(*everyone))
        if self.training:
            condition = dropped(condition, self.condition_dropout)
        terms: Terms = self.transport(data, noise, self.condition_encoder(condition))
        return terms

    def parts(self) -> dict[str, nn.Module]:
        """The trained parts, by the names that they have in a student."""
        return {"condition_encoder": self.condition_encoder, **dict(self.transport.named_children())}

    def velocity(self, x: Batch, t: Time, c: Encoded) -> Batch:
        """dx/dt at x_t = x, in standardised data."""
        return self.transport.velocity(x, t, c)

    def start(self, rng: Rng) -> Batch:
        """Noise of the shape of the data."""
        return rng.normal(*self.shape, device=self.device)

    def observed(self, x: Batch, c: Encoded, rng: Rng) -> Batch:
        """Standardised data as observations. Images are clamped to [0, 1]."""
        return self.shown(x, c)

    def standardised(self, x: Batch, c: Encoded) -> Batch:
        """Observations as standardised data."""
        return self.transport.standardise(x)

    def shown(self, x: Batch, c: Encoded) -> Batch:
        """Standardised data as observations. Images are clamped to [0, 1]."""
        x = self.transport.standardise.inverse(x)
        return x.clamp(0, 1) if len(self.shape) == 3 else x

    def encode(self, x: Batch, condition: Condition) -> DiagonalGaussian:
        """The noise that leads to x, as a Gaussian without variance: [batch, values]."""
        noise = self.to_noise(x, self.condition_encoder(condition)).flatten(1)
        return DiagonalGaussian(noise, torch.full_like(noise, -torch.inf))

    def decode(self, z: Latent, condition: Condition) -> Batch:
        """The observation that noise leads to under a condition, without guidance: [batch, *shape]. The inverse of
        `encode`.
        """
        return self.from_noise(z.view(-1, *self.shape), self.condition_encoder(condition))

    def reconstruct(self, x: Batch, condition: Condition) -> Batch:
        """x, integrated to noise and back under its own condition."""
        return self.decode(self.encode(x, condition).mean, condition)

    def inpaint(self, x: Batch, known: Bool[Tensor, "..."], condition: Condition, rng: Rng) -> Batch:
        """x with its unknown part filled in under a condition. `known` broadcasts to x.

        Known values follow the path that leads to them, α̇ x + σ̇ ε, so the network always sees them at the right noise
        level. The others follow the guided velocity.
        """
        noise = rng.normal(*self.shape, device=self.device)
        data, velocity = self.transport.standardise(x), self.guidance.velocity(self.field, condition)

        def clamped(x_t: Batch, t: Time) -> Batch:
            at = self.transport.path.at(t)
            towards = expand_like(at.alpha_dot, data) * data + expand_like(at.sigma_dot, data) * noise
            return torch.where(known, towards, velocity(x_t, t))

        return torch.where(known, x, self.shown(self.integrated(clamped, noise), self.condition_encoder(condition)))

    def log_likelihood(
        self, x: Batch, condition: Condition, samples: int = 1, generator: torch.Generator | None = None
    ) -> Float[Tensor, " batch"]:
        """log p(x|c) in nats by change of variables, per observation. For images, a density over [0, 1] per value.

        samples: number of random directions that estimate the divergence if there are too many dimensions for computing
            it.
        """
        c = self.condition_encoder(condition)
        return self.transport.log_prob(x, c, self.sampler, self.steps, samples, generator)


def coupled(noise: Batch, data: Batch, condition: Condition) -> Batch:
    """The batch's noise, reordered within equal conditions so that each noise lies near its data.

    Optimal transport within the batch straightens the paths (Tong et al. 2024). Across conditions it would make the
    noise depend on the condition, although sampling draws them independently.
    """
    from scipy.optimize import linear_sum_assignment

    table = torch.cat([condition.matrix(), condition.present.float()], dim=1)
    groups = table.unique(dim=0, return_inverse=True)[1]
    paired = noise.clone()
    for group in groups.unique():
        index = (groups == group).nonzero()[:, 0]
        cost = torch.cdist(data[index].flatten(1), noise[index].flatten(1)).square()
        paired[index] = noise[index[torch.as_tensor(linear_sum_assignment(cost.cpu().numpy())[1], device=index.device)]]
    return paired


Share = Annotated[float, Field(ge=0, le=1)]


@composed(depth=2)
def flow(
    schema: Schema,
    shape: tuple[int, ...],
    *,
    mechanism: EnteringBy = "film",
    embedding: Embedding = 64,
    additive: Additive = False,
    condition_dropout: ConditionDropout = 0.1,
    backbone: Backbone = None,
    size: Size,
    path: PathName = "linear",
    matching: Annotated[Callable[..., FlowMatching], Part(FlowMatching)],
    coupling: Annotated[
        CouplingName, Setting("Pairing of noise and data in a batch: random, or nearest.", part="path")
    ] = "independent",
    guidance: GuidanceWeight = 1.0,
    guidance_from: Annotated[Share, Setting("Time at which guidance starts. Noise is at 0.", part="sampling")] = 0.0,
    guidance_to: Annotated[Share, Setting("Time at which guidance ends. Data is at 1.", part="sampling")] = 1.0,
    steps: Annotated[StepCount, Setting("Steps from noise to data.", part="sampling")] = 16,
    sampler: Annotated[SamplerName, Setting("Method of integration from noise to data.", part="sampling")] = "heun",
) -> Flow:
    """A conditional flow: a velocity carries noise to data, in many steps, with guidance and exact likelihoods."""
    if guidance_from >= guidance_to:
        raise ValueError(f"guidance would act nowhere: guidance_from={guidance_from}, guidance_to={guidance_to}")
    return Flow(
        schema,
        shape,
        condition_encoder=EmbeddingEncoder(schema, embedding, additive),
        transport=matching(
            shape,
            network=Backbones(shape, embedding, size).field(mechanism, backbone),
            time_encoder=TimeEncoder(embedding, embedding, additive=additive),
            path=PATHS[path](),
        ),
        coupling=coupling,
        condition_dropout=condition_dropout,
        guidance=Guidance(guidance, (guidance_from, guidance_to)),
        steps=steps,
        sampler=sampler,
    )


FLOW = Family(
    flow,
    training={"lr": 3e-3, "weight_decay": 0.0},
    practice=Practice(steps=300),  # every noise level has to be learned
)
