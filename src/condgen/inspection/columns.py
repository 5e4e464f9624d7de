"""The source's columns: the role of each, and the reason."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from condgen.data.infer import NO_ATTRIBUTES, fault_of
from condgen.schema import Attribute, Schema, same
from condgen.schema.cells import missing, no_numbers, sentence
from condgen.schema.kinds import MEASURED, NAMES

WORDS = 3  # texts with more words than this, on average, are prose
LIKE_AN_IDENTIFIER = 0.9  # whole numbers with a larger share of distinct values may be row identifiers
UNASKED = "not among the attributes chosen"
SEVERAL, FEW = 400, 20  # more distinct whole numbers, each in fewer rows on average, may name persons or the like
DENSE = 0.5  # share of the numbers from the smallest to the largest that such identifiers use
SHARED = "in few rows each, as an identifier's would be"
DOUBT = "nearly all differ, as an identifier's would"


@dataclass(frozen=True)
class Column:
    """A column of the source.

    role: the attribute's kind, or "identifier", "text", "constant", "unreadable", "left out".
    examples: a few of its values.
    mistakes: a sentence on the cells that are no numbers, where nearly all others are.
    """

    name: str
    role: str
    why: str
    distinct: int
    missing: int
    examples: tuple[str, ...]
    mistakes: str = ""

    @property
    def used(self) -> bool:
        """Whether it became an attribute."""
        return self.role in NAMES

    @property
    def suspicious(self) -> bool:
        """Whether it became an attribute but looks like an identifier."""
        return self.used and DOUBT in self.why

    @property
    def groups(self) -> bool:
        """Whether it became an attribute but looks like an identifier that few rows share, as those of one person."""
        return self.used and SHARED in self.why


def describe_columns(
    columns: Mapping[str, Sequence[Any]], schema: Schema, notes: Sequence[str], given: bool
) -> tuple[Column, ...]:
    """Every column of the source in order, with its role."""
    return tuple(_described(k, *column, schema, notes, given) for k, column in enumerate(columns.items(), 1))


def _described(
    number: int, name: str, values: Sequence[Any], schema: Schema, notes: Sequence[str], given: bool
) -> Column:
    counts = value_counts(values)
    present = {v: n for v, n in counts.items() if not missing(v)}
    absent = sum(counts.values()) - sum(present.values())
    examples = tuple(str(v).strip() for v in list(present)[:4])
    what = f"{len(present):,} distinct {_sort_of(present)}"
    if (attribute := same(name, schema.names)) is not None:
        role, why = _kept(schema[attribute], what, given, len(values), present)
    else:
        role, why = _left_out(name, what, present, notes, given)
    wrong = {} if given or role in MEASURED else no_numbers(present)
    shown = name if name.strip() else f"column {number} (no name)"
    return Column(shown, role, why, len(present), absent, examples, sentence(name, wrong, _plainly(values)))


def _plainly(values: Sequence[Any]) -> Sequence[Any]:
    """The cells of a list or of an Arrow array as Python has them."""
    listed: Sequence[Any] = values.to_pylist() if hasattr(values, "to_pylist") else values
    return listed


def value_counts(values: Sequence[Any]) -> dict[Any, int]:
    """The number of occurrences of each value, counted by Arrow. Values of mixed types are counted as text."""
    import pyarrow as pa

    try:
        array = values if isinstance(values, pa.Array | pa.ChunkedArray) else pa.array(values)
        counted = array.value_counts()
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError, UnicodeEncodeError):
        texts = (None if v is None else str(v).encode(errors="backslashreplace").decode() for v in values)
        counted = pa.array(list(texts)).value_counts()
    return dict(zip(counted.field("values").to_pylist(), counted.field("counts").to_pylist(), strict=True))


def _sort_of(values: Mapping[Any, int]) -> str:
    numbers = [_number(v) for v in values]
    known = [n for n in numbers if n is not None]
    if len(known) < len(numbers):
        return "texts" if not known else "texts and numbers"
    return "integers" if all(n.is_integer() for n in known) else "numbers"


def _number(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def _kept(a: Attribute, what: str, given: bool, rows: int, present: Mapping[Any, int]) -> tuple[str, str]:
    if given:
        return a.kind, f"{what}; {a.kind} as the schema says"
    doubt = ""
    if not a.choices and what.endswith("integers"):
        if len(present) > LIKE_AN_IDENTIFIER * rows and rows > 100:
            doubt = f"; {DOUBT}"
        elif _names_groups(present):
            doubt = f"; {SHARED}"
    return a.kind, a.recognised(what, [str(value) for value in present]) + doubt


def _names_groups(present: Mapping[Any, int]) -> bool:
    """Whether very many whole numbers, which nearly fill their range, occur in few rows each."""
    numbers = [float(value) for value in present]
    if len(numbers) < SEVERAL or sum(present.values()) > FEW * len(numbers):
        return False
    return len(numbers) > DENSE * (max(numbers) - min(numbers) + 1)


def _left_out(name: str, what: str, present: Mapping[Any, int], notes: Sequence[str], given: bool) -> tuple[str, str]:
    if not name.strip():
        return "left out", "give it a name to use it"
    if name.strip().casefold() in NO_ATTRIBUTES or name.startswith("__"):
        return "identifier", "its name is that of a file, an identifier or a split"
    if len(present) < 2:
        return "constant", f"always '{next(iter(present))}'" if present else "empty"
    if given or not any(f"'{name}'" in note for note in notes):
        return "left out", f"{what}; {UNASKED}"
    if fault := fault_of(name):
        return "left out", f"it has {fault}"
    if no_numbers(present):
        return "unreadable", f"{what}, meant as numbers"
    words = [len(re.findall(r"\w+", str(v))) for v in list(present)[:1000]]
    if sum(words) > WORDS * len(words):
        return "text", f"{what} of {sum(words) / len(words):.0f} words on average: free text"
    return "identifier", f"{what}, too many to be values: an identifier"
