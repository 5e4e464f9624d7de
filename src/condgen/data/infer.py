"""A schema guessed from a table: sane defaults, every guess stated, all of it editable as JSON afterwards."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from condgen.errors import DataError
from condgen.schema import Attribute, Categorical, Continuous, Flag, Schema
from condgen.schema.attributes import FORBIDDEN

FEW = 12  # up to this many distinct numbers are categories
CERTAIN = 0.5  # share of zeros and ones from which on numbers between them are taken for probabilities
LARGEST = 1e30  # numbers beyond would leave 32 bits when squared or subtracted; they are mistakes
MANY = 200  # more distinct texts than this are taken for identifiers or free text
_FLAGS = [{"0", "1"}, {"-1", "1"}, {"no", "yes"}, {"false", "true"}, {"n", "y"}, {"off", "on"}]
_MISSING = {"", "nan", "none", "null", "na", "n/a"}
_NOT_ATTRIBUTES = {"file_name", "filename", "file", "path", "image", "image_path", "index", "id", "seed", "split", ""}

Columns = Mapping[str, Sequence[Any]]


def missing(value: Any) -> bool:
    """Whether a table's cell holds no value."""
    return (
        value is None
        or (isinstance(value, float) and math.isnan(value))
        or (isinstance(value, str) and value.strip().casefold() in _MISSING)
    )


def infer_schema(columns: Columns, classes: Sequence[str] = ()) -> tuple[Schema, list[str]]:
    """The schema of a table's columns, and notes on what was left out and why.

    classes: columns that are known to name classes, however many and whatever they look like.
    """
    attributes, notes = [], []
    for name, values in columns.items():
        if name.strip().casefold() in _NOT_ATTRIBUTES or name.startswith("__"):
            continue
        guess = infer_attribute(name, values, classes=name in classes)
        if isinstance(guess, str):
            notes.append(guess)
        else:
            attributes.append(guess)
    return schema_of(attributes), notes


def schema_of(attributes: Sequence[Attribute]) -> Schema:
    """The schema of these attributes. Raises DataError where two have names that requests cannot tell apart."""
    try:
        return Schema(attributes=tuple(attributes))
    except ValidationError as error:
        reason = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise DataError(f"The columns cannot all be attributes: {reason}, up to spelling. Rename one.") from None


def categorical(name: str, values: Iterable[str]) -> Categorical:
    """A categorical attribute with these values, numbers in numeric order and before other texts."""
    return Categorical(name=name, values=tuple(sorted(set(values), key=_in_order)))


def infer_attribute(
    name: str, values: Sequence[Any], asked_for: bool = False, classes: bool = False
) -> Attribute | str:
    """The attribute that a column seems to hold, or the reason why it holds none.

    asked_for: a person named the column, so it becomes an attribute even if it looks like an identifier.
    classes:   its cells are known to be names or numbers of classes.
    """
    if bad := FORBIDDEN & set(name):
        return f"The column '{name}' has {' and '.join(map(repr, sorted(bad)))} in its name; rename it to use it."
    counts = _counts(values)
    distinct = set(counts)
    if len(distinct) < 2:
        what = f"is always '{next(iter(distinct))}'" if distinct else "is empty"
        return f"The column '{name}' {what}; it was left out."
    if {d.casefold() for d in distinct} in _FLAGS:
        return Flag(name=name)
    numbers = _numbers(distinct)
    if numbers and max(map(abs, numbers)) > LARGEST:
        return (
            f"The column '{name}' holds numbers as large as {max(numbers, key=abs):g}; it was left out. Correct them."
        )
    if numbers and _are_probabilities(counts):
        return Flag(name=name)
    if numbers and len(distinct) > FEW and not classes:
        if _is_count(numbers, len(values)) and not asked_for:
            return f"The column '{name}' numbers the rows; it was left out."
        return Continuous(name=name, low=min(numbers), high=max(numbers))
    many = len(distinct) > MANY or (len(distinct) > 20 and len(distinct) > 0.5 * sum(counts.values()))
    if many and not (asked_for or classes):
        return f"The column '{name}' has {len(distinct)} distinct texts, like an identifier; it was left out."
    return categorical(name, distinct)


def _counts(values: Sequence[Any]) -> Counter[str]:
    """How often every text occurs; each distinct cell is looked at once, however often it occurs."""
    counts: Counter[str] = Counter()
    for (_, value), n in Counter(_cells(values)).items():
        if not missing(value):
            counts[_text(value)] += n
    return counts


def _cells(values: Sequence[Any]) -> list[tuple[type, Any]]:
    """Values with their types, so that 1 and True differ; what cannot be compared quickly, such as a list, as text."""
    if any(kind.__hash__ is None for kind in set(map(type, values))):
        values = [str(v) if type(v).__hash__ is None else v for v in values]
    return list(zip(map(type, values), values, strict=True))


def _text(value: Any) -> str:
    """A cell as the name of a category: 3.0 and 3 are the same."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).strip()


def _numbers(texts: set[str]) -> list[float] | None:
    """All texts as finite numbers, or None."""
    try:
        numbers = [float(t) for t in texts]
    except ValueError:
        return None
    return numbers if all(map(math.isfinite, numbers)) else None


def _are_probabilities(counts: Counter[str]) -> bool:
    """Whether numbers seem to be probabilities of yes: both 0 and 1 occur, mostly, and nothing outside of them."""
    certain = {v: sum(n for text, n in counts.items() if float(text) == v) for v in (0, 1)}
    inside = all(0 <= float(text) <= 1 for text in counts)
    return inside and all(certain.values()) and sum(certain.values()) >= CERTAIN * sum(counts.values())


def _is_count(numbers: list[float], rows: int) -> bool:
    """Whether these distinct numbers are consecutive integers, one per row."""
    return len(numbers) == rows and max(numbers) - min(numbers) == rows - 1 and all(n.is_integer() for n in numbers)


def _in_order(text: str) -> tuple[float, str]:
    try:
        return float(text), text
    except ValueError:
        return math.inf, text.casefold()


def parse_columns(
    columns: Columns, schema: Schema, source: str, first: int = 0
) -> "tuple[dict[str, list[float]], dict[str, list[bool]]]":
    """Codes and presence of every attribute for every row. first: rows of the source before these.

    Raises DataError that names the column, the row and the value that does not fit the schema.
    """
    codes: dict[str, list[float]] = {}
    present: dict[str, list[bool]] = {}
    for a in schema:
        if a.name not in columns:
            raise DataError(
                f"{source} has no column '{a.name}', which the schema asks for; it has {', '.join(columns)}."
            )
        cells = _cells(columns[a.name])
        known: dict[tuple[type, Any], float | None] = {}  # the code of every distinct cell, None where it is empty
        for row, cell in enumerate(cells):
            if cell in known:
                continue
            try:
                known[cell] = None if _absent(cell[1], a) else _code(a, _text(cell[1]))
            except ValueError as error:
                raise DataError(f"{source}, row {first + row + 1}, column '{a.name}': {error}") from None
        found = [known[cell] for cell in cells]
        present[a.name] = [code is not None for code in found]
        codes[a.name] = [0.0 if code is None else code for code in found]
    return codes, present


def _absent(value: Any, attribute: Attribute) -> bool:
    """Whether a cell holds no value of the attribute; 'none' is one where it is listed among the values."""
    return missing(value) and not (isinstance(attribute, Categorical) and _text(value) in attribute.values)


def _code(a: Attribute, text: str) -> float:
    """The code of a cell; of a flag also a probability."""
    return a.probability(text) if isinstance(a, Flag) else a.parse(text)
