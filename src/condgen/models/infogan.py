"""InfoGAN: attributes that nobody labelled (Chen et al. 2016).

The generator is asked for codes drawn at random, and a classifier Q(c|x) on the critic's trunk has to read them from
what is generated: a variational lower bound of their mutual information, L_I = E log Q(c|G(z,c)) + H(c) (eq. 5), which
both players maximise. That is the auxiliary classifier without its term on real data, on labels of its own. The codes
are the model's schema, so they are asked for like any attribute: `code1=3`, `code2=-1..0`.
"""

from functools import partial
from typing import Annotated, Any

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from condgen.joint import Joint
from condgen.models.backbones import Count, MechanismName, Weight
from condgen.models.base import Batch, Terms
from condgen.models.gan import GAN, Augmentations, LossName, Share, conditional_gan
from condgen.models.heads import Classifier, LabelPosterior
from condgen.schema import Categorical, Condition, Continuous, Schema

ROWS = 10_000  # of the codes' joint distribution, from which free codes are drawn


def code_schema(categorical: int, values: int, continuous: int) -> Schema:
    """The schema of codes: `code1`, `code2`, …, first those with named values, then those in [−1, 1]."""
    names = [f"code{k + 1}" for k in range(categorical + continuous)]
    named = [Categorical(name=name, values=tuple(map(str, range(values)))) for name in names[:categorical]]
    return Schema(attributes=(*named, *(Continuous(name=name, low=-1, high=1) for name in names[categorical:])))


def draw(schema: Schema, n: int, device: torch.device | str = "cpu") -> Condition:
    """n independent uniform codes, from torch's global generator."""
    u = {a.name: torch.rand(n, device=device) for a in schema}
    values = {
        a.name: (a.low + u[a.name] * (a.high - a.low))
        if isinstance(a, Continuous)
        else (u[a.name] * len(a.choices)).floor()
        for a in schema
    }
    return Condition(schema, values, torch.ones(n, len(schema), dtype=torch.bool, device=device))


class InfoGAN(GAN):
    """A GAN that is trained on codes of its own, and reads them."""

    def __init__(self, schema: Schema, shape: tuple[int, ...], *, invariance_weight: float = 0.0, **parts: Any):
        super().__init__(schema, shape, **parts)
        self.capabilities |= {"discovers"}
        self.invariance_weight = invariance_weight

    def forward(self, x: Batch, condition: Condition, player: str = "generator") -> Terms:
        """One player's loss terms on real observations; their labels are not looked at."""
        return super().forward(x, draw(self.schema, len(x), x.device), player)

    def critic_loss(self, x: Batch, condition: Condition) -> Terms:
        """A critic's loss, and what Q's readings of one real observation under two augmentations say of each other."""
        terms = super().critic_loss(x, condition)
        if not self.invariance_weight:
            return terms
        first, second = (self.posterior(self.critic.features(self.augment(x), condition)) for _ in range(2))
        named = [a.name for a in self.schema if not isinstance(a, Continuous)]
        shared = torch.stack([shared_information(first[n].softmax(2)[:, 0], second[n].softmax(2)[:, 0]) for n in named])
        return {**terms, "loss": terms["loss"] - self.invariance_weight * shared.sum(), "shared": shared.sum()}

    @property
    def posterior(self) -> LabelPosterior:
        """Q(c|x), on the critic's features."""
        assert isinstance(self.critic.head, Classifier), "an InfoGAN is built with a classifier"
        return self.critic.head.posterior

    def joint(self, data: Joint) -> Joint:
        """The codes' own distribution."""
        with torch.random.fork_rng():
            torch.manual_seed(0)
            return Joint.of(draw(self.schema, ROWS))

    def read(self, x: Batch) -> Condition:
        """The codes that Q finds in observations."""
        return self.posterior.read(self.critic.features(x, Condition.free(self.schema, len(x)).to(x.device)))


def shared_information(p: Float[Tensor, "batch value"], q: Float[Tensor, "batch value"]) -> Float[Tensor, ""]:
    """The mutual information in nats of two readings of the same observations (Ji et al. 2019, eq. 3).

    It is high when both agree, are sure, and use all values equally often; log(values) at most.
    """
    joint = (p.T @ q) / len(p)
    joint = ((joint + joint.T) / 2).clamp(min=1e-8)
    independent = joint.sum(0, keepdim=True) * joint.sum(1, keepdim=True)
    return (joint * (joint.log() - independent.log())).sum()


def infogan(
    schema: Schema,
    shape: tuple[int, ...],
    *,
    codes: Annotated[int, Field(ge=0)] = 1,
    values: Annotated[int, Field(ge=2)] = 10,
    continuous: Annotated[int, Field(ge=0)] = 2,
    info_weight: Weight = 0.1,
    invariance_weight: Weight = 0.0,
    continuous_weight: Weight = 0.1,
    mechanism: MechanismName = "concat",
    loss: LossName = "relativistic",
    latent: Count = 64,
    channels: Count = 32,
    depth: Count = 1,
    r1: Weight = 0.1,
    r2: Weight = 0.0,
    penalty_every: Count = 8,
    spectral: bool = False,
    augment: Augmentations = (),
    augment_chance: Share = 0.7,
) -> GAN:
    """An InfoGAN; ignores the data's labels and makes attributes of its own.

    codes, values:  how many codes have named values, and how many values each.
    continuous:     how many codes are numbers in [−1, 1].
    info_weight:    λ, the weight of the bound L_I (eq. 6); that of continuous codes is `continuous_weight` times it.

    The other arguments are those of `conditional_gan`. Codes enter the generator's first layer only, as published: a
    code that reaches every layer finds ways to be read that have nothing to do with what is seen.
    """
    if not codes + continuous:
        raise ValueError("it would have no codes to discover; set codes or continuous to at least 1, or use gan")
    return conditional_gan(
        code_schema(codes, values, continuous),
        shape,
        partial(
            Classifier,
            real_weight=0.0,
            fake_weight=info_weight,
            generator_weight=info_weight,
            continuous_weight=continuous_weight,
        ),
        partial(InfoGAN, invariance_weight=invariance_weight),
        mechanism=mechanism,
        input_only=True,
        loss=loss,
        latent=latent,
        channels=channels,
        depth=depth,
        r1=r1,
        r2=r2,
        penalty_every=penalty_every,
        spectral=spectral,
        augment=augment,
        augment_chance=augment_chance,
        vicinity=0.0,
    )
