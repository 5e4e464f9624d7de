"""Flags: attributes that are yes or no."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Literal

from condgen.arrays import Array, Float, float32
from condgen.errors import unknown
from condgen.schema.attributes import Density, Vocabulary, fold
from condgen.schema.cells import missing
from condgen.schema.column import Column, text_of
from condgen.schema.constraints import Constraint, OneOf
from condgen.schema.discrete import Codes, Discrete

CERTAIN = 0.5  # smallest share of zeros and ones at which other numbers count as probabilities
_YES = {"1", "1.0", "yes", "true", "y", "on", "with"}
_NO = {"0", "0.0", "-1", "-1.0", "no", "false", "n", "off", "without"}
_PAIRS = [{"0", "1"}, {"-1", "1"}, {"no", "yes"}, {"false", "true"}, {"n", "y"}, {"off", "on"}]
YES, NO = OneOf((1,)), OneOf((0,))


class Flag(Discrete):
    """Yes or no. Codes are 1 and 0, and the plain encoding is +1 and −1.

    Training data may hold probabilities of yes (soft labels). Requests and evaluation use 0 and 1 only.
    """

    kind: Literal["flag"] = "flag"

    @property
    def choices(self) -> tuple[str, ...]:
        """The names of the values, in the order of their codes."""
        return ("no", "yes")

    def parse(self, value: object, extrapolate: bool = False) -> float:
        """The code of a value as a person writes it: yes/no, true/false, 1/0, −1. Raises RequestError for anything
        else.
        """
        word = fold(self._unalias(value))
        if word in _YES:
            return 1.0
        if word in _NO:
            return 0.0
        raise unknown(f"value for '{self.name}':", value, ["yes", "no", *self.aliases])

    def cell(self, value: object) -> float | None:
        """The probability of yes in a table's cell: 0, 1, or a number between. Raises RequestError."""
        if missing(value):
            return None
        try:
            number = float(text_of(value))
        except ValueError:
            return self.parse(text_of(value))
        return number if 0 <= number <= 1 else self.parse(text_of(value))

    def format(self, code: int | float) -> str:
        """'yes' or 'no'."""
        return "yes" if code > 0.5 else "no"

    def hard(self, codes: Codes) -> Codes:
        """The more likely of yes and no in place of probabilities."""
        return float32(codes > 0.5)

    @property
    def width(self) -> int:
        """One column."""
        return 1

    @property
    def rms(self) -> float:
        """The root mean square of ±1."""
        return 1.0

    def encode(self, codes: Codes) -> Float[Array, "batch width"]:
        """+1 for yes, −1 for no, and 2p − 1 (the mean) for a probability p of yes."""
        return float32(codes)[:, None] * 2 - 1

    def decode(self, encoded: Float[Array, "batch 1"]) -> Codes:
        """Yes for a positive number."""
        return float32(encoded[:, 0] > 0)

    @property
    def density(self) -> Density:
        """A softmax over no and yes. A guess is the logit of yes."""
        from condgen.schema.density import ChoiceDensity

        return ChoiceDensity(2, binary=True)

    def opposite(self, constraint: Constraint) -> Constraint:
        """The other of yes and no. It is not marked as negated, since `glasses=no` is as plain as `glasses=yes`."""
        return replace(super().opposite(constraint), negated=False)  # type: ignore[type-var]

    def bare(self, word: str) -> str | None:
        """Yes for the attribute's own name, or the alias itself."""
        named = fold(word) in map(fold, self.names)
        return "yes" if named else word if fold(word) in map(fold, self.aliases) else None

    def ways(self, vocabulary: Vocabulary) -> tuple[str, ...]:
        """Its aliases and the vocabulary's first words for yes and no. If there are none, `yes` and `no`."""
        sides = [entry.get(side, ()) for entry in self._about("flags", vocabulary) for side in ("yes", "no")]
        return (*self.aliases, *(w for side in sides for w in side[:2])) or ("yes", "no")

    def phrases(self) -> Iterator[tuple[str, Constraint | None]]:
        """Its names, which ask for yes, and its aliases."""
        yield from ((name, YES) for name in self.names)
        yield from ((word, OneOf(self.codes(word))) for word in self.aliases)

    def meanings(self, vocabulary: Vocabulary) -> Iterator[tuple[str, Constraint]]:
        """The vocabulary's words for yes and no."""
        for side, constraint in (("yes", YES), ("no", NO)):
            for entry in self._about("flags", vocabulary):
                yield from ((word, constraint) for word in entry.get(side, ()))

    def recognised(self, what: str, values: Sequence[str]) -> str:
        """The two values."""
        return f"2 values, {' and '.join(values)} → flag"

    @classmethod
    def guess(cls, column: Column) -> "Flag | None":
        """A flag if the column holds two opposite words, or numbers that look like probabilities of yes."""
        words = {d.casefold() for d in column.distinct}
        return cls(name=column.name) if words in _PAIRS or _are_probabilities(column) else None


def _are_probabilities(column: Column) -> bool:
    """Whether the numbers are in [0, 1], both 0 and 1 occur, and most are one of them."""
    if not column.numbers or not all(0 <= number <= 1 for number in column.numbers):
        return False
    certain = {v: sum(n for text, n in column.counts.items() if float(text) == v) for v in (0, 1)}
    return all(certain.values()) and sum(certain.values()) >= CERTAIN * sum(column.counts.values())
