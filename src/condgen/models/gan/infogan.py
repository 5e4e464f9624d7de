"""InfoGAN: attributes learned without labels (Chen et al. 2016).

The generator is given random codes, and a classifier Q(c|x) on the critic's trunk has to read them from the result.
Both players maximise a variational lower bound of the mutual information, L_I = E log Q(c|G(z,c)) + H(c) (eq. 5). This
is the auxiliary classifier without its term on real data, with codes for labels. The codes are the model's schema, so
they are asked for like any attribute: `code1=3`, `code2=-1..0`.

The meaning of a code is not chosen by anyone, and is often a mixture of properties that people distinguish. With
`discover` the first code starts from clusters of similar real observations (discovery.py), and the generator follows.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated, Any

import torch
from pydantic import Field
from torch import nn
from torch.nn.utils.parametrize import is_parametrized

from condgen.models import together
from condgen.models.backbones import EnteringBy, Size, Weight
from condgen.models.base import Batch, Terms
from condgen.models.gan.builders import PRACTICE, Game, NoiseSize, conditional_gan, entry
from condgen.models.gan.conditional import ConditionalGAN
from condgen.models.gan.discovery import Discovery, point
from condgen.models.gan.gan import ALL_ASKED, EXACT, GAN, NOTHING_PRESERVED
from condgen.models.gan.heads import Classifier, Features, LabelPosterior
from condgen.parameters import Needs, Setting, composed
from condgen.schema import Categorical, Condition, Continuous, LabelDistribution, Schema

ROWS = 10_000  # rows of the codes' joint distribution, from which free codes are drawn


def code_schema(categorical: int, values: int, continuous: int) -> Schema:
    """The schema of codes `code1`, `code2`, …: first those with named values, then those in [−1, 1]."""
    names = [f"code{k + 1}" for k in range(categorical + continuous)]
    named = [Categorical(name=name, values=tuple(map(str, range(values)))) for name in names[:categorical]]
    return Schema(attributes=(*named, *(Continuous(name=name, low=-1, high=1) for name in names[categorical:])))


def draw(schema: Schema, n: int, device: torch.device | str = "cpu") -> Condition:
    """n independent uniform codes."""
    values = {a.name: a.uniform(together.rand(n, *a.shape, device=device)) for a in schema}
    return Condition(schema, values, torch.ones(n, len(schema), dtype=torch.bool, device=device))


class InfoGAN(ConditionalGAN):
    """A GAN that is trained on random codes of its own and can read them."""

    uses_unlabelled = True

    def __init__(self, schema: Schema, shape: tuple[int, ...], *, discovery: Discovery | None = None, **parts: Any):
        super().__init__(schema, shape, **parts)
        self.discovery = discovery
        if discovery and is_parametrized(self.posterior.outputs[0]):
            raise ValueError(
                "spectral normalisation would not let the code start from the groups; leave out one of the two"
            )

    def forward(self, x: Batch, condition: Condition, player: str = "generator") -> Terms:
        """One player's loss terms on real observations. Their labels are ignored."""
        codes = draw(self.schema, len(x), x.device)
        return super().forward(x, codes if self.meant else _unasked(codes), player)

    def generate(self, condition: Condition) -> Batch:
        """One observation per condition. Codes that are not asked for are noise to the generator."""
        return super().generate(replace(condition, present=torch.ones_like(condition.present)))

    @property
    def meant(self) -> bool:
        """Whether the codes are judged yet. With `discover` they are not, until the classes have been found."""
        return not (self.training and self.discovery) or self.images >= self.discovery.images

    def critic_loss(self, x: Batch, condition: Condition) -> Terms:
        """The critic's loss, plus the losses that tie the first code to similar real observations."""
        if not (self.training and self.discovery):
            return super().critic_loss(x, condition)
        if self.images - together.size(len(x)) < self.discovery.images <= self.images:
            self._find_classes(x)
        meant, pairs = self.meant, self.discovery.pairs(x)
        terms = super().critic_loss(x, condition)
        h = self.critic.features(self.augment(pairs), Condition.cat([condition, condition]))
        found = self.discovery.loss(h, self.posterior(h)[self.schema.names[0]][:, 0], meant)
        return {**terms, **found, "loss": terms["loss"] + found["loss"]}

    def _find_classes(self, x: Batch) -> None:
        """Initialise Q from the clusters of features of real observations. x gives their shape and device."""
        assert self.discovery
        layer = self.posterior.outputs[0]
        assert isinstance(layer, nn.Linear)
        with torch.no_grad():
            point(
                layer, torch.cat([self._features(part) for part in self.discovery.gallery.observations(x).split(500)])
            )

    def _features(self, x: Batch) -> Features:
        """The features from which Q reads codes."""
        return self.critic.features(x, Condition.free(self.schema, len(x)).to(x.device))

    @property
    def posterior(self) -> LabelPosterior:
        """Q(c|x), on the critic's features."""
        assert isinstance(self.critic.head, Classifier), "an InfoGAN is built with a classifier"
        return self.critic.head.posterior

    def joint(self, data: LabelDistribution) -> LabelDistribution:
        """The distribution of the codes."""
        with torch.random.fork_rng():
            torch.manual_seed(0)
            return LabelDistribution.of(draw(self.schema, ROWS))

    def read(self, x: Batch) -> Condition:
        """The codes that Q reads from observations."""
        return self.posterior.read(self._features(x))


