"""Networks that fit the data, convolutional for images, dense for vectors: what families build their players from."""

from typing import Annotated, Literal, TypedDict

from pydantic import Field
from torch import nn

from condgen.conditioning import ConditionEncoder, EmbeddingEncoder, Mechanism, PlainEncoder, mechanism
from condgen.models.vae.perceptual import PatchCritic, PerceptualLoss
from condgen.networks import MLP, ConvDecoder, ConvEncoder, Transformer, UNet
from condgen.networks.conv import ImageShape
from condgen.schema import Schema

MechanismName = Literal["none", "concat", "film", "norm", "modulate", "attention"]
BackboneName = Literal["unet", "transformer"]
Count = Annotated[int, Field(ge=1)]
Weight = Annotated[float, Field(ge=0)]


class Entrance(TypedDict):
    """How the condition enters a network."""

    mechanism: type[Mechanism]
    inner: type[Mechanism]
    condition_width: int


class Backbones:
    """Encoders and decoders for observations of one shape, whose layers see conditions of one width.

    Images get convolutions of `channels` at the patchified resolution, `depth` blocks a stage; vectors get `depth`
    dense layers of 2·`channels`. With `input_only` the condition enters the first layer and no other.
    """

    def __init__(
        self, shape: tuple[int, ...], condition_width: int, channels: int, depth: int, input_only: bool = False
    ):
        self.shape = shape
        self.condition_width = condition_width
        self.channels = channels
        self.depth = depth
        self.input_only = input_only

    def encoder(self, by: str, outputs: int) -> nn.Module:
        """Observations to vectors [batch, outputs]; the condition enters by the mechanism of that name."""
        if len(self.shape) == 1:
            return MLP(self.shape[0], self._hidden(), outputs, **self._entrance(by))
        return ConvEncoder(self._image(), outputs, channels=self.channels, depth=self.depth, **self._entrance(by))

    def decoder(self, by: str, latent: int, per_value: int = 1) -> nn.Module:
        """Vectors [batch, latent] to observations, or `per_value` numbers for each of an image's values."""
        if len(self.shape) == 1:
            return MLP(latent, self._hidden(), self.shape[0], **self._entrance(by))
        channels, height, width = self._image()
        raw = (channels * per_value, height, width)
        return ConvDecoder(latent, raw, channels=self.channels, depth=self.depth, **self._entrance(by))

    def field(self, by: str, backbone: BackboneName | None = None) -> nn.Module:
        """Observations to as many numbers: the named backbone for images (unet unless named), dense layers for vectors.

        Raises ValueError when the condition would reach no layer, or a backbone is named for vectors.
        """
        if by == "none":
            raise ValueError("the condition would reach no layer, so requests could not be obeyed; choose a mechanism")
        if len(self.shape) == 1:
            if backbone:
                raise ValueError(f"the backbone {backbone} is for images; vectors get dense layers (leave it out)")
            return MLP(self.shape[0], self._hidden(), self.shape[0], **self._entrance(by))
        network = {"unet": UNet, "transformer": Transformer}[backbone or "unet"]
        return network(
            self._image(),
            mechanism=mechanism(by),
            condition_width=self.condition_width,
            channels=self.channels,
            depth=self.depth,
        )

    def realism(self, perceptual: float, adversarial: float, after: int) -> PerceptualLoss | None:
        """What makes reconstructed images look real, if asked for. Raises ValueError for vectors."""
        if not perceptual and not adversarial:
            return None
        if len(self.shape) == 1:
            raise ValueError("the terms perceptual and adversarial are for images; vectors have no patches")
        return PerceptualLoss(PatchCritic(self._image(), self.channels), perceptual, adversarial, after)

    def _entrance(self, by: str) -> Entrance:
        inner = "none" if self.input_only else by
        return {"mechanism": mechanism(by), "inner": mechanism(inner), "condition_width": self.condition_width}

    def _hidden(self) -> list[int]:
        return [2 * self.channels] * self.depth

    def _image(self) -> ImageShape:
        if len(self.shape) != 3:
            raise ValueError(f"observations must be images (channel, height, width) or vectors, not {self.shape}")
        return self.shape[0], self.shape[1], self.shape[2]


def condition_encoder(schema: Schema, embedding: int, additive: bool = False) -> ConditionEncoder:
    """Learned embeddings of that width with a learned null per attribute; for 0 the plain encoding, always additive."""
    return EmbeddingEncoder(schema, embedding, additive) if embedding else PlainEncoder(schema)
