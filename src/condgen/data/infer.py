"""Inference of a schema from a table. Every guess is noted and can be edited as JSON."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from condgen.errors import DataError
from condgen.schema import KINDS, Attribute, Schema, same
from condgen.schema.attributes import FORBIDDEN, Code
from condgen.schema.column import Column, hashable

NO_ATTRIBUTES = {"file_name", "filename", "file", "path", "image", "image_path", "index", "id", "seed", "split", ""}

Columns = Mapping[str, Sequence[Any]]


def infer_schema(columns: Columns, classes: Sequence[str] = ()) -> tuple[Schema, list[str]]:
    """The schema of a table's columns, and notes on columns that were left out.

    classes: columns that are known to name classes, whatever their number and form.
    """
    attributes, notes = [], []
    for name, values in columns.items():
        if name.strip().casefold() in NO_ATTRIBUTES or name.startswith("__"):
            continue
        guess = infer_attribute(name, values, classes=name in classes)
        if isinstance(guess, str):
            notes.append(guess)
        else:
            attributes.append(guess)
            notes += guess.remarks(Column(name, values))
    return schema_of(attributes), notes


def remarks(inferred: Schema, columns: Columns) -> Iterator[str]:
    """Notes on the columns of which these attributes were inferred."""
    for a in inferred:
        column = same(a.name, columns)
        if column is not None:
            yield from a.remarks(Column(column, columns[column]))


def schema_of(attributes: Sequence[Attribute]) -> Schema:
    """The schema of these attributes. Raises DataError if two have names that requests cannot tell apart."""
    try:
        return Schema.model_validate({"attributes": list(attributes)})
    except ValidationError as error:
        reason = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise DataError(f"The columns cannot all be attributes: {reason}, up to spelling. Rename one.") from None


def infer_attribute(
    name: str, values: Sequence[Any], asked_for: bool = False, classes: bool = False
) -> Attribute | str:
    """The attribute that a column appears to hold, or the reason why it holds none.

    asked_for: the user named the column, so it becomes an attribute even if it looks like an identifier.
    classes: its cells are known to be names or numbers of classes.
    """
    if not name:
        return "A column without a name cannot be asked for; give it one."
    if fault := fault_of(name):
        return f"The column '{name}' has {fault}."
    column = Column(name, values, asked_for, classes)
    for kind in KINDS:
        if (guess := kind.guess(column)) is not None:
            return guess
    return f"The column '{name}' holds no values that can be asked for. It was left out."


def fault_of(name: str) -> str:
    """The reason why no attribute can have this name. Empty if one can."""
    bad = " and ".join(map(repr, sorted(FORBIDDEN & set(name))))
    return bad and f"{bad} in its name; rename it to use it"


def parse_columns(
    columns: Columns, schema: Schema, source: str, first: int = 0, origin: str = "the schema"
) -> "tuple[dict[str, list[Code]], dict[str, list[bool]]]":
    """Codes and presence of every attribute for every row.

    first: number of rows of the source before these.
    origin: the schema in words, for messages.

    Raises DataError that names the column, the row and the value that does not fit the schema.
    """
    codes: dict[str, list[Code]] = {}
    present: dict[str, list[bool]] = {}
    for a in schema:
        column = same(a.name, columns) or same(f"'{a.name}", columns)  # as samples write it for spreadsheets
        if column is None:
            raise DataError(
                f"{source} has no column '{a.name}', which {origin} asks for; it has {', '.join(columns) or 'none'}."
            )
        known: dict[tuple[type, Any], Code | None] = {}  # the code of every distinct cell, None if it is empty
        for row, cell in enumerate(hashable(columns[column])):
            if cell in known:
                continue
            try:
                known[cell] = a.cell(cell[1])
            except ValueError as error:
                raise DataError(f"{source}, row {first + row + 1}, column '{column}': {error}") from None
        found = [known[cell] for cell in hashable(columns[column])]
        present[a.name] = [code is not None for code in found]
        codes[a.name] = [a.blank if code is None else code for code in found]
    return codes, present