def _unasked(codes: Condition) -> Condition:
    """The same codes with none asked for."""
    return codes.drop(torch.ones_like(codes.present))


@dataclass(frozen=True)
class Codes:
    """The number of codes, and the weight of their loss."""

    codes: Annotated[int, Field(ge=0, le=1_000), Setting("Number of codes with named values.")] = 1
    values: Annotated[int, Field(ge=2, le=10_000), Setting("Number of values of each named code."), Needs(codes=1)] = 10
    continuous: Annotated[int, Field(ge=0, le=1_000), Setting("Number of codes in [−1, 1].")] = 2
    info_weight: Annotated[Weight, Setting("Weight λ of the information about codes (eq. 6).")] = 0.1
    continuous_weight: Annotated[
        Weight, Setting("Weight of numeric codes, as a multiple of λ."), Needs(continuous=2)
    ] = 0.1

    def __post_init__(self) -> None:
        if not self.codes + self.continuous:
            raise ValueError("it would have no codes to discover; set codes or continuous to at least 1, or use gan")

    def head(self) -> Callable[..., Classifier]:
        """The critic's head: Q(c|x) with its weights, on generated observations only."""
        return partial(
            Classifier,
            real_weight=0.0,
            fake_weight=self.info_weight,
            generator_weight=self.info_weight,
            continuous_weight=self.continuous_weight,
        )


@composed(mechanism="concat")
def infogan(
    schema: Schema,
    shape: tuple[int, ...],
    *,
    codes: Codes,
    discovery: Discovery,
    mechanism: EnteringBy,
    latent: NoiseSize = 64,
    size: Size,
    game: Game,
) -> GAN:
    """An InfoGAN, which ignores the data's labels and learns attributes of its own (Chen et al. 2016).

    Codes enter the generator's first layer only, as published. A code that reaches every layer can be made readable in
    ways that have nothing to do with visible content.
    """
    if discovery.images and not codes.codes:
        raise ValueError("it has no code with named values, whose classes it could discover; set codes or discover=0")
    return conditional_gan(
        code_schema(codes.codes, codes.values, codes.continuous),
        shape,
        codes.head(),
        partial(InfoGAN, discovery=discovery if discovery.images else None),
        mechanism=mechanism,
        input_only=True,
        curriculum=ALL_ASKED,
        vicinity=EXACT,
        preservation=NOTHING_PRESERVED,
        latent=latent,
        size=size,
        game=game,
    )


INFOGAN = entry(
    infogan,
    practice=replace(
        PRACTICE, steps=400, arguments={"values": 4, "continuous": 1, "info_weight": 1.0, "continuous_weight": 1.0}
    ),
)
