"""Coordinates of vectors: their names, and their standardisation for models."""

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from pydantic import TypeAdapter, ValidationError

from condgen.arrays import Array, Float, namespace
from condgen.errors import DataError

ODD = 10.0  # coordinates are scaled if a spread or mean is above this, or a spread below its inverse
INNER = (0.16, 0.84)  # quantiles at one standard deviation from a Gaussian's median


@dataclass(frozen=True)
class Coordinates:
    """Names of a vector's coordinates and the standardisation of each: (value − center) / scale.

    Center and scale are the median and half the distance between the inner quantiles, which outliers do not move.

    whole: for each coordinate, whether the data has whole numbers only, to which generated ones are then rounded. Empty
        if none has.
    """

    names: tuple[str, ...]
    center: tuple[float, ...]
    scale: tuple[float, ...]
    whole: tuple[bool, ...] = ()

    @classmethod
    def fitted(cls, names: Sequence[str], x: Float[Array, "n dimension"]) -> "Coordinates":
        """The coordinates of data [n, dimension]. Data of order one in columns x0, x1, … is left unchanged."""
        import torch

        whole = tuple((x == x.round()).all(0).tolist())
        whole = whole if any(whole) else ()
        if _numbered(names) and _of_order_one(x):
            return cls(tuple(names), (0.0,) * len(names), (1.0,) * len(names), whole)

        low, middle, high = x.double().quantile(torch.tensor((INNER[0], 0.5, INNER[1]), dtype=torch.double), dim=0)
        scale = torch.where(high > low, (high - low) / 2, x.double().std(0))  # if most values are equal
        scale = torch.where(scale > 0, scale, 1.0)
        return cls(tuple(names), tuple(middle.tolist()), tuple(scale.tolist()), whole)

    @property
    def plain(self) -> bool:
        """Whether values are not standardised."""
        return not any(self.center) and all(s == 1 for s in self.scale)

    def standardise(self, x: Float[Array, "n dimension"]) -> Float[Array, "n dimension"]:
        """Values in the data's own units to values for models."""
        return x if self.plain else self._converted(x, lambda value, center, scale: (value - center) / scale)

    def restore(self, x: Float[Array, "n dimension"]) -> Float[Array, "n dimension"]:
        """Values for models to values in the data's own units, rounded where the data has whole numbers."""
        restored = x if self.plain else self._converted(x, lambda value, center, scale: value * scale + center)
        xp = namespace(x)
        return xp.where(xp.asarray(self.whole), xp.round(restored), restored) if self.whole else restored

    def _converted(self, x: Array, formula: Callable[[Array, Array, Array], Array]) -> Array:
        """A formula of value, center and scale, computed with 64 bits and given with 32."""
        xp = namespace(x)
        center, scale = (xp.asarray(numbers, dtype=xp.float64) for numbers in (self.center, self.scale))
        return xp.astype(formula(xp.astype(x, xp.float64), center, scale), xp.float32)

    def dump(self) -> dict[str, Any]:
        """The coordinates as JSON, for the header of a run."""
        return asdict(self)

    @classmethod
    def read(cls, content: Any, dimension: int) -> "Coordinates":
        """The coordinates in a run's header. Runs of earlier versions have x0, x1, … unchanged. Raises DataError."""
        if content is None:
            return cls.plainly(dimension)
        try:
            found = TypeAdapter(cls).validate_python(content)
        except ValidationError as error:
            raise DataError(f"The vectors' coordinates cannot be read: {error.errors()[0]['msg']}.") from None
        whole = found.whole or (False,) * dimension
        if {len(found.names), len(found.center), len(found.scale), len(whole)} != {dimension}:
            raise DataError(f"The vectors' coordinates cannot be read: each of {dimension} needs a name and its unit.")
        if not all(map(math.isfinite, (*found.center, *found.scale))) or not all(found.scale):
            raise DataError("The vectors' coordinates cannot be read: their units must be finite, and no scale 0.")
        return found

    @classmethod
    def plainly(cls, dimension: int) -> "Coordinates":
        """Coordinates x0, x1, … with values left unchanged."""
        return cls(tuple(f"x{k}" for k in range(dimension)), (0.0,) * dimension, (1.0,) * dimension)


def _numbered(names: Sequence[str]) -> bool:
    return list(names) == [f"x{k}" for k in range(len(names))]


def _of_order_one(x: Float[Array, "n dimension"]) -> bool:
    spread, middle = x.std(0), x.mean(0).abs()
    return not bool(((spread > ODD) | (spread < 1 / ODD) | (middle > ODD)).any())
