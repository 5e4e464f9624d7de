"""Abilities that exported models may have, too, each a protocol: ask with `isinstance(model, Edits)`."""

from typing import Protocol, runtime_checkable

from condgen.arrays import Array, Float
from condgen.models.flow.guidance import Guidance, Guide
from condgen.models.flow.samplers import SamplerName
from condgen.rng import NumpyRng
from condgen.schema import Condition, Schema

Batch = Float[Array, "batch ..."]


@runtime_checkable
class Edits(Protocol):
    """Observations can be shown under another condition, or on the way to another observation."""

    lossless: bool  # whether an edit that changes nothing returns x itself, up to integration error

    def edit(self, x: Batch, source: Condition, target: Condition) -> Batch:
        """x, which has condition `source`, changed to condition `target`. Everything else is kept."""
        ...

    def interpolate(self, x: Batch, condition: Condition, x_end: Batch, condition_end: Condition, steps: int) -> Batch:
        """`steps` observations from each x to its x_end: [batch, steps, *shape]."""
        ...


@runtime_checkable
class Guided(Guide, Protocol):
    """Samples follow a velocity, which can be guided and integrated in different ways (see `guidance.Guidance`)."""

    schema: Schema
    guidance: Guidance  # the default of `sample`

    def sample(
        self,
        condition: Condition,
        rng: NumpyRng,
        *,
        guidance: Guidance | None = None,
        steps: int | None = None,
        sampler: SamplerName | None = None,
    ) -> Batch:
        """One observation per request, [batch, *shape], along the guided velocity."""
        ...
