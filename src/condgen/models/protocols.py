"""Abilities that some models have, each a protocol: ask with `isinstance(model, Encodes)`.

Every `Model` samples. A class with a protocol's methods has the ability, and need not inherit from the protocol. A
composition of parts that lacks an ability is a class of its own, without the method.
"""

from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from condgen.conditioning import ConditionEncoder
from condgen.gaussian import DiagonalGaussian
from condgen.models.base import Batch
from condgen.models.flow.guidance import Guidance, Guide
from condgen.models.flow.samplers import SamplerName
from condgen.models.vae.priors import Prior
from condgen.rng import Rng
from condgen.schema import Condition

Latent = Float[Tensor, "batch latent"]


@runtime_checkable
class HasConditionEncoder(Protocol):
    """All conditions enter through one encoder, which others may call, replace or cut off."""

    @property
    def condition_encoder(self) -> ConditionEncoder:
        """The encoder from conditions to the input of layers."""
        ...


@runtime_checkable
class HasPrior(HasConditionEncoder, Protocol):
    """The latent has a distribution under each condition."""

    prior: Prior


@runtime_checkable
class Encodes(Protocol):
    """Observations have latents, and can be reconstructed from them."""

    lossless: bool  # whether `reconstruct` returns x itself, up to integration error

    def encode(self, x: Batch, condition: Condition) -> DiagonalGaussian:
        """The distribution of each observation's latent under its condition, [batch, latent]."""
        ...

    def decode(self, z: Latent, condition: Condition) -> Batch:
        """The expected observation for latents under conditions, [batch, *shape]."""
        ...

    def reconstruct(self, x: Batch, condition: Condition) -> Batch:
        """x, encoded and decoded under its own condition."""
        ...


@runtime_checkable
class Edits(Encodes, Protocol):
    """Observations can be shown under another condition, or on the way to another observation."""

    def edit(self, x: Batch, source: Condition, target: Condition) -> Batch:
        """x, which has condition `source`, changed to condition `target`. Everything else is kept."""
        ...

    def interpolate(self, x: Batch, condition: Condition, x_end: Batch, condition_end: Condition, steps: int) -> Batch:
        """`steps` observations from each x to its x_end: [batch, steps, *shape]."""
        ...


@runtime_checkable
class HasLikelihood(Protocol):
    """Observations have a likelihood, or a lower bound of it."""

    def log_likelihood(
        self, x: Batch, condition: Condition, samples: int = 1, generator: torch.Generator | None = None
    ) -> Float[Tensor, " batch"]:
        """log p(x|c) in nats, per observation. More `samples` give a better estimate."""
        ...


@runtime_checkable
class Guided(Guide, Protocol):
    """Samples follow a velocity, which can be guided and integrated in different ways (see `guidance.Guidance`)."""

    guidance: Guidance  # the default of `sample`

    def sample(
        self,
        condition: Condition,
        rng: Rng,
        *,
        guidance: Guidance | None = None,
        steps: int | None = None,
        sampler: SamplerName | None = None,
    ) -> Batch:
        """One observation per request, [batch, *shape], along the guided velocity."""
        ...


@runtime_checkable
class Teaches(Guide, Protocol):
    """A guided velocity of observations. A model with fewer steps can learn from it."""

    guidance: Guidance

    def parts(self) -> dict[str, nn.Module]:
        """The trained parts, by the names that they have in a student."""
        ...


@runtime_checkable
class LearnsFromTeacher(Protocol):
    """The model can learn from a trained, guided model instead of the data (distillation)."""

    def start_from(self, teacher: Teaches) -> None:
        """Copy the teacher's weights."""
        ...

    def learn_from(self, teacher: Teaches) -> None:
        """Learn the teacher's guided velocity."""
        ...


@runtime_checkable
class Discovers(Protocol):
    """The model has attributes of its own, found without labels. `Model.joint` is their distribution."""

    def read(self, x: Batch) -> Condition:
        """The model's own attributes of observations."""
        ...
