"""The base class of attributes, with one method for every question that depends on an attribute's kind.

No other module asks which kind an attribute is. A new kind is a subclass in a file of its own and an entry in
`kinds.py`. Values are stored as numbers, called *codes*, in arrays `[batch, *shape]`. People see names.

Methods follow the library of the arrays that they are given (`condgen.arrays`), and only `density` needs PyTorch.
"""

import operator
import re
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, Literal
from unicodedata import normalize

from pydantic import BaseModel, ConfigDict, Field, model_validator

from condgen.arrays import Array, Bool, Float, Int
from condgen.errors import RequestError
from condgen.schema.cells import Mistake, missing
from condgen.schema.column import Column, text_of
from condgen.schema.constraints import Constraint
from condgen.schema.controls import Control, readable

if TYPE_CHECKING:
    from condgen.schema.density import Density as Density
else:
    Density = Any  # densities are for networks, and need PyTorch

FORBIDDEN = set("=!,;|\n\r")
COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    "≤": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "≥": operator.ge,
}
# Underscores, hyphens (but not the minus of -1), and what joins words, as in `o'clock` (but not the point of 1.5).
_BETWEEN_WORDS = re.compile(r"_|(?<=\w)-|-(?!\d)|(?<=[^\W\d])[./'’](?=\w)|(?<=\w)[./'’](?=[^\W\d])")

Code = float | tuple[float, ...]
Codes = Float[Array, "batch ..."]
Columns = Mapping[str, Sequence[Any]]
Vocabulary = Mapping[str, Any]


def fold(text: object) -> str:
    """The form in which names and values are compared, without case, underscores, hyphens, apostrophes and spaces.

    An accent may be a sign of its own, as macOS writes it in names of files.
    """
    return _folded(str(text))


@lru_cache(maxsize=100_000)  # the names of a schema are looked up at every step of training
def _folded(text: str) -> str:
    return " ".join(_BETWEEN_WORDS.sub(" ", normalize("NFC", text).casefold()).split()) or text


def same(name: str, names: Iterable[str]) -> str | None:
    """The name among these that the user's spelling matches, or None."""
    names = list(names)
    return name if name in names else next((known for known in names if fold(known) == fold(name)), None)


