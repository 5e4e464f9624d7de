"""Networks that fit the data: convolutional for images, dense for vectors. Families build their players from them."""

from dataclasses import dataclass
from typing import Annotated, Literal, TypedDict

from pydantic import Field
from torch import nn

from condgen.conditioning import MECHANISMS, ConditionEncoder, EmbeddingEncoder, Mechanism, MechanismName, PlainEncoder
from condgen.models.flow.samplers import MOST_STEPS
from condgen.networks import MLP, ConvDecoder, ConvEncoder, Transformer, UNet
from condgen.networks.conv import ImageShape, pattern_period
from condgen.networks.patches import Deblocking, Pixels, Spectrum
from condgen.parameters import OfData, Setting
from condgen.schema import Schema

BackboneName = Literal["unet", "transformer"]
OutputsName = Literal["pixels", "deblocked", "spectrum"]
OUTPUTS: dict[OutputsName, type[Pixels]] = {"pixels": Pixels, "deblocked": Pixels, "spectrum": Spectrum}
Count = Annotated[int, Field(ge=1, le=1_000_000)]
Depth = Annotated[int, Field(ge=1, le=1_000)]
Patch = Annotated[int, Field(ge=1, le=64)]
StepCount = Annotated[int, Field(ge=1, le=MOST_STEPS)]
Weight = Annotated[float, Field(ge=0)]

IMAGES = OfData("images", "the data holds vectors", lambda schema, shape: len(shape) == 3)
NUMBERS = OfData(
    "attributes that are numbers",
    "the data has none",
    lambda schema, shape: any(not a.choices for a in schema),
)

# ---- settings that several families share, with the part they belong to

EnteringBy = Annotated[MechanismName, Setting("Way in which the condition enters the layers.", part="condition")]
OptionalEmbedding = Annotated[
    int,
    Field(ge=0, le=1_000_000),
    Setting(
        "Width of learned embeddings, with a learned null for free attributes. 0 for a plain encoding.",
        part="condition",
    ),
]
Embedding = Annotated[
    Count, Setting("Width of learned embeddings and nulls of attributes, and of the encoded time.", part="condition")
]
Additive = Annotated[
    bool,
    Setting("Encode attributes independently and add them, for combinations never seen together.", part="condition"),
]
ConditionDropout = Annotated[
    float,
    Field(ge=0, lt=1),
    Setting(
        "Probability with which training leaves an attribute free, and as often all or some of them.", part="condition"
    ),
]
Backbone = Annotated[BackboneName | None, Setting("Network for images. Default unet.", part="networks"), IMAGES]
Outputs = Annotated[
    OutputsName,
    Setting(
        "Outputs of the network that draws images: pixels; deblocked, pixels whose pattern from patch to patch is "
        "taken out of samples; or spectrum, with fine detail and colours scaled as in photographs.",
        part="networks",
    ),
    IMAGES,
]
LatentSize = Annotated[Count, Setting("Dimensions of the latent.", part="networks")]


@dataclass(frozen=True)
class Size:
    """The size of networks."""

    channels: Annotated[
        Count, Setting("Channels at the patchified resolution. Dense layers are twice as wide.", part="networks")
    ] = 32
    depth: Annotated[
        Depth, Setting("Blocks per stage of a convolutional network, or number of dense layers.", part="networks")
    ] = 1
    patch: Annotated[
        Patch | None,
        Setting(
            "Side of the patches that are folded into channels. Unless given, 4, and 2 for images smaller than 16.",
            part="networks",
        ),
        IMAGES,
    ] = None


class Entrance(TypedDict):
    """The way in which the condition enters a network."""

    mechanism: type[Mechanism]
    inner: type[Mechanism]
    condition_width: int


class Backbones:
    """Encoders and decoders for observations of one shape, with layers that take conditions of one width.

    Images get convolutions, and vectors get dense layers. With `input_only` the condition enters the first layer alone.
    """

    def __init__(self, shape: tuple[int, ...], condition_width: int, size: Size, input_only: bool = False):
        self.shape = shape
        self.condition_width = condition_width
        self.channels = size.channels
        self.depth = size.depth
        self.patch = size.patch
        self.input_only = input_only

    def encoder(self, by: str, outputs: int) -> nn.Module:
        """A network from observations to vectors [batch, outputs]. `by` names the mechanism by which the condition
        enters.
        """
        if len(self.shape) == 1:
            return MLP(self.shape[0], self._hidden(), outputs, **self._entrance(by))
        return ConvEncoder(
            self._image(),
            outputs,
            channels=self.channels,
            depth=self.depth,
            patch=self.patch,
            **self._entrance(by),
        )

    def decoder(self, by: str, latent: int, per_value: int = 1, outputs: OutputsName = "pixels") -> nn.Module:
        """A network from vectors [batch, latent] to observations, or to `per_value` numbers for each value
        of an image.
        """
        if len(self.shape) == 1:
            return MLP(latent, self._hidden(), self.shape[0], **self._entrance(by))
        channels, height, width = self._image()
        raw = (channels * per_value, height, width)
        return ConvDecoder(
            latent,
            raw,
            channels=self.channels,
            depth=self.depth,
            patch=self.patch,
            outputs=OUTPUTS[outputs],
            **self._entrance(by),
        )

    def finish(self, outputs: OutputsName) -> nn.Module:
        """The step from a decoder's observations to those that are shown."""
        return (
            nn.Identity() if len(self.shape) == 1 else finish(outputs, pattern_period(*self._image()[1:], self.patch))
        )

    def field(self, by: str, backbone: BackboneName | None = None) -> nn.Module:
        """A network from observations to outputs of the same shape.

        Images get the named backbone, unet by default. Vectors get dense layers. Raises ValueError if the condition
        would reach no layer.
        """
        if by == "none":
            raise ValueError("the condition would reach no layer, so requests could not be obeyed; choose a mechanism")
        if len(self.shape) == 1:
            return MLP(self.shape[0], self._hidden(), self.shape[0], **self._entrance(by))
        network = {"unet": UNet, "transformer": Transformer}[backbone or "unet"]
        return network(
            self._image(),
            mechanism=MECHANISMS[by],
            condition_width=self.condition_width,
            channels=self.channels,
            depth=self.depth,
            patch=self.patch,
        )

    def _entrance(self, by: str) -> Entrance:
        inner = "none" if self.input_only else by
        return {"mechanism": MECHANISMS[by], "inner": MECHANISMS[inner], "condition_width": self.condition_width}

    def _hidden(self) -> list[int]:
        return [2 * self.channels] * self.depth

    def _image(self) -> ImageShape:
        if len(self.shape) != 3:
            raise ValueError(f"observations must be images (channel, height, width) or vectors, not {self.shape}")
        return self.shape[0], self.shape[1], self.shape[2]


def finish(outputs: OutputsName, period: int) -> nn.Module:
    """The step from a network's images, in which a pattern of this period in pixels may repeat, to those that are
    shown.
    """
    return Deblocking(period) if outputs == "deblocked" else nn.Identity()


def condition_encoder(schema: Schema, embedding: int, additive: bool = False) -> ConditionEncoder:
    """Learned embeddings of this width, with a learned null per attribute.

    For 0 the plain encoding, which is additive.
    """
    return EmbeddingEncoder(schema, embedding, additive) if embedding else PlainEncoder(schema)
