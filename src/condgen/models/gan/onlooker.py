"""A second critic, which judges images by features that were learned elsewhere.

A frozen network gives feature maps at several strides. Each is mixed by a random 1×1 convolution that stays as it is,
so that no channel can be singled out (Projected GANs, Sauer et al. 2021, section 3.2). A small head of its own judges
it under the condition (Miyato & Koyama 2018). Heads play the hinge game, summed over heads (Sauer et al. 2021, eq. 4).
Its pull on the generator is measured where it arrives, at the images, as a share of the pull of the generator's own
critic (Esser et al. 2021, eq. 7), beside which it plays (Vision-aided GANs, Kumari et al. 2022).
"""

from dataclasses import dataclass
from typing import Annotated, Any

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import conv2d, leaky_relu
from torch.nn.utils.parametrizations import spectral_norm

from condgen.feature_networks import FeatureNetwork
from condgen.models.backbones import IMAGES, Count, Weight
from condgen.models.base import Terms
from condgen.models.frozen import FROZEN, FrozenName, feature_maps, must_see, stages
from condgen.models.gan.augment import Augment
from condgen.models.gan.heads import PlainHead, Projection
from condgen.models.gan.losses import LOSSES, relative_length
from condgen.parameters import Needs, Setting
from condgen.schema import Condition, Schema

GAME = LOSSES["hinge"]
WIDTH = 64  # of mixed features

Images = Float[Tensor, "batch channel height width"]
Loss = Float[Tensor, ""]


class Onlooker(nn.Module):
    """A critic of images in [0, 1], [batch, channel, height, width], by the feature maps of a frozen network.

    weight: length of its gradient at generated images, as a share of that of the other losses.
    after: number of images from which on the generator heeds it. Its heads learn from the start.
    every: number of steps of which it looks at one.
    """

    def __init__(
        self, schema: Schema, shape: tuple[int, ...], features: FrozenName, weight: float, after: int, every: int
    ):
        super().__init__()
        self.features, self.weight, self.after, self.every = features, weight, after, every
        self.stages = stages(shape)
        self.augment = Augment(("color", "translation", "cutout"))
        frozen = FROZEN[features]
        for k in range(self.stages):
            channels, spread = frozen.channels[k], frozen.spreads[k]
            self.register_buffer(f"mixing{k}", torch.randn(WIDTH, channels, 1, 1) * (spread**2 * channels) ** -0.5)
        self.look = nn.ModuleList(spectral_norm(nn.Conv2d(WIDTH, WIDTH, 3, 2, padding=1)) for _ in range(self.stages))
        head = Projection if len(schema) else PlainHead
        self.heads = nn.ModuleList(head(schema, WIDTH) for _ in range(self.stages))

    @property
    def trained_against(self) -> FeatureNetwork:
        """The frozen network, as a run records it."""
        return FROZEN[self.features].record

    def forward(self, x: Images, condition: Condition) -> list[Float[Tensor, " batch"]]:
        """The scores of images under their conditions, one per stage. Higher means more real."""
        maps = feature_maps(self.features, self.augment(x))
        mixed = [conv2d(h, self.get_buffer(f"mixing{k}").to(h.dtype)) for k, h in enumerate(maps)]
        seen: Any = zip(self.look, self.heads, mixed, strict=True)
        return [head.score(leaky_relu(look(h), 0.2).mean((2, 3)), condition) for look, head, h in seen]

    def critic_loss(self, real: Images, fake: Images, condition: Condition) -> Loss:
        """The heads' loss on real and on generated images of the same conditions."""
        scores = self(torch.cat([real, fake]), Condition.cat([condition, condition]))
        return torch.stack([GAME.critic(*score.chunk(2)).mean() for score in scores]).sum()

    def join(self, rest: Loss, made: Images, condition: Condition) -> Terms:
        """The generator's loss by both critics: that of the others, `rest`, with a gradient to which this critic's is
        added. `onlooker` is this critic's own.
        """
        images = made.detach().float().requires_grad_()
        loss = torch.stack([GAME.generator(f, f).mean() for f in self(images, condition)]).sum()
        (ours,), (theirs,) = torch.autograd.grad(loss, images), torch.autograd.grad(rest, made)
        pull = theirs + self.weight * relative_length(theirs, ours) * ours
        with_gradient = (pull.to(made.dtype) * (made - made.detach())).sum()
        return {"loss": rest.detach() + with_gradient, "onlooker": loss.detach()}


@dataclass(frozen=True)
class Onlooking:
    """Settings of a second critic, on features learned elsewhere."""

    onlooker: Annotated[
        Weight,
        Setting("Strength of a second critic, on features learned elsewhere, relative to the first.", part="game"),
        IMAGES,
    ] = 0.0
    features: Annotated[
        FrozenName,
        Setting("Network of the second critic's features.", name="onlooker_features", part="game"),
        Needs(onlooker=1.0),
    ] = "efficientnet"
    after: Annotated[
        int,
        Field(ge=0),
        Setting("Images after which the second critic acts.", name="onlooker_from", part="game"),
        Needs(onlooker=1.0),
    ] = 20_000
    every: Annotated[
        Count,
        Setting("Steps of which the second critic looks at one.", name="onlooker_every", part="game"),
        Needs(onlooker=1.0),
    ] = 2

    def critic(self, schema: Schema, shape: tuple[int, ...]) -> Onlooker | None:
        """The critic, or None if it has no strength. Raises ValueError for images that it cannot see."""
        if not self.onlooker:
            return None
        must_see(shape)
        return Onlooker(schema, shape, self.features, self.onlooker, self.after, self.every)
