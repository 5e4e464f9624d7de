"""Attributes with named values: the base class of categories and flags."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

from condgen.arrays import Array, Bool, Float, Int, float32, namespace
from condgen.errors import RequestError, unknown
from condgen.schema.attributes import COMPARISONS, Attribute, fold
from condgen.schema.constraints import MISMATCH, Constraint, OneOf
from condgen.schema.controls import Control

Codes = Float[Array, " batch"]


class Discrete(Attribute):
    """One of several named values. A code is the index of a value."""

    @property
    @abstractmethod
    def choices(self) -> tuple[str, ...]:
        """The names of the values, in the order of their codes."""

    @abstractmethod
    def parse(self, value: object, extrapolate: bool = False) -> float:
        """The code of a value as a person writes it. Raises RequestError with the nearest valid values."""

    def codes(self, value: object) -> tuple[int, ...]:
        """The codes of a value, of several values joined by |, of a range `low..high` of values that are numbers, or of
        an alias for any of them.

        Raises RequestError with the nearest valid values.
        """
        value = self._unalias(value)
        several = value.split("|") if isinstance(value, str) and value not in self.choices else [value]
        stripped = (v.strip() if isinstance(v, str) else v for v in several)
        return tuple(dict.fromkeys(code for v in stripped for code in self._within(v) or [int(self.parse(v))]))

    def _within(self, value: object) -> tuple[int, ...]:
        """The codes of the values in a range of numbers. Empty for anything else. Raises RequestError for a range
        without values.
        """
        if not isinstance(value, str) or ".." not in value or value in self.choices:
            return ()
        try:
            low, high = map(float, value.split(".."))
            numbers = [float(choice) for choice in self.choices]
        except ValueError:
            return ()
        if low > high:
            raise RequestError(f"'{self.name}={value}' is an empty range: {low:g} is above {high:g}.")
        if codes := tuple(code for code, number in enumerate(numbers) if low <= number <= high):
            return codes
        raise unknown(f"range of '{self.name}':", value, self.choices)

    def error(self, read: Float[Array, "*batch"], codes: Float[Array, "*batch2"]) -> Array:
        """1 where values differ, else 0."""
        return float32(abs(read - codes) > 0.5)

    def uniform(self, u: Codes) -> Codes:
        """Every value with equal probability."""
        count = len(self.choices)
        return namespace(u).floor(u * count).clip(max=count - 1)

    def counterfactual(self, codes: Codes, u: Codes) -> Codes:
        """Another value, each with equal probability."""
        others = max(len(self.choices) - 1, 1)
        step = 1 + namespace(u).floor(u * others).clip(max=others - 1)
        return (codes + step) % len(self.choices)

    def numbered(self, codes: Codes) -> tuple[Int[Array, " batch"], int]:
        """The codes themselves, and the number of values."""
        xp = namespace(codes)
        return xp.astype(self.hard(codes), xp.int64), len(self.choices)

    def mismatch(
        self, codes: Codes, rows: Float[Array, " row"], given: Bool[Array, " row"]
    ) -> Float[Array, "batch row"]:
        """The same loss for every row with another value."""
        return MISMATCH * float32(codes[:, None] != rows)

    def sweep(self, codes: Codes, counts: Float[Array, " batch"], most: int) -> Float[Array, "value ..."]:
        """The most common values, in the order of their codes."""
        xp = namespace(codes)
        total = xp.bincount(xp.astype(codes, xp.int64), counts, len(self.choices))
        return float32(xp.sort(xp.argsort(-total, stable=True)[:most]))

    def control(self, codes: Codes, counts: Float[Array, " batch"]) -> Control:
        """A choice among the values."""
        xp = namespace(codes)
        total = xp.bincount(xp.astype(self.hard(codes), xp.int64), counts, len(self.choices))
        return Control(counts=tuple(round(n) for n in total.tolist()))

    def constraints(self, operator: str, value: Any, extrapolate: bool = False) -> list[Constraint]:
        """One of the values given. For `!=`, one of the others. For `*`, one constraint per value. No comparisons."""
        if operator in COMPARISONS:
            raise RequestError(
                f"'{self.name}{operator}{value}' cannot be asked: '{self.name}' has named values. Name those you want, "
                f"as in {self.name}={self._compared(operator, value)}."
            )
        if value == "*" and operator != "!=":
            return [OneOf((code,)) for code in range(len(self.choices))]
        values = self.choices if value == "*" else _several(value)
        asked = OneOf(tuple(dict.fromkeys(code for v in values for code in self.codes(v))))
        if not asked.codes:
            raise RequestError(f"No value is given for '{self.name}', as in {self.example}.")
        if operator != "!=":
            return [asked]
        if not (rest := asked.others(self)):
            raise RequestError(f"'{self.name}!={value}' excludes every value of '{self.name}'.")
        return [OneOf(rest, negated=True)]

    def _compared(self, operator: str, value: Any) -> str:
        """The values that a comparison means, as a request names them. An example if they are no numbers."""
        try:
            numbers = {choice: float(choice) for choice in self.choices}
            meant = sorted(
                (c for c in numbers if COMPARISONS[operator](numbers[c], float(value))), key=numbers.__getitem__
            )
        except (TypeError, ValueError):
            meant = []
        return "..".join(dict.fromkeys((meant[0], meant[-1]))) if meant else "|".join(self.choices[1:3])

    def opposite(self, constraint: Constraint) -> Constraint:
        """One of the other values."""
        if not isinstance(constraint, OneOf) or not (rest := constraint.others(self)):
            raise RequestError(f"the negation excludes every value of '{self.name}'.")
        return OneOf(rest, negated=True)

    @property
    def example(self) -> str:
        """A request for the last value."""
        return f"{self.name}={self.choices[-1]}"

    def bare(self, word: str) -> str | None:
        """The word itself, if it names a value or an alias."""
        return word if fold(word) in map(fold, self.choices) else super().bare(word)


def _several(value: Any) -> Sequence[Any]:
    """The values listed in a collection, or the one given."""
    return list(value) if isinstance(value, list | tuple | set | range) else [value]
