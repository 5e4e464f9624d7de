"""Attribute: one thing that can be asked for, and every question that a kind of attribute answers for itself.

No other module asks which kind an attribute is. A new kind is a subclass in a file of its own and an entry in
`kinds.py`. Values are stored as numbers, their *codes*, as tensors `[batch, *shape]`; people see names.
"""

import re
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal

import torch
from jaxtyping import Bool, Float, Int
from pydantic import BaseModel, ConfigDict, Field, model_validator
from torch import Tensor

from condgen.errors import RequestError
from condgen.schema.column import Column, missing, text_of
from condgen.schema.constraints import Constraint
from condgen.schema.density import Density

FORBIDDEN = set("=!,;|\n\r")
_BETWEEN_WORDS = re.compile(r"_|(?<=\w)-|-(?!\d)")  # but the minus of -1 is no hyphen

Code = float | tuple[float, ...]
Codes = Float[Tensor, "batch ..."]
Columns = Mapping[str, Sequence[Any]]
Vocabulary = Mapping[str, Any]


def fold(text: object) -> str:
    """The form in which names and values are compared: case, underscores, hyphens and spaces do not matter."""
    return " ".join(_BETWEEN_WORDS.sub(" ", str(text).casefold()).split()) or str(text)


class Attribute(BaseModel):
    """One thing that can be asked for. Immutable; two attributes are equal when all their fields are."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1)
    synonyms: tuple[str, ...] = ()  # other names of the attribute, as in `glasses=yes` for `Eyeglasses`
    aliases: dict[str, str] = {}  # other words for its values, as in {"crimson": "red", "warm": "red|orange"}
    # Augmentations that would change its value; left out of the JSON where there are none.
    unsafe: tuple[Literal["flip", "shift"], ...] = Field(default=(), exclude_if=lambda names: not names)
    kind: str

    @model_validator(mode="after")
    def _name_can_be_requested(self) -> "Attribute":
        if bad := FORBIDDEN & set(self.name):
            raise ValueError(f"the attribute name '{self.name}' contains {sorted(bad)}, which requests use; rename it")
        return self

    @model_validator(mode="after")
    def _aliases_name_values(self) -> "Attribute":
        for word in self.aliases:
            self._must_name_values(word)
        return self

    def _must_name_values(self, alias: str) -> None:
        """Raises RequestError where an alias stands for nothing that can be asked for."""
        self.constraints("=", alias, extrapolate=True)

    def _unalias(self, value: object) -> object:
        aliases = {fold(k): v for k, v in self.aliases.items()}
        return aliases.get(fold(value), value) if aliases else value

    # ---- codes

    @property
    def names(self) -> tuple[str, ...]:
        """Its name and synonyms."""
        return (self.name, *self.synonyms)

    @property
    def choices(self) -> tuple[str, ...]:
        """The names of the values, in the order of their codes; none where values are measured, not named."""
        return ()

    @property
    def observable(self) -> bool:
        """Whether a column of it, unless it is asked for, belongs to what is observed: measured numbers do."""
        return False

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one code: () for a number."""
        return ()

    @property
    def blank(self) -> Code:
        """The code that stands where the attribute is not given, and means nothing."""
        return 0.0

    @abstractmethod
    def parse(self, value: object, extrapolate: bool = False) -> Code:
        """The code of a person's value. Raises RequestError for a value that the attribute does not have."""

    def cell(self, value: object) -> Code | None:
        """The code of a table's cell, None where it holds no value. Raises RequestError as `parse` does."""
        return None if missing(value) else self.parse(text_of(value))

    @abstractmethod
    def format(self, code: Any) -> str:
        """The value with this code as text, which `parse` reads again up to six significant digits."""

    def show(self, code: Any) -> str:
        """The value with this code in short, for people."""
        return self.format(code)

    def hard(self, codes: Codes) -> Codes:
        """The likeliest codes, where codes may be probabilities."""
        return codes

    # ---- for networks

    @property
    @abstractmethod
    def width(self) -> int:
        """Columns of the plain encoding."""

    @property
    @abstractmethod
    def rms(self) -> float:
        """Root mean square of the plain encoding's numbers."""

    @abstractmethod
    def encode(self, codes: Codes) -> Float[Tensor, "batch width"]:
        """The plain encoding, of numbers of order one."""

    @abstractmethod
    def decode(self, encoded: Float[Tensor, "batch width"]) -> Codes:
        """The codes whose plain encoding is nearest."""

    @property
    def features_width(self) -> int:
        """Columns of `features`."""
        return self.width

    def features(self, codes: Codes) -> Float[Tensor, "batch feature"]:
        """Inputs of a learned embedding: the plain encoding, and functions of it where an embedding needs them."""
        return self.encode(codes)

    @property
    @abstractmethod
    def density(self) -> Density:
        """The density of codes under a network's output."""

    # ---- comparing and varying

    @property
    def reach(self) -> float:
        """The distance between the places that are farthest apart."""
        return self.span

    @property
    def span(self) -> float:
        """The error between values that are as far apart as can be: what an error is divided by to be a share."""
        return 1.0

    @abstractmethod
    def error(self, read: Float[Tensor, "*batch"], codes: Float[Tensor, "*batch2"]) -> Tensor:
        """How wrong codes are by what is read, per pair: 0 or 1, or a distance. Shapes before `shape` broadcast."""

    @abstractmethod
    def uniform(self, u: Codes) -> Codes:
        """Codes of uniformly likely values, from uniform numbers in [0, 1)."""

    @abstractmethod
    def counterfactual(self, codes: Codes, generator: torch.Generator | None = None) -> Codes:
        """Other codes: each a value that is clearly not the one given."""

    def vicinity(self, codes: Codes, share: float, noise: Callable[[Tensor], Tensor]) -> Codes:
        """Codes moved by noise of this share of the range, where near values mean nearly the same; else unmoved."""
        return codes

    def place(self, codes: Codes) -> Float[Tensor, " batch"]:
        """A number per code such that equal codes have equal numbers and near ones near numbers."""
        return codes

    def bins(self, codes: Codes) -> Float[Tensor, " batch"]:
        """A number per code, equal for equal codes only."""
        return codes

    @abstractmethod
    def numbered(self, codes: Codes) -> tuple[Int[Tensor, " batch"], int]:
        """The number of each code among the values that occur or can occur, and how many of those there are."""

    @abstractmethod
    def mismatch(
        self, codes: Codes, rows: Float[Tensor, "row ..."], given: Bool[Tensor, " row"]
    ) -> Float[Tensor, "batch row"]:
        """Nats by which rows are less likely than others, where these codes are asked for. given: rows that count."""

    # ---- showing

    @property
    def limits(self) -> tuple[float, float] | None:
        """The ends of the range, where a value is a single number."""
        return None

    @abstractmethod
    def sweep(self, codes: Codes, counts: Float[Tensor, " batch"], most: int) -> Float[Tensor, "value ..."]:
        """Values to go through when nobody says which, at most so many. counts: how often the data has each code."""

    def ranges(self, n: int) -> list[str]:
        """Requests for n ranges that cover all values, such as `20..30`; none where values come in no ranges."""
        return []

    def recognised(self, what: str, values: Sequence[str]) -> str:
        """Why a column of these distinct values, in short `what`, became an attribute of this kind."""
        return f"{what} → {self.kind}"

    # ---- requests

    @abstractmethod
    def constraints(self, operator: str, value: Any, extrapolate: bool = False) -> list[Constraint]:
        """The constraint that `name operator value` asks for, or one per request for `*`.

        operator: "=" or "!=". Raises RequestError for what cannot be asked.
        """

    def opposite(self, constraint: Constraint) -> Constraint:
        """The constraint that every other value obeys. Raises RequestError where there is none."""
        raise RequestError(f"'{self.name}' cannot be negated; ask for what you want.")

    @property
    @abstractmethod
    def example(self) -> str:
        """A request of it, such as `age=20..30`."""

    def bare(self, word: str) -> str | None:
        """The value that a word asks for without the attribute's name; None where it asks for none."""
        return word if fold(word) in map(fold, self.aliases) else None

    @abstractmethod
    def ways(self, vocabulary: Vocabulary) -> Sequence[str]:
        """A few words that ask something of it."""

    def phrases(self) -> Iterator[tuple[str, Constraint | None]]:
        """Its own phrases and what they ask for; None for a name that needs a value."""
        yield from ((name, None) for name in self.names)
        yield from ((word, self.constraints("=", word, extrapolate=True)[0]) for word in self.aliases)

    def meanings(self, vocabulary: Vocabulary) -> Iterator[tuple[str, Constraint]]:
        """The vocabulary's phrases that ask something of it."""
        return iter(())

    def units(self, vocabulary: Vocabulary) -> Iterable[str]:
        """Phrases beside a number that say that the number is of this attribute; none where it takes no numbers."""
        return ()

    def comparisons(self, side: str, vocabulary: Vocabulary) -> Iterable[str]:
        """Phrases that ask for more (side "more") or less than a number of this attribute alone, as in `older than`."""
        return ()

    def between(self, low: float, high: float, extrapolate: bool, certain: bool) -> Constraint | None:
        """The constraint that a range of numbers in words asks for; None where it asks nothing of this attribute.

        certain: the words leave no doubt that this attribute is meant. Raises RequestError for numbers out of range.
        """
        return None

    def _about(self, part: str, vocabulary: Vocabulary) -> list[dict[str, Any]]:
        """The vocabulary's entries about an attribute of this name."""
        names = set(map(fold, self.names))
        return [entry for entry in vocabulary[part] if names & set(map(fold, entry["names"]))]

    # ---- data

    @classmethod
    def guess(cls, column: Column) -> "Attribute | str | None":
        """The attribute that a column holds, the reason why it holds none, or None where another kind may fit."""
        return None

    def crowding(self, codes: Codes, counts: Float[Tensor, " batch"]) -> str:
        """A sentence on values that the encoding can hardly tell apart; empty where there are none.

        counts: how often each code occurs.
        """
        return ""

    def remarks(self, column: Column) -> Iterable[str]:
        """Notes for people on what this attribute makes of a column's values."""
        return ()

    @classmethod
    def gathered(cls, columns: Columns) -> Columns:
        """A table's columns, those joined that together hold one attribute of this kind."""
        return columns

    @classmethod
    def takes_lists(cls, cells: Sequence[Any]) -> bool:
        """Whether a column of lists may hold an attribute of this kind."""
        return False