class Attribute(BaseModel):
    """Something that can be asked for. Immutable. Two attributes are equal when all their fields are."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1)
    synonyms: tuple[str, ...] = ()  # other names of the attribute, as in `glasses=yes` for `Eyeglasses`
    aliases: dict[str, str] = {}  # other words for its values, as in {"crimson": "red", "warm": "red|orange"}
    # Augmentations that would change its value. Left out of the JSON when empty.
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
        """Raise RequestError if an alias stands for nothing that can be asked for."""
        self.constraints("=", alias, extrapolate=True)

    def _unalias(self, value: object) -> object:
        return self._meanings_of_aliases.get(fold(value), value) if self.aliases else value

    @cached_property
    def _meanings_of_aliases(self) -> dict[str, str]:
        return {fold(k): v for k, v in self.aliases.items()}

    # ---- codes

    @property
    def names(self) -> tuple[str, ...]:
        """The attribute's name and synonyms."""
        return (self.name, *self.synonyms)

    @property
    def choices(self) -> tuple[str, ...]:
        """The names of the values, in the order of their codes. Empty for measured attributes, whose values have no
        names.
        """
        return ()

    @property
    def observable(self) -> bool:
        """Whether a column of this kind counts as data to be generated unless it is chosen as an attribute."""
        return False

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one code: () for a number."""
        return ()

    @property
    def blank(self) -> Code:
        """A placeholder code for samples in which the attribute is not given."""
        return 0.0

    @abstractmethod
    def parse(self, value: object, extrapolate: bool = False) -> Code:
        """The code of a value as a person writes it.

        Raises RequestError for a value that the attribute does not have.
        """

    def cell(self, value: object) -> Code | None:
        """The code of a table's cell, or None if the cell is empty. Raises RequestError as `parse` does."""
        return None if missing(value) else self.parse(text_of(value))

    @abstractmethod
    def format(self, code: Any) -> str:
        """The value with this code as text. `parse` reads it back, exact to six significant digits."""

    def show(self, code: Any) -> str:
        """A short text for the value with this code."""
        return self.format(code)

    def hard(self, codes: Codes) -> Codes:
        """The most likely codes, where codes may be probabilities."""
        return codes

    # ---- for networks

    @property
    @abstractmethod
    def width(self) -> int:
        """The number of columns of the plain encoding."""

    @property
    @abstractmethod
    def rms(self) -> float:
        """Root mean square of the plain encoding's numbers."""

    @abstractmethod
    def encode(self, codes: Codes) -> Float[Array, "batch width"]:
        """The plain encoding: numbers of order one."""

    @abstractmethod
    def decode(self, encoded: Float[Array, "batch width"]) -> Codes:
        """The codes whose plain encoding is nearest to the one given."""

    @property
    def features_width(self) -> int:
        """The number of columns of `features`."""
        return self.width

    def features(self, codes: Codes) -> Float[Array, "batch feature"]:
        """Inputs of a learned embedding: the plain encoding, plus functions of it where an embedding needs them."""
        return self.encode(codes)

    @property
    @abstractmethod
    def density(self) -> Density:
        """The density of codes as parametrised by a network's output."""

    # ---- comparing and varying

    @property
    def reach(self) -> float:
        """The largest distance between two places (see `place`)."""
        return self.span

    @property
    def span(self) -> float:
        """The largest possible error. Errors are divided by it to become shares."""
        return 1.0

    @abstractmethod
    def error(self, read: Float[Array, "*batch"], codes: Float[Array, "*batch2"]) -> Array:
        """The error of codes that were read against the codes that are true: 0 or 1, or a distance.

        Shapes before `shape` broadcast.
        """

    def distance(self, codes: Float[Array, "*batch"], others: Float[Array, "*batch2"]) -> Array:
        """The distance of values as a share of the largest one. Shapes before `shape` broadcast."""
        return self.error(codes, others) / self.span

    def error_at(self, distance: float) -> float | None:
        """The error of codes at this distance. None where it also depends on the codes."""
        return distance * self.span

    def factor_at(self, distance: float) -> float | None:
        """The ratio of numbers at this distance. None where it also depends on the numbers."""
        return None

    @abstractmethod
    def uniform(self, u: Codes) -> Codes:
        """Codes drawn uniformly over the values, from uniform numbers in [0, 1)."""

    @abstractmethod
    def counterfactual(self, codes: Codes, u: Codes) -> Codes:
        """For each code, the code of a clearly different value, chosen by uniform numbers in [0, 1) of its shape."""

    def vicinity(self, codes: Codes, share: float, noise: Callable[[Array], Array]) -> Codes:
        """Codes with noise added, of this share of the range. Unchanged for kinds in which near codes do not mean
        similar values.
        """
        return codes

    def place(self, codes: Codes) -> Float[Array, " batch"]:
        """One number per code: equal for equal codes, and near for similar values."""
        return codes

    def bins(self, codes: Codes) -> Float[Array, " batch"]:
        """One number per code, equal only for equal codes."""
        return codes

    @abstractmethod
    def numbered(self, codes: Codes) -> tuple[Int[Array, " batch"], int]:
        """The index of each code among the possible values, or among those that occur, and how many there are."""

    @abstractmethod
    def mismatch(
        self, codes: Codes, rows: Float[Array, "row ..."], given: Bool[Array, " row"]
    ) -> Float[Array, "batch row"]:
        """The log-weight, in nats, that each row loses when these codes are asked for.

        given: the rows in which the attribute is known.
        """

    # ---- showing

    @property
    def label(self) -> str:
        """Its name as people write it."""
        return readable(self.name)

    def unit(self, vocabulary: Vocabulary) -> str:
        """The unit of its numbers, such as `kg`. Empty if it has none, or none is known."""
        return ""

    def control(self, codes: Codes, counts: Float[Array, " batch"]) -> Control:
        """The data behind a control, by default nothing. counts: how often the data has each code."""
        return Control()

    @property
    def limits(self) -> tuple[float, float] | None:
        """The ends of the range, or None if a value is not a single number."""
        return None

    @abstractmethod
    def sweep(self, codes: Codes, counts: Float[Array, " batch"], most: int) -> Float[Array, "value ..."]:
        """At most `most` values to go through when the user names none.

        counts: how often the data has each code.
        """

    def ranges(self, n: int) -> list[str]:
        """Requests for n ranges that cover all values, such as `20..30`. Empty for kinds without ranges."""
        return []

    def recognised(self, what: str, values: Sequence[str]) -> str:
        """The reason why a column with these distinct values, described as `what`, became an attribute of this kind."""
        return f"{what} → {self.kind}"

    # ---- requests

    @abstractmethod
    def constraints(self, operator: str, value: Any, extrapolate: bool = False) -> list[Constraint]:
        """The constraint that `name operator value` asks for. For `*` there is one per request.

        operator: "=", "!=" or one of `COMPARISONS`. Raises RequestError for a value that cannot be asked for.
        """

    def opposite(self, constraint: Constraint) -> Constraint:
        """The constraint that all other values satisfy. Raises RequestError if there is none."""
        raise RequestError(f"'{self.name}' cannot be negated; ask for what you want.")

    @property
    @abstractmethod
    def example(self) -> str:
        """An example request, such as `age=20..30`."""

    def bare(self, word: str) -> str | None:
        """The value that a word asks for without the attribute's name, or None."""
        return word if fold(word) in map(fold, self.aliases) else None

    @abstractmethod
    def ways(self, vocabulary: Vocabulary) -> Sequence[str]:
        """A few words that ask for a value of this attribute."""

    def phrases(self) -> Iterator[tuple[str, Constraint | None]]:
        """The attribute's own phrases and the constraints they ask for. The constraint is None for a name that needs a
        value.
        """
        yield from ((name, None) for name in self.names)
        yield from ((word, self.constraints("=", word, extrapolate=True)[0]) for word in self.aliases)

    def meanings(self, vocabulary: Vocabulary) -> Iterator[tuple[str, Constraint]]:
        """Phrases of the vocabulary that ask for a value of this attribute."""
        return iter(())

    def units(self, vocabulary: Vocabulary) -> Iterable[str]:
        """Phrases that mark a number as a value of this attribute. Empty for attributes that take no numbers."""
        return ()

    def comparisons(self, side: str, vocabulary: Vocabulary) -> Iterable[str]:
        """Phrases such as `older than` that ask for more (side "more") or less of this attribute alone."""
        return ()

    def between(self, low: float, high: float, extrapolate: bool, certain: bool) -> Constraint | None:
        """The constraint that a range of numbers in a phrase asks for, or None if it does not ask about this attribute.

        certain: the words leave no doubt that this attribute is meant. Raises RequestError for numbers out of range.
        """
        return None

    def _about(self, part: str, vocabulary: Vocabulary) -> list[dict[str, Any]]:
        """The entries of the vocabulary for an attribute of this name."""
        names = set(map(fold, self.names))
        return [entry for entry in vocabulary[part] if names & set(map(fold, entry["names"]))]

    # ---- data

    @classmethod
    def guess(cls, column: Column) -> "Attribute | str | None":
        """The attribute that a column holds, the reason why it holds none, or None if another kind may fit."""
        return None

    def crowding(self, codes: Codes, counts: Float[Array, " batch"]) -> str:
        """A sentence about values that the encoding can hardly tell apart. Empty if there are none.

        The last sentence says what to do. counts: how often each code occurs.
        """
        return ""

    def remarks(self, column: Column) -> Iterable[str]:
        """Notes to the user about the way in which this attribute reads a column's values."""
        return ()

    @classmethod
    def gathered(cls, columns: Columns) -> Columns:
        """A table's columns, with those joined that together hold one attribute of this kind."""
        return columns

    @classmethod
    def takes_lists(cls, cells: Sequence[Any]) -> bool:
        """Whether a column of lists may hold an attribute of this kind."""
        return False

    @classmethod
    def mistakes(cls, columns: Columns) -> Iterable[Mistake]:
        """Cells that keep columns, all others of which suit this kind, from holding an attribute of it."""
        return ()
