"""A family of models: one Gaussian blob per condition, whose centre is a linear map of the condition."""

import math
from typing import Annotated

from torch import nn

from condgen.conditioning import PlainEncoder
from condgen.models import Family, Model, Practice
from condgen.models.base import Batch, Terms
from condgen.parameters import Setting
from condgen.rng import Rng
from condgen.schema import Condition, Schema


class Blob(Model):
    """x = A c + b + spread · ε."""

    one_step = True

    def __init__(self, schema: Schema, shape: tuple[int, ...], spread: float):
        super().__init__(schema, shape)
        self.condition_encoder = PlainEncoder(schema)
        self.centre = nn.Linear(self.condition_encoder.width, math.prod(shape))
        self.spread = spread

    def _centres(self, condition: Condition) -> Batch:
        return self.centre(self.condition_encoder(condition).vector).view(-1, *self.shape)

    def forward(self, x: Batch, condition: Condition, player: str = "model") -> Terms:
        """The squared error of the centre."""
        return {"loss": (x - self._centres(condition)).square().mean()}

    def sample(self, condition: Condition, rng: Rng) -> Batch:
        """The centre and noise."""
        x = self._centres(condition) + self.spread * rng.normal(*self.shape, device=self.device)
        return x.clamp(0, 1) if len(self.shape) == 3 else x


def blob(
    schema: Schema,
    shape: tuple[int, ...],
    *,
    spread: Annotated[float, Setting("Standard deviation of samples around their centre.", part="noise")] = 0.1,
) -> Blob:
    """A Gaussian blob per condition: the smallest family there is."""
    return Blob(schema, shape, spread)


BLOB = Family(blob, training={"lr": 1e-2}, practice=Practice(lr=3e-2))
