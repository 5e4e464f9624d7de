"""Random streams whose normal numbers were changed: mixed with those of other seeds, or changed by a function."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from condgen.arrays import Array, Float, Int, floats, namespace
from condgen.models.flow.paths import expand_like
from condgen.models.through_noise import slerp
from condgen.rng import NumpyRng, Rng

Change = Callable[[Any], Any]  # from noise [batch, ...] to noise of that shape


class NumpyNoiseBetween(NumpyRng):
    """Streams on the way from one batch of streams to another, which draw arrays of NumPy.

    shares: of the way for each sample, from 0, the start, to 1, the end.

    Normal numbers are interpolated on the sphere, which keeps the length of noise, and so that of a seed with itself is
    its own noise. Uniform numbers are those of the nearer end.
    """

    streams: type[NumpyRng] = NumpyRng

    def __init__(self, start: Iterable[int], end: Iterable[int], shares: Iterable[int | float]):
        super().__init__(start)
        self._end = self.streams(end)
        self._shares = list(shares)

    def normal(self, *shape: int, device: Any = "cpu") -> Float[Array, "batch ..."]:
        """Normal numbers [batch, *shape]."""
        a, b = super().normal(*shape, device=device), self._end.normal(*shape, device=device)
        return slerp(a, b, expand_like(floats(self._shares, a), a))

    def uniform(self, *shape: int, device: Any = "cpu") -> Float[Array, "batch ..."]:
        """Uniform numbers in [0, 1), [batch, *shape]."""
        a, b = super().uniform(*shape, device=device), self._end.uniform(*shape, device=device)
        return namespace(a).where(expand_like(floats(self._shares, a), a) < 0.5, a, b)


class NoiseBetween(NumpyNoiseBetween, Rng):
    """Streams on the way from one batch of streams to another, which draw tensors."""

    streams = Rng


class NumpyNoiseChanged(NumpyRng):
    """Streams whose first normal numbers are changed by a function, which draw arrays of NumPy.

    A model's first noise is its latent, or the start of its integration.
    """

    def __init__(self, seeds: Iterable[int], change: Change):
        super().__init__(seeds)
        self._change: Change | None = change

    def normal(self, *shape: int, device: Any = "cpu") -> Float[Array, "batch ..."]:
        """Normal numbers [batch, *shape], changed if they are the first."""
        noise = super().normal(*shape, device=device)
        change, self._change = self._change, None
        return noise if change is None else change(noise)


class NoiseChanged(NumpyNoiseChanged, Rng):
    """Streams whose first normal numbers are changed by a function, which draw tensors."""


def between(start: Int[Array, " batch"], end: Int[Array, " batch"], shares: Sequence[int | float]) -> NumpyNoiseBetween:
    """Noise between two seeds for each sample. It draws arrays of NumPy if the seeds are one."""
    of = NumpyNoiseBetween if isinstance(start, np.ndarray) else NoiseBetween
    return of(start.tolist(), end.tolist(), shares)


def changed(seeds: Int[Array, " batch"], change: Change) -> NumpyNoiseChanged:
    """Noise of seeds, the first of it changed. It draws arrays of NumPy if the seeds are one."""
    of = NumpyNoiseChanged if isinstance(seeds, np.ndarray) else NoiseChanged
    return of(seeds.tolist(), change)
