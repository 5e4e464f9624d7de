"""Continuous attributes: numbers within the range of the data."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, Literal

import numpy as np
from pydantic import Field, model_validator

from condgen.arrays import Array, Bool, Float, Int, float32, namespace, to_numpy
from condgen.errors import RequestError
from condgen.schema.attributes import COMPARISONS, Attribute, Density, Vocabulary
from condgen.schema.cells import FEW, missing
from condgen.schema.column import Column, text_of
from condgen.schema.constraints import BANDWIDTH, Between, Constraint, nearest, placed
from condgen.schema.controls import BINS, Control, label_and_unit
from condgen.schema.ranges import CROWDED, ScaleName, crowded, fitted_range, strays

LARGEST = 1e30  # larger numbers are mistakes: squared or subtracted, they overflow 32 bits
STEPS = 7  # values of a sweep
FREQUENCIES = 4  # number of Fourier frequencies
SMALLEST = float(np.finfo(np.float32).tiny)  # smaller numbers count as it on a logarithmic scale

Codes = Float[Array, " batch"]


class Continuous(Attribute):
    """A number in the range [low, high] of the data. The plain encoding maps the range to [−1, 1].

    scale: linear, or log for positive numbers that span orders of magnitude, such as prices.
    clip: labels beyond the range count as its ends, so that outliers do not flatten all others. Without it they are
        errors.

    An alias stands for a number or a range: {"teenager": "13..19"}.
    """

    kind: Literal["continuous"] = "continuous"
    low: float = Field(allow_inf_nan=False)
    high: float = Field(allow_inf_nan=False)
    scale: ScaleName = Field(default="linear", exclude_if=lambda scale: scale == "linear")
    clip: bool = Field(default=False, exclude_if=lambda clip: not clip)

    @model_validator(mode="after")
    def _range_is_a_range(self) -> "Continuous":
        if not self.low < self.high:
            raise ValueError(f"the range of '{self.name}' is empty: low {self.low} must be below high {self.high}")
        if self.scale == "log" and self.low <= 0:
            raise ValueError(f"'{self.name}' has a log scale, which only positive numbers have; low is {self.low}")
        return self

    @property
    def observable(self) -> bool:
        """True: measured numbers may be the data to be generated."""
        return True

    def ends(self, value: object) -> list[object]:
        """The ends of a range `low..high`, of an alias of one, or of a single number, as they were written."""
        value = self._unalias(value)
        if isinstance(value, str):
            return [v.strip() for v in value.split("..")]
        return list(value) if isinstance(value, list | tuple) else [value]

    def parse(self, value: object, extrapolate: bool = False) -> float:
        """The number itself. Raises RequestError if it is not a number, or if it is out of range and extrapolate is
        false.
        """
        try:
            number = float(str(self._unalias(value)))
        except ValueError:
            raise RequestError(
                f"'{value}' is not a number; '{self.name}' takes {self.low:g} to {self.high:g}."
            ) from None
        possible = abs(number) <= LARGEST
        if not possible or not (self._covers(number) or extrapolate):
            raise RequestError(
                f"{self.name}={value} is out of range: the training data covers {self.low:g} to {self.high:g}. "
                f"Ask within the range{', or allow extrapolation (`extrapolate=True`)' * possible}."
            )
        return number if extrapolate else self._within(number)

    def _covers(self, number: float) -> bool:
        """Whether the range has a number, or one of its ends as it is shown, which is rounded."""
        rounding = 5e-6 * max(abs(self.low), abs(self.high))
        return self.low - rounding <= number <= self.high + rounding

    def _within(self, number: float) -> float:
        return min(max(number, self.low), self.high)

    def cell(self, value: object) -> float | None:
        """The number in a table's cell, moved into the range if outliers are clipped."""
        if missing(value):
            return None
        number = self.parse(text_of(value), extrapolate=self.clip)
        return self._within(number) if self.clip else number

    def format(self, code: int | float) -> str:
        """The number with up to six significant digits."""
        return f"{code:.6g}"

    @property
    def width(self) -> int:
        """One column."""
        return 1

    @property
    def rms(self) -> float:
        """The root mean square of a uniform value in [−1, 1]."""
        return 3**-0.5

    def encode(self, codes: Codes) -> Float[Array, "batch width"]:
        """The range mapped to [−1, 1], linearly or by the logarithm."""
        low, high = self._ends()
        return ((self.place(float32(codes)) - low) / (high - low))[:, None] * 2 - 1

    def decode(self, encoded: Float[Array, "batch 1"]) -> Codes:
        """The number with this plain encoding."""
        low, high = self._ends()
        return self._number(low + (encoded[:, 0] + 1) / 2 * (high - low))

    def place(self, codes: Float[Array, "*batch"]) -> Float[Array, "*batch"]:
        """The numbers on the attribute's scale."""
        return codes if self.scale == "linear" else namespace(codes).log(codes.clip(SMALLEST))

    def _number(self, places: Codes) -> Codes:
        return places if self.scale == "linear" else namespace(places).exp(places)

    def _ends(self) -> tuple[float, float]:
        """The ends of the range on the attribute's scale."""
        return (self.low, self.high) if self.scale == "linear" else (math.log(self.low), math.log(self.high))

    @property
    def reach(self) -> float:
        """The width of the range on the attribute's scale."""
        low, high = self._ends()
        return high - low

    @property
    def features_width(self) -> int:
        """The plain encoding, and a sine and a cosine per frequency."""
        return 1 + 2 * FREQUENCIES

    def features(self, codes: Codes) -> Float[Array, "batch feature"]:
        """The plain encoding and Fourier features of it, so that an embedding can be a smooth curve."""
        xp, encoded = namespace(codes), self.encode(codes)
        angles = encoded * xp.arange(1, FREQUENCIES + 1, dtype=xp.float32, device=encoded.device) * (math.pi / 2)
        return xp.concat([encoded, xp.sin(angles), xp.cos(angles)], axis=1)

    @property
    def density(self) -> Density:
        """A Gaussian over the plain encoding. Errors are on the attribute's scale, so those of a log scale are of
        logarithms.
        """
        from condgen.schema.density import GaussianDensity

        return GaussianDensity(self.encode, self.decode, unit=self.reach / 2)

    @property
    def span(self) -> float:
        """The width of the range."""
        return self.high - self.low

    def error(self, read: Float[Array, "*batch"], codes: Float[Array, "*batch2"]) -> Array:
        """The distance, in the attribute's unit."""
        return abs(read - codes)

    def distance(self, codes: Float[Array, "*batch"], others: Float[Array, "*batch2"]) -> Array:
        """The distance on the attribute's scale, as a share of the range."""
        return abs(self.place(codes) - self.place(others)) / self.reach

    def error_at(self, distance: float) -> float | None:
        """The difference of numbers at this distance. None on a logarithmic scale."""
        return distance * self.span if self.scale == "linear" else None

    def factor_at(self, distance: float) -> float | None:
        """The ratio of numbers at this distance, on a logarithmic scale."""
        return math.exp(distance * self.reach) if self.scale == "log" else None

    def uniform(self, u: Codes) -> Codes:
        """Every place of the range with equal probability."""
        return self._number(self._ends()[0] + u * self.reach)

    def counterfactual(self, codes: Codes, u: Codes) -> Codes:
        """Half the range away, towards its farther end."""
        low, half, places = self._ends()[0], self.reach / 2, self.place(codes)
        return self._number(namespace(codes).where(places < low + half, places + half, places - half))

    def vicinity(self, codes: Codes, share: float, noise: Callable[[Array], Array]) -> Codes:
        """The numbers moved by noise of this share of the range."""
        return self._number(self.place(codes) + share * self.reach * noise(codes))

    def numbered(self, codes: Codes) -> tuple[Int[Array, " batch"], int]:
        """The rank of each number among those that occur."""
        distinct, number = namespace(codes).unique_inverse(codes)
        return number, len(distinct)

    def mismatch(
        self, codes: Codes, rows: Float[Array, " row"], given: Bool[Array, " row"]
    ) -> Float[Array, "batch row"]:
        """A loss by the distance. If the data has no such number, the nearest stand in."""
        return nearest(abs(placed(self, codes)[:, None] - placed(self, rows)), given, BANDWIDTH * self.reach)

    @property
    def limits(self) -> tuple[float, float]:
        """The ends of the range."""
        return self.low, self.high

    def sweep(self, codes: Codes, counts: Float[Array, " batch"], most: int) -> Float[Array, "value ..."]:
        """Equal steps over the range, seven at most."""
        xp = namespace(codes)
        return self._number(xp.linspace(*self._ends(), min(STEPS, most), dtype=xp.float32))

    @property
    def label(self) -> str:
        """Its name as people write it, without a unit."""
        return label_and_unit(self.name)[0]

    def unit(self, vocabulary: Vocabulary) -> str:
        """The unit in its name, as in `weight_kg`, or the vocabulary's for such a name."""
        known = (entry["unit"] for entry in self._about("numbers", vocabulary) if "unit" in entry)
        return label_and_unit(self.name)[1] or next(known, "")

    def control(self, codes: Codes, counts: Float[Array, " batch"]) -> Control:
        """A slider over the range, with a histogram of equal steps on the attribute's scale."""
        numbers, places = to_numpy(codes), to_numpy(self.place(codes))
        steps: Any = np.linspace(*self._ends(), BINS + 1)
        heights, _ = np.histogram(places, steps, weights=to_numpy(counts))
        edges = self._number(steps)
        return Control(
            low=self.low,
            high=self.high,
            log=self.scale == "log",
            whole=len(numbers) > 0 and not (numbers % 1).any(),
            edges=tuple(edges.tolist()) if len(numbers) else (),
            heights=tuple(round(n) for n in heights.tolist()) if len(numbers) else (),
        )

    def ranges(self, n: int) -> list[str]:
        """n ranges of equal width."""
        places: Any = np.linspace(*self._ends(), n + 1)
        ends = self._number(places).tolist()
        return [f"{self.format(low)}..{self.format(high)}" for low, high in pairwise(ends)]

    def recognised(self, what: str, values: Sequence[str]) -> str:
        """More distinct values than a category would have."""
        return f"{what}, more than {FEW} → continuous"

    def constraints(self, operator: str, value: Any, extrapolate: bool = False) -> list[Constraint]:
        """A number, a range `low..high`, or all numbers on one side of a number, which counts among them."""
        if operator in COMPARISONS:
            return [self._compared(operator, value, extrapolate)]
        shown = f"'{self.name}{operator}{value}'"
        advice = f"'{self.name}' is a number: ask for one, or for a range such as {self.example}."
        if operator == "!=" or value == "*" or (isinstance(value, str) and "|" in value):
            raise RequestError(f"{shown} cannot be asked. {advice}")
        ends = self.ends(value)
        if len(ends) not in (1, 2) or not all(str(e) for e in ends):
            raise RequestError(f"{shown} is not a range. {advice}")
        low, high = (self.parse(e, extrapolate) for e in (ends[0], ends[-1]))
        if low > high:
            raise RequestError(f"{shown} is an empty range: {low:g} is above {high:g}.")
        return [Between(low, high)]

    def _compared(self, operator: str, value: Any, extrapolate: bool) -> Between:
        """The numbers of the range on one side of a number."""
        number = self.parse(value, extrapolate=True)
        number = self._within(number) if self._covers(number) else number
        low, high = (self.low, number) if operator in ("<", "<=", "≤") else (number, self.high)
        if low > high:
            raise self._beyond(f"{self.name}{operator}{value}")
        return Between(low, high) if extrapolate else Between(self._within(low), self._within(high))

    def _beyond(self, asked: str) -> RequestError:
        """The error for all numbers on one side of one that the range does not reach."""
        return RequestError(
            f"{asked} is out of range: the training data covers {self.low:g} to {self.high:g}. Ask within the range, "
            "or give both ends and allow extrapolation (`extrapolate=True`)."
        )

    @property
    def example(self) -> str:
        """A request for the middle half of the range."""
        quarter = self.span / 4
        return f"{self.name}={self.low + quarter:.4g}..{self.high - quarter:.4g}"

    def ways(self, vocabulary: Vocabulary) -> tuple[str, ...]:
        """The range."""
        return (f"{self.low:g} to {self.high:g}",)

    def meanings(self, vocabulary: Vocabulary) -> Iterator[tuple[str, Constraint]]:
        """The vocabulary's words for ranges, as far as they overlap the attribute's range."""
        for entry in self._about("numbers", vocabulary):
            for word, text in entry.get("words", {}).items():
                low, _, high = text.partition("..")
                ends = max(float(low or "-inf"), self.low), min(float(high or "inf"), self.high)
                if ends[0] <= ends[1]:
                    yield word, Between(*ends)

    def units(self, vocabulary: Vocabulary) -> Iterable[str]:
        """Its names and the vocabulary's units: `age`, `years old`."""
        return (*self.names, *(u for entry in self._about("numbers", vocabulary) for u in entry.get("units", ())))

    def comparisons(self, side: str, vocabulary: Vocabulary) -> Iterable[str]:
        """The vocabulary's phrases, such as `older than`."""
        return (word for entry in self._about("numbers", vocabulary) for word in entry.get(side, ()))

    def between(self, low: float, high: float, extrapolate: bool, certain: bool) -> Constraint | None:
        """The range, cut to the attribute's own, whichever end is named first. None if the two do not overlap and
        another attribute may be meant.
        """
        low, high = sorted((low, high))
        if low > self.high or high < self.low:
            if not certain:
                return None
            if math.isinf(low) or math.isinf(high):
                raise self._beyond(f"{self.name}>={low:g}" if math.isinf(high) else f"{self.name}<={high:g}")
        low, high = (
            max(low, self.low) if high >= self.low and not (extrapolate and low > -math.inf) else low,
            min(high, self.high) if low <= self.high and not (extrapolate and high < math.inf) else high,
        )
        low, high = (self.parse(end, extrapolate) for end in (low, high))
        return Between(low, high)

    @classmethod
    def guess(cls, column: Column) -> "Continuous | str | None":
        """More than a few distinct numbers that are not row numbers."""
        numbers = column.numbers
        if not numbers:
            return None
        if max(map(abs, numbers)) > LARGEST:
            most = max(numbers, key=abs)
            return f"The column '{column.name}' holds numbers as large as {most:g}; it was left out. Correct them."
        if len(set(numbers)) <= FEW or column.classes:  # integers beyond 2^53 may be one and the same number
            return None
        if column.numbers_rows and not column.asked_for:
            return f"The column '{column.name}' numbers the rows; it was left out."
        fitted = fitted_range(column.occurrences)
        return cls(name=column.name, low=fitted.low, high=fitted.high, scale=fitted.scale, clip=fitted.clipped)

    def crowding(self, codes: Codes, counts: Float[Array, " batch"]) -> str:
        """A sentence for a range stretched by a few numbers, within which all others look alike to a network."""
        occurring: dict[float, int] = {}
        for code, n in zip(codes.tolist(), counts.tolist(), strict=True):
            occurring[code] = occurring.get(code, 0) + round(n)
        share = crowded(occurring, self.low, self.high, self.scale) if len(occurring) > 1 else 1.0
        if share > CROWDED:
            return ""
        return (
            f"95\u202f% of the values of '{self.name}' lie within {100 * share:.2g}\u202f% of its range, "
            f"{self.low:g} to {self.high:g}: a model can hardly tell them apart. Set low and high in the schema to "
            "where most values are, and clip to true."
        )

    def remarks(self, column: Column) -> Iterator[str]:
        """Notes on numbers far from the others, and on the scale."""
        yield from self._strays(column.occurrences)
        if self.scale == "log":
            yield f"'{self.name}' spans orders of magnitude, so it is encoded on a logarithmic scale."

    def _strays(self, occurrences: Mapping[float, int]) -> Iterator[str]:
        """A note on numbers far from the others, unless `crowding` says that they stretch the range."""
        if not (which := strays(self.name, occurrences)):
            return
        if self.clip:
            yield f"{which}; they count as the nearest end. If they are right, set low and high in the schema."
        elif crowded(occurrences, self.low, self.high, self.scale) > CROWDED:
            yield f"{which} and stretch its range. If they are wrong, set low and high in the schema, and clip to true."
