"""The end of a codec's training: the decoder alone learns, under noise of random strength.

Models that draw latents err. A decoder that has seen errors of many sizes forgives them (Zheng et al. 2025, Diffusion
transformers with representation autoencoders, section 4.3).
"""

from dataclasses import dataclass
from typing import Annotated

from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from condgen.models import together
from condgen.models.base import Batch
from condgen.models.counting import Counting
from condgen.parameters import Needs, Setting


class DecoderAlone(Counting):
    """The noise of the end, and the number of images until it begins.

    after: images of training after which the decoder learns alone.
    noise: the deviation τ of the strengths, in the range 0..1 of latents.
    """

    def __init__(self, after: int, noise: float):
        super().__init__()
        self.after = after
        self.noise = noise

    @property
    def begun(self) -> bool:
        """Whether the decoder learns alone yet."""
        return self.images >= self.after

    def strengths(self, z: Batch) -> Float[Tensor, "batch 1 1 1"]:
        """The deviation of the noise on each image's latents, |N(0, τ²)|."""
        return self.noise * together.randn_like(z[:, :1, :1, :1]).abs()


@dataclass(frozen=True)
class Ending:
    """The end of a codec's training."""

    decoder_from: Annotated[
        int,
        Field(ge=0),
        Setting("Images after which the decoder alone learns, under more noise. 0: never."),
    ] = 0
    decoder_noise: Annotated[
        float,
        Field(ge=0, lt=1),
        Setting("Deviation of the strengths of that noise, each image's its own."),
        Needs(decoder_from=100_000),
    ] = 0.1

    def alone(self) -> DecoderAlone | None:
        """The end, if there is one."""
        return DecoderAlone(self.decoder_from, self.decoder_noise) if self.decoder_from else None
