"""Images that keep what a change of the condition does not ask for.

A generator may show another scene for the same noise as soon as one attribute changes. No critic minds, since either
image is as real as the other. A penalty on the difference makes the noise stand for all that the condition does not
describe. It is the mean absolute difference, which lets some pixels change and leaves most alone, as in networks that
change the attributes of photographs (Shen & Liu 2017).
"""

from dataclasses import dataclass
from typing import Annotated

from jaxtyping import Float
from torch import Tensor

from condgen.models import together
from condgen.models.backbones import IMAGES, Count, Weight
from condgen.models.gan.generator import Generator
from condgen.parameters import Needs, Setting
from condgen.schema import Condition


@dataclass(frozen=True)
class Preservation:
    """λ E|G(z, c′) − G(z, c)|, where c′ is the condition of another row of the batch.

    It is lazy as gradient penalties are: computed at every `every`-th step, with a weight larger by that factor.
    """

    weight: Annotated[
        Weight,
        Setting(
            "Weight of what changes in images of the same noise under other conditions, so that edits keep the rest.",
            name="preserve",
            part="game",
        ),
        IMAGES,
    ] = 0.0
    every: Annotated[
        Count,
        Setting(
            "Steps between looks at such changes. Their weight grows by the same factor.",
            name="preserve_every",
            part="game",
        ),
        Needs(preserve=1.0),
    ] = 4

    @property
    def lazy_weight(self) -> float:
        """The weight at a step at which it is computed."""
        return self.weight * self.every

    def due(self, step: int) -> bool:
        """Whether it is computed at a step of training."""
        return self.weight > 0 and step % self.every == 0

    def __call__(self, generator: Generator, condition: Condition) -> Float[Tensor, ""]:
        """The mean absolute difference between images of the same noise, under these conditions and under others."""
        n = len(condition)
        everyone = together.gathered(condition)
        others = everyone[(together.index(n, condition.device) + 1) % len(everyone)]
        z = together.randn(n, generator.latent, device=condition.device)
        return (generator(z, others) - generator(z, condition)).abs().mean()
