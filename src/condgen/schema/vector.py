"""Vectors: rows of numbers that belong together, such as an embedding.

In a table a vector is a column of lists, columns `emb.0`, `emb.1`, …, or texts such as `0.1 0.2`. It is asked for by
value (a list, an array, a tensor, a text) or by example (`emb=FILE#row`). Rows near the one asked for count as agreeing
with it.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from pydantic import Field, model_validator

from condgen.arrays import Array, Bool, Float, Int, distinct_rows, float32, floats, namespace, spread
from condgen.errors import RequestError
from condgen.rng import NumpyRng
from condgen.schema.attributes import Attribute, Columns, Density, Vocabulary
from condgen.schema.cells import FEW, Mistake, is_number, missing, numbers_in, odd_coordinates, odd_row
from condgen.schema.column import Column
from condgen.schema.constraints import BANDWIDTH, NEAR, Askable, Constraint, nearest
from condgen.schema.controls import Control

LIMIT = 10.0  # the plain encoding is clamped to this many deviations
EDGE = 0.01  # share of the largest and of the smallest numbers that the deviation leaves out
FLATTEST = 1e-3  # a coordinate's deviation is at least this share of the typical coordinate's
SAMPLE = 10_000  # rows from which mean and deviation are taken
STEPS = 7  # rows of a sweep
FINEST = 1e-5  # distances, as shares of the typical one, are told apart from this difference on
LARGEST = 1e30  # larger numbers overflow 32 bits when squared

Codes = Float[Array, "batch size"]


class Vector(Attribute):
    """A row of numbers. The plain encoding has mean 0 and deviation 1 in every coordinate.

    mean, scale: mean and deviation of each coordinate in the data, without its outermost values.

    Errors are shares of the typical distance between two rows, which is √(2 · size) deviations.
    """

    kind: Literal["vector"] = "vector"
    mean: tuple[float, ...] = Field(min_length=2)
    scale: tuple[float, ...]

    @model_validator(mode="after")
    def _coordinates_have_deviations(self) -> "Vector":
        if len(self.scale) != len(self.mean):
            raise ValueError(f"'{self.name}' has {len(self.mean)} means but {len(self.scale)} scales")
        if not all(map(math.isfinite, (*self.mean, *self.scale))) or min(self.scale) <= 0:
            raise ValueError(f"the means of '{self.name}' must be finite, and its scales positive")
        return self

    # ---- codes

    @property
    def size(self) -> int:
        """The length of a row."""
        return len(self.mean)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one code: (size,)."""
        return (self.size,)

    @property
    def blank(self) -> tuple[float, ...]:
        """Zeros."""
        return (0.0,) * self.size

    def parse(self, value: object, extrapolate: bool = False) -> tuple[float, ...]:
        """The numbers of a list, an array, a tensor or a text. Raises RequestError unless there are `size` of them."""
        numbers = numbers_in(self._unalias(value))
        if numbers is None or len(numbers) != self.size or not all(abs(n) <= LARGEST for n in numbers):
            given = f"{len(numbers)} numbers" if numbers else f"'{str(value)[:40]}'"
            raise RequestError(
                f"'{self.name}' takes {self.size} finite numbers, not {given}; give them as a list, as a text with "
                f"spaces between them, or by example, as in {self.example}."
            )
        return numbers

    def cell(self, value: object) -> tuple[float, ...] | None:
        """The numbers in a table's cell."""
        return None if missing(value) else self.parse(value)

    def format(self, code: Sequence[float]) -> str:
        """The numbers with up to six significant digits, separated by spaces."""
        return " ".join(f"{number:.6g}" for number in code)

    def show(self, code: Sequence[float]) -> str:
        """The first numbers."""
        return f"[{' '.join(f'{n:.3g}' for n in code[:3])}{' …' * (self.size > 3)}]"

    # ---- for networks

    @property
    def width(self) -> int:
        """One column per number."""
        return self.size

    @property
    def rms(self) -> float:
        """1: one deviation."""
        return 1.0

    def encode(self, codes: Codes) -> Float[Array, "batch width"]:
        """Deviations from the mean, clamped to ±LIMIT."""
        deviations = (float32(codes) - floats(self.mean, codes)) / floats(self.scale, codes)
        return deviations.clip(-LIMIT, LIMIT)

    def decode(self, encoded: Float[Array, "batch width"]) -> Codes:
        """The numbers with this plain encoding."""
        return floats(self.mean, encoded) + floats(self.scale, encoded) * encoded

    def features(self, codes: Codes) -> Float[Array, "batch feature"]:
        """The plain encoding scaled to length one, so that a long vector disturbs an embedding no more than a flag
        does.
        """
        return self.encode(codes) * self.size**-0.5

    @property
    def density(self) -> Density:
        """A Gaussian over the plain encoding."""
        from condgen.schema.density import GaussianDensity

        return GaussianDensity(self.encode, self.decode, width=self.size, limit=LIMIT, unit=0.5**0.5)

    # ---- comparing and varying

    def error(self, read: Float[Array, "*batch size"], codes: Float[Array, "*batch2 size"]) -> Array:
        """The distance as a share of the typical distance."""
        squares = ((read - codes) / floats(self.scale, codes)) ** 2
        return namespace(codes).sqrt(squares.mean(-1)) * 0.5**0.5

    def uniform(self, u: Codes) -> Codes:
        """Uniform in every coordinate, with the data's mean and deviation."""
        return self.decode((2 * u - 1) * 3**0.5)

    def counterfactual(self, codes: Codes, u: Codes) -> Codes:
        """A row at the typical distance: every coordinate moves √2 deviations, to the other side of the mean."""
        step = 2**0.5 * floats(self.scale, codes)
        return namespace(codes).where(codes < floats(self.mean, codes), codes + step, codes - step)

    def vicinity(self, codes: Codes, share: float, noise: Callable[[Array], Array]) -> Codes:
        """The rows moved by noise of this share of the typical distance."""
        return codes + share * 2**0.5 * floats(self.scale, codes) * noise(codes)

    def place(self, codes: Codes) -> Float[Array, " batch"]:
        """The position along a fixed direction through all coordinates, as a share of the typical distance."""
        direction = NumpyRng([0]).normal(self.size)[0]
        unit = direction / (direction**2).sum() ** 0.5
        return (self.encode(codes) * floats(unit * 0.5**0.5, codes)).sum(-1)

    def bins(self, codes: Codes) -> Float[Array, " batch"]:
        """The index of the row among those that occur."""
        return float32(self.numbered(codes)[0])

    def numbered(self, codes: Codes) -> tuple[Int[Array, " batch"], int]:
        """The rank of each row among those that occur."""
        distinct, number = distinct_rows(codes)
        return number, len(distinct)

    def mismatch(
        self, codes: Codes, rows: Float[Array, "row size"], given: Bool[Array, " row"]
    ) -> Float[Array, "batch row"]:
        """A loss by the distance. If the data has no such row, the nearest stand in."""
        apart = _distances(self.encode(codes), self.encode(rows)) / (2 * self.size) ** 0.5
        steps = namespace(codes).round(apart / FINEST)  # products are rounded otherwise in every batch and library
        return nearest(float32(steps * FINEST), given, BANDWIDTH)

    # ---- showing

    def sweep(self, codes: Codes, counts: Float[Array, " batch"], most: int) -> Float[Array, "value ..."]:
        """Rows of the data, evenly spaced in the order of their first number."""
        few = min(STEPS, most, len(codes))
        order = namespace(codes).argsort(codes[:, 0], stable=True)
        return codes[order[spread(len(codes), few, codes)]]

    def control(self, codes: Codes, counts: Float[Array, " batch"]) -> Control:
        """A row of numbers."""
        return Control(size=self.size)

    # ---- requests

    def constraints(self, operator: str, value: Any, extrapolate: bool = False) -> list[Constraint]:
        """A row of numbers."""
        if operator != "=" or (isinstance(value, str) and value == "*"):
            raise RequestError(
                f"'{self.name}{operator}{value}' cannot be asked: '{self.name}' takes {self.size} numbers, or an "
                f"example, as in {self.example}."
            )
        return [Exactly(self.parse(value))]

    @property
    def example(self) -> str:
        """A request for a row of a table."""
        return f"{self.name}=FILE.parquet#1"

    def ways(self, vocabulary: Vocabulary) -> tuple[str, ...]:
        """Its size, and the way to ask by example."""
        return (f"{self.size} numbers or a row of a table (FILE.parquet#1)",)

    # ---- data

    @classmethod
    def guess(cls, column: Column) -> "Vector | str | None":
        """A vector if the column holds rows of at least two numbers, all of one length."""
        rows = _rows(column.values)
        if rows is None or (_is_text(column.values) and len(set(rows)) <= FEW):
            return None
        if len(set(rows)) < 2:
            return f"The column '{column.name}' has the same numbers in every row; it was left out."
        step = -(-len(rows) // SAMPLE)
        numbers = np.asarray(rows[::step], dtype=np.float64)
        if not (np.abs(numbers) <= LARGEST).all():
            return f"The column '{column.name}' holds numbers that are huge or not finite; it was left out."
        mean, scale = _moments(numbers)
        return cls(name=column.name, mean=_short(mean), scale=_short(scale))

    @classmethod
    def gathered(cls, columns: Columns) -> Columns:
        """Columns `emb.0`, `emb.1`, … of numbers joined into one column `emb`."""
        families = _families(columns)
        joined = {stem: names for stem, names in families.items() if _hold_numbers(columns[n] for n in names)}
        stem_of = {name: stem for stem, names in joined.items() for name in names}
        gathered: dict[str, Sequence[Any]] = {}
        for name, cells in columns.items():
            stem = stem_of.get(name)
            if stem is None:
                gathered[name] = cells
            elif stem not in gathered:
                gathered[stem] = _joined([columns[each] for each in joined[stem]])
        return gathered

    @classmethod
    def takes_lists(cls, cells: Sequence[Any]) -> bool:
        """Whether all lists have the same length and hold numbers."""
        return _rows(cells) is not None

    @classmethod
    def mistakes(cls, columns: Columns) -> Iterator[Mistake]:
        """Cells of another length than nearly all others of their column, or without numbers."""
        yield from filter(None, map(odd_row, columns, columns.values()))
        yield from odd_coordinates(columns, _families(columns).values())


@dataclass(frozen=True)
class Exactly(Constraint):
    """A vector must equal this row of numbers."""

    code: tuple[float, ...]

    def text(self, attribute: Askable) -> str:
        """`emb=[0.1 0.2 0.3 …]`."""
        return f"{attribute.name}={attribute.show(self.code)}"

    def value(self, attribute: Askable) -> Any:
        """The numbers."""
        return list(self.code)

    def allows(self, codes: Codes) -> Bool[Array, " batch"]:
        """A mask of the rows that equal it."""
        return (codes == floats(self.code, codes)).all(1)

    def fits(self, attribute: Askable, codes: Codes, most: float | None = None) -> Bool[Array, " batch"]:
        """The rows near it: by default within a twentieth of the typical distance."""
        return attribute.distance(codes, floats(self.code, codes)) <= (NEAR if most is None else most)

    def draw(self, u: Float[Array, " batch"]) -> Codes:
        """The row itself."""
        return namespace(u).broadcast_to(floats(self.code, u), (len(u), len(self.code)))

    def mismatch(
        self, attribute: Askable, rows: Float[Array, "row size"], given: Bool[Array, " row"]
    ) -> Float[Array, " row"]:
        """A loss by the distance."""
        return attribute.mismatch(floats([self.code], rows), rows, given)[0]


def _distances(x: Float[Array, "batch size"], y: Float[Array, "row size"]) -> Float[Array, "batch row"]:
    """The Euclidean distance of every x to every y, ‖x‖² + ‖y‖² − 2 x·y, from products of 64 bits."""
    xp = namespace(x)
    x, y = xp.astype(x, xp.float64), xp.astype(y, xp.float64)
    squares = (x * x).sum(1)[:, None] + (y * y).sum(1) - 2 * x @ y.T
    return xp.sqrt(squares.clip(0))


def _rows(cells: Sequence[Any]) -> list[tuple[float, ...]] | None:
    """The numbers of all non-empty cells, or None if they are not rows of one length."""
    rows: list[tuple[float, ...]] = []
    for cell in cells:
        if missing(cell):
            continue
        numbers = numbers_in(cell)
        if numbers is None or len(numbers) < 2 or len(numbers) != len(rows[0] if rows else numbers):
            return None
        rows.append(numbers)
    return rows or None


def _is_text(cells: Sequence[Any]) -> bool:
    return any(isinstance(cell, str) for cell in cells)


def _moments(numbers: Any) -> tuple[Any, Any]:
    """The mean and deviation of every column without its outermost values. No deviation is nearly zero."""
    inner = np.clip(numbers, *np.quantile(numbers, [EDGE, 1 - EDGE], axis=0))
    scale = inner.std(0)
    scale = np.where(scale > 0, scale, numbers.std(0))
    return inner.mean(0), np.maximum(scale, FLATTEST * np.median(scale[scale > 0]))


def _short(numbers: Any) -> tuple[float, ...]:
    return tuple(float(f"{number:.6g}") for number in numbers)


def _families(columns: Columns) -> dict[str, list[str]]:
    """By its stem, the consecutive columns `stem.0`, `stem.1`, …, where there are two or more."""
    stems = [name.removesuffix(".0") for name in columns if name.endswith(".0") and name != ".0"]
    counts = {s: next(k for k in range(len(columns) + 1) if f"{s}.{k}" not in columns) for s in stems}
    return {s: [f"{s}.{k}" for k in range(n)] for s, n in counts.items() if n > 1 and s not in columns}


def _hold_numbers(columns: Iterable[Sequence[Any]]) -> bool:
    return all(missing(cell) or is_number(cell) for cells in columns for cell in cells)


def _joined(parts: Sequence[Sequence[Any]]) -> list[tuple[float, ...] | None]:
    """Rows of numbers, with None in place of rows that lack a number."""
    return [None if any(map(missing, row)) else tuple(map(float, row)) for row in zip(*parts, strict=True)]
