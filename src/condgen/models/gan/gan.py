"""Generative adversarial networks, unconditional and conditional: a generator and a critic, composed of parts.

Goodfellow et al. 2014, and Mirza & Osindero 2014 for the conditional case. Families differ in the critic's head
(heads.py). The adversarial losses are in losses.py.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import silu

from condgen.conditioning import ConditionEncoder
from condgen.feature_networks import FeatureNetwork, own
from condgen.models import together
from condgen.models.backbones import NUMBERS, Count, Weight
from condgen.models.base import Batch, Model, Terms
from condgen.models.complaint import CLASSIFIER, OVERPOWERING, Complaint
from condgen.models.gan.augment import Augment
from condgen.models.gan.generator import Generator
from condgen.models.gan.heads import Head
from condgen.models.gan.losses import AdversarialLoss, gradient_penalty
from condgen.models.gan.minibatch import MinibatchDeviation
from condgen.models.gan.onlooker import Onlooker
from condgen.models.gan.preservation import Preservation
from condgen.models.specialised import Folded, one
from condgen.parameters import Listed, Needs, Setting
from condgen.rng import Rng
from condgen.schema import Condition, Schema

OVERPOWERED = 0.98  # a critic that wins a larger share of pairs teaches the generator nothing
CATCHING_UP = 500  # first steps, in which the critic is ahead whatever comes of it (in good runs, up to 250)


class Critic(nn.Module):
    """A trunk from observations to features, and a head from features to scores. The head may also see the minibatch's
    spread.
    """

    def __init__(
        self,
        condition_encoder: ConditionEncoder,
        trunk: nn.Module,
        head: Head,
        deviation: MinibatchDeviation | None = None,
    ):
        super().__init__()
        self.condition_encoder = condition_encoder
        self.trunk = trunk
        self.head = head
        self.deviation = deviation

    def features(self, x: Batch, condition: Condition) -> Float[Tensor, "batch feature"]:
        """The features that the head judges."""
        x = 2 * x - 1 if x.dim() == 4 else x
        return silu(self.trunk(x, self.condition_encoder(condition)))

    def score(self, h: Float[Tensor, "batch feature"], condition: Condition) -> Float[Tensor, " batch"]:
        """The scores of observations with these features, all real or all generated. Higher means more real."""
        return self.head.score(self.deviation(h, condition) if self.deviation else h, condition)

    def forward(self, x: Batch, condition: Condition) -> Float[Tensor, " batch"]:
        """The score of each observation under its condition."""
        return self.score(self.features(x, condition), condition)


@dataclass(frozen=True)
class Penalty:
    """Gradient penalties of the critic: γ/2 E‖∇ₓ score‖² at real (R1) and at generated observations (R2).

    They are lazy: computed at every `every`-th step, with a weight larger by that factor (Karras et al. 2020, section
    3.1).
    """

    r1: Annotated[Weight, Setting("Weight γ of the critic's gradient at real observations.")] = 0.1
    r2: Annotated[Weight, Setting("Weight γ of the critic's gradient at generated observations.")] = 0.0
    every: Annotated[
        Count,
        Setting("Steps between penalties. Their weight grows by the same factor.", name="penalty_every"),
        Needs(r1=0.1, r2=0.1),
    ] = 8

    def __call__(self, critic: Critic, real: Batch, fake: Batch, condition: Condition) -> Float[Tensor, ""]:
        """The penalty's loss term at a step when it is due."""
        total = real.new_zeros(())
        for weight, x in ((self.r1, real), (self.r2, fake)):
            if weight:
                penalty = gradient_penalty(lambda y: critic(y, condition), x).mean()
                total = total + weight / 2 * self.every * penalty
        return total


@dataclass(frozen=True)
class Vicinity:
    """Continuous labels judged within a vicinity: an observation stands for labels near its own (CcGAN, Ding 2021).

    The published estimate weights every observation by a kernel of the distance between its label and the judged label:
    constant within ±κ (hard) or exp(−ν d²) (soft). Here the judged label is drawn from that kernel around the
    observation's own. The expectation is the same and no search for neighbours is needed (docs/decisions/0015).

    width: κ, or the standard deviation 1/√(2ν), as a share of the attribute's range.
    """

    width: Annotated[
        float,
        Field(ge=0, lt=1),
        Setting(
            "Vicinity of a label, as a share of the number's range, that an observation stands for.", name="vicinity"
        ),
        NUMBERS,
    ] = 0.02
    kernel: Annotated[
        Literal["hard", "soft"],
        Setting("Kernel of the vicinity: uniform, or Gaussian."),
        NUMBERS,
        Needs(vicinity=0.02),
    ] = "hard"

    def __call__(self, condition: Condition) -> Condition:
        """The same conditions, with each attribute whose near values are similar moved randomly within the kernel."""
        if not self.width:
            return condition
        values = {a.name: a.vicinity(condition.values[a.name], self.width, self._noise) for a in condition.schema}
        return Condition(condition.schema, values, condition.present)

    def _noise(self, codes: Tensor) -> Tensor:
        return 2 * together.rand_like(codes) - 1 if self.kernel == "hard" else together.randn_like(codes)


