"""Models in the latents of a codec: any family for images, whose observations are latents, between encoder and decoder.

The whole is a model of images with the abilities of the one inside, except for exact likelihoods. Each ability is a
class here, and the class of the whole is put together from those that apply.
"""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from condgen.conditioning import ConditionEncoder, Encoded
from condgen.feature_networks import FeatureNetwork
from condgen.gaussian import DiagonalGaussian
from condgen.models.base import Batch, Model, Terms
from condgen.models.complaint import Complaint
from condgen.models.flow.integration import Integrates, IntegratesGuided, InvertsIntegration
from condgen.models.flow.paths import Time
from condgen.models.latents.codec import Codec, frozen
from condgen.models.protocols import (
    Discovers,
    Encodes,
    HasConditionEncoder,
    HasPrior,
    Latent,
    LearnsFromTeacher,
    Prefers,
    Specialises,
    Teaches,
)
from condgen.models.specialised import Computes
from condgen.models.through_noise import ThroughNoise
from condgen.models.vae.priors import Prior
from condgen.rng import Rng
from condgen.schema import Condition, LabelDistribution


class InLatents(Model):
    """A model of images: one of latents, and the codec that they belong to.

    inner: for observations of the codec's latent shape. codec: it does not learn.
    """

    lossless = False
    inner: Any
    codec: Codec

    def __init__(self, inner: Model, codec: Codec, shape: tuple[int, ...]):
        super().__init__(inner.schema, shape)
        for name in ("conditional", "handles_missing", "uses_unlabelled", "one_step"):
            setattr(self, name, getattr(inner, name))
        self.inner = inner
        self.codec = frozen(codec)
        self.recipe = {**inner.recipe, "codec": codec.recipe}

    @property
    def trained_against(self) -> tuple[FeatureNetwork, ...]:
        """The networks that the model or its codec was trained against."""
        return (*self.inner.trained_against, *self.codec.trained_against)

    def players(self) -> dict[str, list[nn.Parameter]]:
        """The players of the model of latents."""
        players: dict[str, list[nn.Parameter]] = self.inner.players()
        return players

    def forward(self, x: Batch, condition: Condition, player: str = "model") -> Terms:
        """A player's loss terms on images, or on latents that were prepared."""
        terms: Terms = self.inner(x if x.shape[1:] == self.inner.shape else self.latents(x), condition, player)
        return terms

    @torch.no_grad()
    def latents(self, x: Batch) -> Batch:
        """The latents of images."""
        return self.codec.encode(x).float()

    def complaints(self, values: Mapping[str, float]) -> list[Complaint]:
        """The faults that the model of latents finds."""
        found: list[Complaint] = self.inner.complaints(values)
        return found

    def joint(self, data: LabelDistribution) -> LabelDistribution:
        """The distribution of the attributes that can be asked for."""
        joint: LabelDistribution = self.inner.joint(data)
        return joint

    def sample(self, condition: Condition, rng: Rng) -> Batch:
        """One image per request, [batch, *shape]: latents, decoded."""
        return self.codec.decode(self.inner.sample(condition, rng))


class Whole:
    """The two parts that every ability is made of."""

    inner: Any
    codec: Codec


class _EncodesConditions(Whole):
    @property
    def condition_encoder(self) -> ConditionEncoder:
        """The encoder of conditions."""
        encoder: ConditionEncoder = self.inner.condition_encoder
        return encoder


class _HasPrior(Whole):
    @property
    def prior(self) -> Prior:
        """The distribution of the inner latent."""
        prior: Prior = self.inner.prior
        return prior


class _Encodes(Whole):
    def encode(self, x: Batch, condition: Condition) -> DiagonalGaussian:
        """The distribution of each image's inner latent under its condition, [batch, latent]."""
        found: DiagonalGaussian = self.inner.encode(self.codec.encode(x), condition)
        return found

    def decode(self, z: Latent, condition: Condition) -> Batch:
        """The expected image for inner latents, [batch, *shape]."""
        return self.codec.decode(self.inner.decode(z, condition))

    def reconstruct(self, x: Batch, condition: Condition) -> Batch:
        """x, encoded and decoded twice."""
        return self.codec.decode(self.inner.reconstruct(self.codec.encode(x), condition))


class _Prefers(Whole):
    def preference(self, x: Batch, condition: Condition) -> Float[Tensor, " batch"]:
        """The score of each image's latents under its condition."""
        found: Tensor = self.inner.preference(self.codec.encode(x), condition)
        return found


class _Discovers(Whole):
    def read(self, x: Batch) -> Condition:
        """The model's own attributes of images."""
        found: Condition = self.inner.read(self.codec.encode(x))
        return found


