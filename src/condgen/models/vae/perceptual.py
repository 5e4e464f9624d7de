"""Perceptual and adversarial losses for reconstructions.

A decoder that is trained pixel by pixel blurs where it is uncertain. A critic of patches (Isola et al. 2017) sees the
blur. Its features give a second target of reconstruction (Larsen et al. 2016, eq. 8), and fooling it is a third, with
balanced gradients (Esser et al. 2021, eq. 7). The critic does not see the condition, which is the same for both images.
The features may also be those of a frozen network (Johnson et al. 2016).
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, NamedTuple

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import pixel_unshuffle, silu

from condgen.conditioning import Encoded, Unconditioned
from condgen.feature_networks import FeatureNetwork, own
from condgen.models import together
from condgen.models.backbones import IMAGES, Weight
from condgen.models.base import Terms
from condgen.models.counting import Counting
from condgen.models.frozen import FROZEN, FrozenName, feature_maps, must_see
from condgen.models.gan.losses import LOSSES, relative_length
from condgen.networks.conv import Block, ImageShape, patch_size, stages
from condgen.networks.layout import Halving
from condgen.parameters import Needs, Setting

Images = Float[Tensor, "batch channel height width"]
Loss = Float[Tensor, ""]
GAME = LOSSES["hinge"]


class Seen(NamedTuple):
    """A critic's outputs: feature maps and scores of patches, one of each per resolution."""

    features: list[Tensor]
    scores: list[Tensor]


class PatchCritic(nn.Module):
    """Images in [0, 1] to features and scores of their patches, at the patchified resolution and at half of it."""

    def __init__(self, shape: ImageShape, channels: int, depth: int = 2):
        super().__init__()
        self.patch = patch_size(shape[1], shape[2])
        widths = [width for width, _, _ in stages(shape[1], shape[2], channels)[:2]]
        self.stem = nn.Conv2d(shape[0] * self.patch**2, channels, 3, padding=1)
        self.stages = nn.ModuleList(
            nn.ModuleList(Block(width, Unconditioned, 0) for _ in range(depth)) for width in widths
        )
        self.down = nn.ModuleList(Halving(a, b) for a, b in pairwise(widths))
        self.score = nn.ModuleList(nn.Conv2d(width, 1, 1) for width in widths)

    def forward(self, x: Images) -> Seen:
        """Features [batch, width, rows, columns] and scores [batch, 1, rows, columns]. Higher means more real."""
        h = silu(self.stem(pixel_unshuffle(2 * x - 1, self.patch)))
        c = nothing(x)
        features = []
        for i, blocks in enumerate(self.stages):
            if i:
                h = self.down[i - 1](h)
            for block in blocks:  # type: ignore[attr-defined]  # a ModuleList of ModuleLists
                h = block(h, c)
            features.append(h)
        return Seen(features, [score(silu(h)) for score, h in zip(self.score, features, strict=True)])