@dataclass(frozen=True)
class Curriculum:
    """The share of attributes that training leaves free: all at first, `dropout` of them in the end.

    A form of transitional training (Shahbazi et al. 2022, eq. 4). Up to the first image of the `transition` nothing is
    asked. Up to its last image the share of attributes asked for rises linearly. The λ of the paper scales the
    condition, while here it is the probability that the condition is given.
    """

    dropout: Annotated[
        float,
        Field(ge=0, lt=1),
        Setting("Probability with which training leaves an attribute free.", name="condition_dropout"),
        Needs(embedding=64),
    ] = 0.1
    transition: Annotated[
        tuple[int, int],
        Listed,
        Setting("First and last image of the transition from unconditional to conditional training."),
        Needs(embedding=64),
    ] = (0, 0)

    def __post_init__(self) -> None:
        start, end = self.transition
        if end < start:
            raise ValueError(f"the transition ends, at image {end}, before it starts, at {start}")

    def __call__(self, condition: Condition, images: int) -> Condition:
        """The conditions to train with after this many images."""
        chance, present = self.chance(images), condition.present
        return condition.drop(together.rand(*present.shape, device=present.device) < chance) if chance else condition

    def chance(self, images: int) -> float:
        """The share of attributes left free."""
        start, end = self.transition
        if images >= end:
            return self.dropout
        risen = max(images - start, 0) / (end - start) if end > start else 0.0
        return 1 - risen * (1 - self.dropout)


ALL_ASKED = Curriculum(dropout=0.0)
EXACT = Vicinity(width=0.0)
NOTHING_PRESERVED = Preservation()


