"""Rendered worlds: a schema, a distribution of attributes, and a renderer with exact ground truth."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import UInt8
from torch import Tensor

from condgen.data.dataset import Dataset, Splits
from condgen.data.splits import split
from condgen.data.synthetic.cache import kept
from condgen.data.synthetic.drawing import Draws
from condgen.errors import RequestError
from condgen.rng import Rng
from condgen.schema import Condition, Schema

IMAGES = 10_000  # the default number of images of a world
_DRAWS, _CHUNK = 40, 32  # random numbers per image; images drawn at a time, to fit the processor's cache
_CONDITIONS, _PICTURES = 0, 1  # the random streams of conditions and of images


@dataclass(frozen=True)
class Link:
    """A correlation: where `leader` has one of these values, `follower` tends to have the value beside it."""

    leader: str
    follower: str
    values: Mapping[str, str]


class World(ABC):
    """Images with exactly known attributes, in any number.

    name: the name for `load`.
    version: the version of its pictures, part of the name of its cache.
    size: side of an image in pixels, a multiple of 4.

    Raises RequestError for a size that cannot be drawn.
    """

    name: ClassVar[str]
    version: ClassVar[int] = 1
    schema: ClassVar[Schema]
    links: ClassVar[Sequence[Link]] = ()
    smallest: ClassVar[int] = 16  # smallest size that is recognisable
    step: ClassVar[int] = 4  # sizes are multiples of this
    slow: ClassVar[bool] = False  # slower to draw than to read, so images of `splits` are cached

    def __init__(self, size: int):
        if size < self.smallest or size % self.step:
            raise RequestError(
                f"The world {self.name} is drawn at sizes that are multiples of {self.step} from {self.smallest} on, "
                f"not at {size}."
            )
        self.size = size

    def conditions(self, n: int, seed: int = 0, correlation: int | float = 0.0) -> Condition:
        """n conditions with all values equally likely, and independent unless `correlation` is set.

        correlation: the probability that an attribute follows the one it is linked to. Condition k depends on the seed
            and k alone.
        """
        if not 0 <= correlation <= 1:
            raise RequestError(f"A correlation is a probability from 0 to 1, not {correlation}.")
        u = Rng(_seeds(n, seed, _CONDITIONS)).uniform(len(self.schema) + len(self.links))
        values = {a.name: a.uniform(column) for a, column in zip(self.schema, u.unbind(1), strict=False)}
        for link, column in zip(self.links, u.unbind(1)[len(self.schema) :], strict=True):
            values[link.follower] = self._followed(link, values, column < correlation)
        return Condition(self.schema, values, torch.ones(n, len(self.schema), dtype=torch.bool))

    def _followed(self, link: Link, values: Mapping[str, Tensor], follows: Tensor) -> Tensor:
        """The follower's codes, replaced by those linked to the leader's where it follows."""
        leader, follower = self.schema[link.leader], self.schema[link.follower]
        codes = values[link.follower]
        for value, other in link.values.items():
            led = follows & (values[link.leader] == torch.tensor(leader.parse(value)))
            codes = torch.where(led, torch.tensor(follower.parse(other)), codes)
        return codes

    def render(self, condition: Condition, rng: Rng) -> UInt8[Tensor, "n channel height width"]:
        """One image per condition. Image k depends on condition k and stream k alone.

        Raises RequestError for conditions that leave an attribute free.
        """
        if not condition.complete:
            raise RequestError(f"A picture of the world {self.name} needs every attribute; some were left free.")
        numbers = rng.uniform(_DRAWS)
        starts = range(0, max(len(condition), 1), _CHUNK)
        return torch.cat([self._draw(condition[k : k + _CHUNK], Draws(numbers[k : k + _CHUNK])) for k in starts])

    @abstractmethod
    def _draw(self, condition: Condition, draws: Draws) -> UInt8[Tensor, "n channel height width"]:
        """The images of a few complete conditions."""

    def dataset(self, n: int = IMAGES, seed: int = 0, correlation: int | float = 0.0) -> Dataset:
        """n images and their conditions.

        A larger n begins with the same images, and another seed gives different ones.
        """
        condition = self.conditions(n, seed, correlation)
        return Dataset(self.render(condition, Rng(_seeds(n, seed, _PICTURES))), condition)

    def splits(self, n: int = IMAGES) -> Splits:
        """n images, split for training, validation and testing."""
        if not self.slow:
            return split(self.dataset(n))
        x = kept(f"{self.name}-{self.version}-{self.size}-{n}", lambda: self.dataset(n).x)
        return split(Dataset(x, self.conditions(n)))


def _seeds(n: int, seed: int, stream: int) -> range:
    """One seed per image. Different seeds and streams share none."""
    first = (2 * seed + stream) << 32
    return range(first, first + n)