class PerceptualLoss(Counting):
    """Loss terms for reconstructions besides their likelihood, and the critic that they need.

    features: weight of the likelihood of the features relative to that of the pixels.
    adversarial: length of the gradient from the critic's scores to an image, as a share of all other gradients.
    after: number of images after which the adversarial term acts, since a sharp critic needs a picture to judge. The
        critic learns from 90 % of this number on.

    frozen: the network of the features. By default they are the critic's.

    With `adversarial` 0 the critic never learns. Its features are those of random weights, which respond to edges and
    textures all the same (He et al. 2016).
    """

    def __init__(
        self, critic: PatchCritic, features: float, adversarial: float, after: int, frozen: FrozenName | None = None
    ):
        super().__init__()
        self.frozen = frozen
        self.critic = critic.requires_grad_(bool(adversarial))
        self.features = features
        self.adversarial = adversarial
        self.after = after

    def forward(self, x: Images, y: Images, error: Loss, raw: Images | None = None) -> Terms:
        """Terms to add to the error of reconstructions y of x, averaged over values. `loss` is their sum.

        raw: the decoder's output, if it differs from y. Gradients are balanced there.
        """
        real, fake = (self.look(x), self.critic(y)) if self._asks_the_critic else (Seen([], []), Seen([], []))
        terms = {}
        loss = error.new_zeros(())
        if self.features:
            terms["features"] = log_likelihoods(*self._compared(x, y, real, fake))
            loss = self.features * terms["features"]
        if self.acts:
            terms["fooling"] = _mean([GAME.generator(r, f) for r, f in zip(real.scores, fake.scores, strict=True)])
            loss = (
                loss
                + self.adversarial
                * _balance(error + loss, terms["fooling"], y if raw is None else raw)
                * terms["fooling"]
            )
        return {**terms, "loss": loss}

    @property
    def _asks_the_critic(self) -> bool:
        """Whether a term needs the critic's outputs, which cost more than a codec's reconstructions."""
        return self.acts or bool(self.features and self.frozen is None)

    def _compared(self, x: Images, y: Images, real: Seen, fake: Seen) -> tuple[list[Tensor], list[Tensor]]:
        """The features of observations and of their reconstructions."""
        if self.frozen is None:
            return real.features, fake.features
        with torch.no_grad():
            wanted = feature_maps(self.frozen, x)
        return wanted, feature_maps(self.frozen, y)

    @property
    def trained_against(self) -> tuple[FeatureNetwork, ...]:
        """The critic, and the frozen network if there is one."""
        return (own("critic of patches"), *([FROZEN[self.frozen].record] if self.frozen else []))

    def idle(self, x: Images) -> Terms:
        """A zero loss that counts the images, for steps at which the critic does not learn."""
        self.count(x)
        return {"loss": 0.0 * torch.stack([p.sum() for p in self.critic.parameters()]).sum()}

    def critic_loss(self, x: Images, y: Images) -> Terms:
        """The critic's loss: high scores for patches of x, low ones for patches of y. `wins` is the share of pairs it
        gets right.
        """
        self.count(x)
        seen = zip(self.critic(x).scores, self.critic(y).scores, strict=True)
        terms = [(GAME.critic(real, fake), (real > fake).float()) for real, fake in seen]
        loss, wins = (_mean(list(part)) for part in zip(*terms, strict=True))
        return {"loss": loss, "wins": wins}

    @torch.no_grad()
    def look(self, x: Images) -> Seen:
        """The critic's outputs on real images, unaugmented."""
        seen: Seen = self.critic(x)
        return seen

    @property
    def acts(self) -> bool:
        """Whether the adversarial term acts yet."""
        return bool(self.adversarial) and self.images >= self.after

    @property
    def learns(self) -> bool:
        """Whether the critic learns yet."""
        return bool(self.adversarial) and self.images >= 0.9 * self.after


@dataclass(frozen=True)
class PerceptualWeights:
    """Weights of the perceptual and adversarial losses of reconstructions."""

    perceptual: Annotated[
        Weight, Setting("Weight of reconstructing a patch critic's features, besides pixels."), IMAGES
    ] = 0.0
    features: Annotated[
        FrozenName | None,
        Setting("Network of the features to reconstruct. By default the patch critic.", name="perceptual_features"),
        Needs(perceptual=1.0),
    ] = None
    adversarial: Annotated[Weight, Setting("Strength of the adversarial term of reconstructions."), IMAGES] = 0.0
    adversarial_from: Annotated[
        int,
        Field(ge=0),
        Setting("Images after which the adversarial term acts."),
        Needs(adversarial=0.5),
    ] = 0

    def loss(self, shape: tuple[int, ...], channels: int) -> PerceptualLoss | None:
        """The loss on images of this shape, with a critic of this many channels, or None if all weights are zero.

        Raises ValueError for images that the network of the features cannot see.
        """
        if not self.perceptual and not self.adversarial:
            return None
        critic = PatchCritic((shape[0], shape[1], shape[2]), channels)
        if self.features:
            must_see(shape)
        return PerceptualLoss(critic, self.perceptual, self.adversarial, self.adversarial_from, self.features)


def nothing(x: Images) -> Encoded:
    """The encoding of no condition."""
    vector = x.new_zeros(len(x), 0)
    return Encoded(vector, vector[:, None])


def log_likelihoods(real: list[Tensor], fake: list[Tensor]) -> Loss:
    """−log p of features under Laplace noise of the best-fitting scale, log E|r − f|, averaged over resolutions.

    It is relative to the size of the features, so that shrinking them gains nothing.
    """
    return _mean([_size(r - f).log() - _size(r).log() for r, f in zip(real, fake, strict=True)])


def _size(h: Tensor) -> Loss:
    return together.averaged(h.abs().mean(dtype=torch.float32)) + 1e-6


def _balance(rest: Loss, fooling: Loss, y: Images) -> Loss:
    """The factor that makes the gradient of `fooling` as long as that of the rest (Esser et al. 2021, eq. 7)."""
    if not torch.is_grad_enabled():
        return rest.new_ones(())
    return relative_length(*(torch.autograd.grad(loss, y, retain_graph=True)[0] for loss in (rest, fooling)))


def _mean(parts: list[Tensor]) -> Loss:
    return torch.stack([part.float().mean() for part in parts]).mean()
