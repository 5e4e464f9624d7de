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
from condgen.models.vae.priors import Prior
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
class Prefers(Protocol):
    """A part that was trained with the model, such as a critic, tells how well observations show their conditions."""

    def preference(self, x: Batch, condition: Condition) -> Float[Tensor, " batch"]:
        """A score of each observation under its condition, whatever else is in the batch. Higher is better."""
        ...


@runtime_checkable
class HasLikelihood(Protocol):
    """Observations have a likelihood, a lower bound of it, or an estimate of either."""

    def log_likelihood(
        self, x: Batch, condition: Condition, samples: int = 1, generator: torch.Generator | None = None
    ) -> Float[Tensor, " batch"]:
        """log p(x|c) in nats, per observation. More `samples` give a better estimate."""
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
class Specialises(Protocol):
    """The network can be folded for one condition, after which it costs what an unconditional one does."""

    def specialise(self, condition: Condition) -> nn.Module:
        """An ordinary network from noise to the expected observations under one condition.

        The noise is the first that `sample` draws. Raises RequestError for several conditions.
        """
        ...


@runtime_checkable
class Discovers(Protocol):
    """The model has attributes of its own, found without labels. `Model.joint` is their distribution."""

    def read(self, x: Batch) -> Condition:
        """The model's own attributes of observations."""
        ...
