"""Categorical attributes: one of several named values."""

import math
from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Literal

from pydantic import Field, model_validator

from condgen.arrays import Array, Float, float32, namespace
from condgen.errors import RequestError, unknown
from condgen.schema.attributes import Density, Vocabulary, fold
from condgen.schema.cells import missing
from condgen.schema.column import Column, text_of
from condgen.schema.constraints import Constraint, OneOf
from condgen.schema.discrete import Codes, Discrete

MOST = 100_000  # values; to tell more apart is what embeddings are for (`Vector`)
MANY = 200  # more distinct texts than this are taken for identifiers or free text


class Categorical(Discrete):
    """One of several named values. Codes are indices into `values`, and the plain encoding is one-hot."""

    kind: Literal["categorical"] = "categorical"
    values: tuple[str, ...] = Field(min_length=1, max_length=MOST)

    @model_validator(mode="after")
    def _values_differ(self) -> "Categorical":
        if len(set(self.values)) < len(self.values):
            raise ValueError(f"the attribute '{self.name}' lists the same value twice")
        return self

    @cached_property
    def _codes(self) -> dict[str, int]:
        """Codes by spelling. An exact one comes before another case, and that before an equal number: 7 for 007."""
        last_to_first = list(enumerate(self.values))[::-1]
        return {spell(v): i for spell in (_plain_number, fold, str) for i, v in last_to_first}

    @property
    def choices(self) -> tuple[str, ...]:
        """The names of the values, in the order of their codes."""
        return self.values

    def parse(self, value: object, extrapolate: bool = False) -> float:
        """The code of a value as a person writes it (a name or an alias). Raises RequestError with the nearest valid
        values.
        """
        value = self._unalias(value)
        for spelling in (str(value), fold(value), _plain_number(value), str(value).removeprefix("'")):
            if spelling in self._codes:
                return float(self._codes[spelling])
        if len(parts := str(value).split("|")) > 1 and all(fold(p) in self._codes for p in parts):
            raise RequestError(f"'{value}' are several values of '{self.name}'; one is needed here.")
        raise unknown(f"value for '{self.name}':", value, (*self.values, *self.aliases))

    def cell(self, value: object) -> float | None:
        """The code of a cell. 'none' is a value only if it is one of `values`."""
        known = text_of(value) in self.values or not missing(value)
        return self.parse(text_of(value)) if known else None

    def format(self, code: int | float) -> str:
        """The name of the value with this code."""
        return self.values[int(code)]

    @property
    def width(self) -> int:
        """One column per value."""
        return len(self.values)

    @property
    def rms(self) -> float:
        """The root mean square of a one-hot vector: one number in `width` is 1."""
        return self.width**-0.5

    def encode(self, codes: Codes) -> Float[Array, "batch width"]:
        """One-hot."""
        xp = namespace(codes)
        indices = xp.arange(len(self.values), dtype=xp.float32, device=codes.device)
        return float32(codes[:, None] == indices)

    def decode(self, encoded: Float[Array, "batch width"]) -> Codes:
        """The column with the largest number."""
        return float32(encoded.argmax(1))

    @property
    def density(self) -> Density:
        """A softmax over the values."""
        from condgen.schema.density import ChoiceDensity

        return ChoiceDensity(len(self.values))

    def ways(self, vocabulary: Vocabulary) -> tuple[str, ...]:
        """The values and aliases."""
        return (*self.values, *self.aliases)

    def phrases(self) -> Iterator[tuple[str, Constraint | None]]:
        """Its names, and its values and aliases, alone or beside a name, as in `red hair` or `digit 7`."""
        yield from ((name, None) for name in self.names)
        for word in (*self.values, *self.aliases):
            yield from self._with_names(word, OneOf(self.codes(word)))

    def meanings(self, vocabulary: Vocabulary) -> Iterator[tuple[str, Constraint]]:
        """The vocabulary's words for its values."""
        for word, values in vocabulary["values"].items():
            codes = tuple(i for i, v in enumerate(self.values) if fold(v) in values)
            if codes:
                yield from self._with_names(word, OneOf(codes))

    def _with_names(self, word: str, constraint: Constraint) -> Iterator[tuple[str, Constraint]]:
        yield word, constraint
        for name in self.names:
            yield f"{word} {name}", constraint
            yield f"{name} {word}", constraint

    @classmethod
    def of(cls, name: str, values: Iterable[str]) -> "Categorical":
        """An attribute with these values. Numbers come first, in numeric order."""
        return cls(name=name, values=tuple(sorted(set(values), key=_in_order)))

    @classmethod
    def guess(cls, column: Column) -> "Categorical | str":
        """A categorical attribute if the column has at least two values and not too many. Asked last, after all other
        kinds.
        """
        distinct = column.distinct
        if len(distinct) < 2:
            what = f"is always '{next(iter(distinct))}'" if distinct else "is empty"
            return f"The column '{column.name}' {what}; it was left out."
        many = len(distinct) > MANY or (len(distinct) > 20 and len(distinct) > 0.5 * sum(column.counts.values()))
        if many and column.mistakes:
            return f"{column.mistakes} Correct such cells or leave them empty; until then it is left out."
        if many and not (column.asked_for or column.classes):
            return (
                f"The column '{column.name}' has {len(distinct)} distinct texts, like an identifier; it was left out."
            )
        return cls.of(column.name, distinct)

    def remarks(self, column: Column) -> Iterator[str]:
        """A note if its values are numbers but for a few."""
        if column.mistakes:
            yield f"{column.mistakes} All are read as names: correct such cells, or leave them empty."


def _plain_number(value: object) -> str:
    """The text of a number without a trailing `.0`, so that 5.0 and 5 name the same category.

    Tables often turn a column of integers with gaps into floats.
    """
    try:
        number = float(str(value))
    except ValueError:
        return str(value)
    return str(int(number)) if number.is_integer() else str(value)


def _in_order(text: str) -> tuple[float, str]:
    try:
        return float(text), text
    except ValueError:
        return math.inf, text.casefold()