class _Specialises(Whole):
    def specialise(self, condition: Condition) -> nn.Module:
        """An ordinary network from noise to the expected images under one condition."""
        return nn.Sequential(self.inner.specialise(condition), Computes(self.codec.decode, self.codec))


class _Teaches(Whole):
    """Its velocity is that of latents, so its students work in the same ones."""

    def parts(self) -> dict[str, nn.Module]:
        """The trained parts, by the names that they have in the model of latents of a student."""
        parts: dict[str, nn.Module] = self.inner.parts()
        return parts


class _LearnsFromTeacher(Whole):
    @property
    def teacher(self) -> Teaches | None:
        """The model of the same latents from which the velocity is learned, or None."""
        teacher: Teaches | None = self.inner.teacher
        return teacher

    def start_from(self, teacher: Teaches) -> None:
        """Copy the weights of a teacher's model of latents."""
        self.inner.start_from(teacher)

    def learn_from(self, teacher: Teaches) -> None:
        """Learn a teacher's guided velocity of latents."""
        self.inner.learn_from(teacher)


class _Integrates(Whole):
    """Its state is the one that the model of latents integrates."""

    def velocity(self, x: Batch, t: Time, c: Encoded) -> Batch:
        """dx/dt at x_t = x."""
        v: Tensor = self.inner.velocity(x, t, c)
        return v

    def start(self, rng: Rng) -> Batch:
        """The noise at time 0."""
        noise: Tensor = self.inner.start(rng)
        return noise

    def observed(self, x: Batch, c: Encoded, rng: Rng) -> Batch:
        """Images for states at time 1."""
        return self.codec.decode(self.inner.observed(x, c, rng))

    def standardised(self, x: Batch, c: Encoded) -> Batch:
        """The states at time 1 of images."""
        state: Tensor = self.inner.standardised(self.codec.encode(x), c)
        return state

    def shown(self, x: Batch, c: Encoded) -> Batch:
        """The expected images for states at time 1."""
        return self.codec.decode(self.inner.shown(x, c))


class _ThroughNoise(Whole):
    @property
    def in_one_pass(self) -> bool:
        """Whether the model of latents has the noise after one pass."""
        return bool(self.inner.in_one_pass)

    def to_noise(self, x: Batch, c: Encoded) -> Batch:
        """The noise of images."""
        noise: Tensor = self.inner.to_noise(self.codec.encode(x), c)
        return noise

    def from_noise(self, noise: Batch, c: Encoded) -> Batch:
        """The expected images for noise."""
        return self.codec.decode(self.inner.from_noise(noise, c))

    def edit(self, x: Batch, source: Condition, target: Condition) -> Batch:
        """Images whose latents are edited as the model of latents edits."""
        return self.codec.decode(self.inner.edit(self.codec.encode(x), source, target))


ABILITIES: dict[type, type] = {
    HasConditionEncoder: _EncodesConditions,
    HasPrior: _HasPrior,
    Encodes: _Encodes,
    Prefers: _Prefers,
    Discovers: _Discovers,
    Specialises: _Specialises,
    Teaches: _Teaches,
    LearnsFromTeacher: _LearnsFromTeacher,
}
# What models and exported ones share. A flow's edits are not guided in latents, where a codec's losses come in between.
SHARED = (IntegratesGuided, InvertsIntegration, Integrates)


def in_latents(inner: Model, codec: Codec, shape: tuple[int, ...]) -> InLatents:
    """A model of images of this shape: one of latents in a codec, with the abilities that it has.

    Raises RequestError for a shape that the codec cannot take.
    """
    assert inner.shape == codec.latent_shape(shape), "the model is of other latents"
    whole = _kind(type(inner).__name__, tuple(_parts(inner)))(inner, codec, shape)
    for name in ("path", "steps", "sampler", "guidance") if isinstance(inner, Integrates) else ():
        if hasattr(inner, name):
            setattr(whole, name, getattr(inner, name))
    return whole


def _parts(inner: Model) -> Iterator[type]:
    """The classes of the abilities that a model of latents has, those first that come first."""
    yield from (part for ability, part in ABILITIES.items() if isinstance(inner, ability))
    if isinstance(inner, Integrates):
        yield from (_Integrates, *(each for each in SHARED if isinstance(inner, each)))
    elif isinstance(inner, ThroughNoise):
        yield from (_ThroughNoise, ThroughNoise)


@cache
def _kind(inner: str, parts: tuple[type, ...]) -> type[InLatents]:
    """The class of models whose inner model is of this name, put together from abilities."""
    return type(f"{inner}InLatents", (*parts, InLatents), {"__module__": __name__})