class GAN(Model):
    """A generator, a critic with its head, an adversarial loss, a penalty and an augmentation. Perhaps a second critic.

    Each step trains the critic and then the generator on a batch. The generated observations have the conditions of the
    real ones.
    """

    one_step = True

    def __init__(
        self,
        schema: Schema,
        shape: tuple[int, ...],
        *,
        generator: Generator,
        critic: Critic,
        loss: AdversarialLoss,
        penalty: Penalty,
        augment: Augment,
        onlooker: Onlooker | None = None,
        vicinity: Vicinity = EXACT,
        curriculum: Curriculum = ALL_ASKED,
        preservation: Preservation = NOTHING_PRESERVED,
    ):
        super().__init__(schema, shape)
        self.conditional = generator.condition_encoder.conditional
        self.handles_missing = generator.condition_encoder.handles_missing
        self.generator = generator
        self.critic = critic
        self.loss = loss
        self.penalty = penalty
        self.augment = augment
        self.onlooker = onlooker
        self.vicinity = vicinity
        self.curriculum = curriculum
        self.preservation = preservation
        self.steps = 0  # training steps so far
        self.images = 0  # real images seen so far

    @property
    def condition_encoder(self) -> ConditionEncoder:
        """The generator's encoder of conditions."""
        return self.generator.condition_encoder

    @property
    def trained_against(self) -> tuple[FeatureNetwork, ...]:
        """Its own critic, whose head may be a classifier, and the network by whose features a second one judges."""
        return (own("critic"), *([self.onlooker.trained_against] if self.onlooker else []))

    def players(self) -> dict[str, list[nn.Parameter]]:
        """The critics first, then the generator."""
        critics = [*self.critic.parameters(), *(self.onlooker.parameters() if self.onlooker else [])]
        return {"critic": critics, "generator": list(self.generator.parameters())}

    def forward(self, x: Batch, condition: Condition, player: str = "generator") -> Terms:
        """One player's loss terms on a batch of real observations and their conditions."""
        if self.training:
            condition = self.curriculum(condition, self.images)
        return self.critic_loss(x, condition) if player == "critic" else self.generator_loss(x, condition)

    def critic_loss(self, x: Batch, condition: Condition) -> Terms:
        """The critics' loss: the adversarial term, the head's own and, when due, the penalty and the second critic.

        `wins` is the share of pairs in which the real observation scores higher.
        """
        target = self.vicinity(condition)
        with torch.no_grad():
            fake = self.generate(self.vicinity(target))
        both = self.augment(torch.cat([x, fake]))
        h_real, h_fake = self.critic.features(both, Condition.cat([target, target])).chunk(2)
        real, fake_score = self.critic.score(h_real, target), self.critic.score(h_fake, target)
        terms = self.critic.head.critic(h_real, h_fake, target)
        loss = self.loss.critic(real, fake_score).mean() + terms.get("loss", 0.0)
        if self.training:
            if self.steps % self.penalty.every == 0:
                loss = loss + self.penalty(self.critic, both[: len(x)], both[len(x) :], target)
            if looking := self._onlooking():
                terms = {**terms, "onlooker": looking.critic_loss(x, fake, self._judged(target))}
                loss = loss + terms["onlooker"]
            self.steps += 1
            self.images += together.size(len(x))
        return {**terms, "loss": loss, "wins": (real > fake_score).float().mean()}

    def generator_loss(self, x: Batch, condition: Condition) -> Terms:
        """The generator's loss: the adversarial term, the head's and, when due, the second critic's and what changes in
        images of the same noise.
        """
        with torch.no_grad():  # does not depend on the generator
            real = self.critic(self.augment(x), condition)
        made = self.generate(condition)
        h_fake = self.critic.features(self.augment(made), condition)
        fake = self.critic.score(h_fake, condition)
        terms = self.critic.head.generator(h_fake, condition)
        terms = {**terms, "loss": self.loss.generator(real, fake).mean() + terms.get("loss", 0.0)}
        looking = self._onlooking() if self.training else None
        if looking and self.images >= looking.after:
            terms |= looking.join(terms["loss"], made, self._judged(condition))
        if self.training and self.preservation.due(self.steps - 1):  # the critic has counted this one
            terms["changed"] = self.preservation(self.generator, condition)
            terms["loss"] = terms["loss"] + self.preservation.lazy_weight * terms["changed"]
        return terms

    def _onlooking(self) -> Onlooker | None:
        """The second critic at a step at which it looks."""
        return self.onlooker if self.onlooker and self.steps % self.onlooker.every == 0 else None

    def _judged(self, condition: Condition) -> Condition:
        """The conditions that a second critic judges: none unless they are labels of real observations."""
        labelled = self.conditional and not self.uses_unlabelled
        return condition if labelled else condition.drop(torch.ones_like(condition.present))

    def generate(self, condition: Condition) -> Batch:
        """One observation per condition, with the noise of a training step."""
        return self.generator(together.randn(len(condition), self.generator.latent, device=self.device), condition)

    def sample(self, condition: Condition, rng: Rng) -> Batch:
        """G(z, c) with z ~ N(0, I)."""
        z = rng.normal(self.generator.latent, device=self.device)
        return self.generator.shown(z, self.generator.condition_encoder(condition))

    @torch.no_grad()
    def preference(self, x: Batch, condition: Condition) -> Float[Tensor, " batch"]:
        """The critic's preference among observations of a condition, [batch]. It does not see a minibatch's spread."""
        return self.critic.head.preference(self.critic.features(x, condition), condition)

    @torch.no_grad()
    def specialise(self, condition: Condition) -> nn.Module:
        """An ordinary network from noise [batch, latent] to observations under one condition."""
        c = self.condition_encoder(one(condition).to(self.device))
        network = Folded(self.generator.backbone, c, self.generator.latent)
        return nn.Sequential(network, nn.Sigmoid(), self.generator.finish) if len(self.shape) == 3 else network

    def complaints(self, values: Mapping[str, float]) -> list[Complaint]:
        """A critic that always wins, or a classifier that recognises generated images only."""
        found = []
        if values.get("critic/wins", 0.5) > OVERPOWERED:
            wins = f"it wins {values['critic/wins']:.0%} of pairs"
            found.append(Complaint(OVERPOWERING, f"The critic overpowers the generator ({wins}).", after=CATCHING_UP))
        real, fake = values.get("critic/accuracy_real", 1.0), values.get("critic/accuracy_fake", 0.0)
        if fake > 0.8 and real < 0.6 * fake:
            right = f"right about {fake:.0%} of generated but {real:.0%} of real images"
            found.append(Complaint(CLASSIFIER, f"The classifier has collapsed ({right})."))
        return found

    def get_extra_state(self) -> Tensor:
        """The position in training, for the checkpoint."""
        return torch.tensor([self.steps, self.images])

    def set_extra_state(self, state: Tensor) -> None:
        """Restore the position in training."""
        self.steps, self.images = state.tolist()
