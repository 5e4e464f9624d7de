"""A codec in training: it reconstructs pixels, the features of patches and, in the end, deceives a critic of patches.

The losses are those of the first stage of latent diffusion (Rombach et al. 2022, section 3.1, Esser et al. 2021). Noise
on bounded latents takes the place of the KL term.
"""

import math
from collections.abc import Callable
from typing import Annotated

import torch
from jaxtyping import Float
from torch import Tensor, nn

from condgen.conditioning import EmptyEncoder
from condgen.feature_networks import FeatureNetwork
from condgen.gaussian import DiagonalGaussian
from condgen.models import together
from condgen.models.base import Batch, Model, Terms
from condgen.models.latents.alone import DecoderAlone, Ending
from condgen.models.latents.codec import SpatialCodec
from condgen.models.registry import Family, Practice
from condgen.models.vae.perceptual import PerceptualLoss, PerceptualWeights, log_likelihoods
from condgen.parameters import Part, composed
from condgen.rng import Rng
from condgen.schema import Condition, Schema

Latent = Float[Tensor, "batch latent"]
MEMORY = 0.01  # share of a batch in the running moments of latents


class LearningCodec(Model):
    """A codec with its losses. Its samples decode noise of the latents' moments, so they show textures and no things.

    realism: the perceptual and adversarial losses, if any.
    alone: the end of training, in which only the decoder learns, if any.
    """

    conditional = False
    handles_missing = True
    one_step = True
    varies = False  # textures differ less than things
    lossless = False
    moments: Tensor

    def __init__(
        self,
        schema: Schema,
        shape: tuple[int, ...],
        *,
        codec: SpatialCodec,
        realism: PerceptualLoss | None = None,
        alone: DecoderAlone | None = None,
    ):
        super().__init__(schema, shape)
        self.condition_encoder = EmptyEncoder(schema)
        self.latent_shape = codec.latent_shape(shape)
        self.codec = codec
        self.realism = realism
        self.alone = alone
        start = torch.tensor([0.5, 0.5**2 + 0.2**2])[:, None]
        self.register_buffer("moments", start.repeat(1, codec.channels))

    @property
    def trained_against(self) -> tuple[FeatureNetwork, ...]:
        """The networks of a perceptual or adversarial loss, if there is one."""
        return self.realism.trained_against if self.realism else ()

    def players(self) -> dict[str, list[nn.Parameter]]:
        """The codec and, if there is an adversarial term, the critic."""
        model = {"model": list(self.codec.parameters())}
        adversarial = self.realism is not None and bool(self.realism.adversarial)
        return model | ({"critic": list(self.realism.parameters())} if self.realism and adversarial else {})

    def forward(self, x: Batch, condition: Condition, player: str = "model") -> Terms:
        """log E|x − y| of reconstructions y, relative to E|x|, and the terms of patches.

        It is −log p(x|z) per value under Laplace noise of the best-fitting scale, but for a constant.
        """
        if player == "critic":
            return self._critic_loss(x)
        z, y = self._under_noise(x)
        self._remember(z)
        if self.alone:
            self.alone.count(x)
        error = log_likelihoods([x], [y])
        terms = {"error": error, "distance": (x - y.clamp(0, 1)).abs().mean()}
        if self.realism is None:
            return {"loss": error, **terms}
        more = self.realism(x, y, error)
        return {"loss": error + more.pop("loss"), **terms, **more}

    def _critic_loss(self, x: Batch) -> Terms:
        """The loss of the critic of patches on observations and their reconstructions."""
        assert self.realism is not None
        if not self.realism.learns:
            return self.realism.idle(x)
        with torch.no_grad():
            _, y = self._under_noise(x)
        return self.realism.critic_loss(x, y)

    def _under_noise(self, x: Batch) -> tuple[Batch, Batch]:
        """The latents of x, and x decoded from them under noise, unbounded."""
        if self.alone and self.alone.begun:
            with torch.no_grad():
                z = self.codec.encode(x)
            noise: Tensor | float = self.alone.strengths(z)
        else:
            z, noise = self.codec.encode(x), self.codec.noise
        return z, self.codec.raw(z + noise * together.randn_like(z))

    @torch.no_grad()
    def _remember(self, z: Batch) -> None:
        """Update the running moments of each channel."""
        if self.training:
            seen = z.float()  # mixed precision must not blur the moments
            found = torch.stack([seen.mean((0, 2, 3)), seen.square().mean((0, 2, 3))])
            self.moments.lerp_(together.averaged(found), MEMORY)

    def encode(self, x: Batch, condition: Condition) -> DiagonalGaussian:
        """The latents of x in one row, as a Gaussian with (almost) no variance: [batch, latent]."""
        z = self.codec.encode(x).flatten(1)
        return DiagonalGaussian(z, torch.full_like(z, -torch.inf))

    def decode(self, z: Latent, condition: Condition) -> Batch:
        """The images of latents, [batch, *shape]."""
        return self.codec.decode(z.view(-1, *self.latent_shape))

    def reconstruct(self, x: Batch, condition: Condition) -> Batch:
        """x encoded and decoded."""
        return self.codec.decode(self.codec.encode(x))

    def sample(self, condition: Condition, rng: Rng) -> Batch:
        """Latents drawn from Gaussians with the moments of training, decoded. Half of their variance is that of images,
        and half that of places.
        """
        mean, square = self.moments[:, :, None, None]
        scale = (square - mean.square()).clamp(min=1e-8).sqrt()
        noise = rng.normal(self.codec.channels, 1, 1, device=self.device) + rng.normal(
            *self.latent_shape, device=self.device
        )
        return self.codec.decode((mean + scale * noise / math.sqrt(2)).clamp(0, 1))


@composed(perceptual=1.0, adversarial_from=0)
def codec(
    schema: Schema,
    shape: tuple[int, ...],
    *,
    parts: Annotated[Callable[..., SpatialCodec], Part(SpatialCodec)],
    realism: PerceptualWeights,
    ending: Ending,
) -> LearningCodec:
    """An autoencoder whose latents are small images, in which other models then train."""
    if len(shape) != 3:
        raise ValueError("a codec is for images, and these are vectors")
    made = parts(shape[0]).learned_by(realism.features)
    critic = realism.loss(shape, made.recipe["arguments"]["channels"])
    return LearningCodec(schema, shape, codec=made, realism=critic, alone=ending.alone())


CODEC = Family(
    codec,
    training={"lr": 2e-3, "weight_decay": 0.0, "batch": 32},
    suits=("image",),
    practice=Practice(arguments={"factor": 4, "perceptual": 0.0}, lr=5e-3),
)
