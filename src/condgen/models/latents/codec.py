"""Codecs: from images to latents that are smaller images, and back. Other models are trained in these latents.

Latents lie in [0, 1], as pixels do, so that they can be stored in 8 bits and every family for images takes them as it
takes images. condgen's own codec learns under noise of a fixed size on bounded latents. That limits the information
that a latent can carry, as a KL term does, and makes the decoder forgive the errors of models that draw latents.
"""

from typing import Annotated, Any

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from condgen.errors import RequestError
from condgen.feature_networks import FeatureNetwork, own
from condgen.models.backbones import OUTPUTS, Count, Depth, OutputsName, finish
from condgen.models.frozen import FROZEN, FrozenName
from condgen.networks.spatial import PATCH, SpatialDecoder, SpatialEncoder
from condgen.parameters import Setting

Images = Float[Tensor, "batch channel height width"]
Latents = Float[Tensor, "batch latent row column"]
Recipe = dict[str, Any]


class Codec(nn.Module):
    """A pair of functions between images and latents.

    images: channels of images. channels: channels of latents. factor: sides of images over sides of latents.
    recipe: the kind and the arguments that build it again.
    """

    def __init__(self, images: int, channels: int, factor: int, recipe: Recipe):
        super().__init__()
        self.images = images
        self.channels = channels
        self.factor = factor
        self.recipe = recipe

    def encode(self, x: Images) -> Latents:
        """The latents of images in [0, 1], in [0, 1] as well."""
        raise NotImplementedError

    def decode(self, z: Latents) -> Images:
        """The images of latents, in [0, 1]."""
        raise NotImplementedError

    @property
    def trained_against(self) -> tuple[FeatureNetwork, ...]:
        """The networks by whose features it was trained."""
        raise NotImplementedError

    def latent_shape(self, shape: tuple[int, ...]) -> tuple[int, int, int]:
        """The shape of the latents of observations. Raises RequestError for observations that it cannot take."""
        if len(shape) != 3 or shape[0] != self.images:
            raise RequestError(
                f"This codec is for images of {self.images} {'channel' if self.images == 1 else 'channels'}, and the "
                f"data has the shape {'×'.join(map(str, shape))}. Train a codec on such data (`model='codec'`)."
            )
        if shape[1] % self.factor or shape[2] % self.factor:
            raise RequestError(
                f"This codec is for sides that {self.factor} divides, not for {shape[1]}×{shape[2]}. Resize the images "
                "(`size`)."
            )
        return self.channels, shape[1] // self.factor, shape[2] // self.factor


class SpatialCodec(Codec):
    """Convolutions, with latents that training has seen under noise."""

    label = "codec"

    def __init__(
        self,
        images: int,
        *,
        factor: Annotated[
            int, Field(ge=4, le=16), Setting("Sides of images over sides of latents: 4, 8 or 16.", part="networks")
        ] = 8,
        latent: Annotated[Count, Setting("Channels of latents.", part="networks")] = 8,
        channels: Annotated[
            Count, Setting("Channels at a quarter of the sides, doubling with each halving.", part="networks")
        ] = 64,
        depth: Annotated[Depth, Setting("Residual blocks per resolution.", part="networks")] = 2,
        outputs: Annotated[
            OutputsName,
            Setting(
                "Outputs of the decoder: pixels; deblocked, pixels without the pattern of patches in the end; or the "
                "spectrum of patches.",
                part="networks",
            ),
        ] = "pixels",
        noise: Annotated[
            float,
            Field(ge=0, lt=1),
            Setting("Deviation of the noise under which latents, in 0..1, are decoded in training.", part="losses"),
        ] = 0.05,
    ):
        own_arguments = {
            "factor": factor,
            "latent": latent,
            "channels": channels,
            "depth": depth,
            "outputs": outputs,
            "noise": noise,
        }
        super().__init__(images, latent, factor, {"kind": "spatial", "images": images, "arguments": own_arguments})
        sizes = {"factor": factor, "channels": channels, "depth": depth}
        self.noise = noise
        self.encoder = SpatialEncoder(images, latent, **sizes)
        self.decoder = SpatialDecoder(latent, images, **sizes, outputs=OUTPUTS[outputs])
        self.finish = finish(outputs, min(2 * PATCH, factor))

    def encode(self, x: Images) -> Latents:
        """The latents of images."""
        return self.encoder(2 * x - 1).sigmoid()

    def decode(self, z: Latents) -> Images:
        """The images of latents."""
        images: Images = self.finish(self.raw(z).clamp(0, 1))
        return images

    def raw(self, z: Latents) -> Images:
        """The images of latents, unbounded."""
        return self.decoder(2 * z - 1) + 0.5

    def learned_by(self, features: FrozenName | None) -> "SpatialCodec":
        """The same codec, whose recipe names the frozen network by whose features it learns, if any."""
        self.recipe |= {"features": features} if features else {}
        return self

    @property
    def trained_against(self) -> tuple[FeatureNetwork, ...]:
        """The critic of patches with which it may have been trained, and the network by whose features."""
        features = self.recipe.get("features")
        return (own("codec's critic of patches"), *([FROZEN[features].record] if features else []))


@torch.no_grad()
def frozen(codec: Codec) -> Codec:
    """The codec, for use and not for training."""
    return codec.eval().requires_grad_(False)
