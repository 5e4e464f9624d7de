"""Data as it displays itself in a notebook: its attributes, and its first observations."""

from collections.abc import Callable, Iterator, Sequence

import torch
from jaxtyping import Int, Shaped
from markupsafe import Markup
from torch import Tensor

from condgen.notebook import paragraph, picture, table
from condgen.pictures import grid
from condgen.pixels import as_float
from condgen.schema import Attribute, Condition

PICTURES, IN_A_ROW, ROWS = 20, 10, 5  # images, images in a row, and rows of a table
MOST_VALUES = 10  # values of an attribute, and coordinates of a vector
MOST_ATTRIBUTES = 40

Taken = Callable[[Int[Tensor, " m"]], Shaped[Tensor, "m ..."]]


def shown(
    title: str, condition: Condition, taken: Taken, names: Sequence[str] | None = None, notes: Sequence[str] = ()
) -> str:
    """HTML of observations and their attributes.

    taken: the observations at an index.
    names: of a vector's coordinates.
    """
    parts = [paragraph(Markup("<b>{}</b>").format(title)), _attributes(condition)]
    if n := min(len(condition), PICTURES):
        x = taken(torch.arange(n))
        parts.append(
            picture(grid(as_float(x), IN_A_ROW), f"The first {n}") if x.dim() == 4 else _rows(x, condition, names)
        )
    return str(Markup().join([*parts, *(paragraph(f"Note: {note}") for note in notes)]))


def _attributes(condition: Condition) -> Markup:
    """One row per attribute: a request, the values with their number, and how many are missing."""
    schema, hard = condition.schema, condition.hard()
    rows = [
        (a.name, a.example, _values(a, hard), f"{len(hard) - int(hard.given(a.name).sum()):,}")
        for a in schema.attributes[:MOST_ATTRIBUTES]
    ]
    more = [(f"and {len(schema) - MOST_ATTRIBUTES:,} more", "", "", "")] if len(schema) > MOST_ATTRIBUTES else []
    return table(("attribute", "ask for", "values", "missing"), [*rows, *more]) if rows else Markup()


def _values(attribute: Attribute, condition: Condition) -> str:
    """The values of an attribute with the number of each, or their range and median."""
    codes = condition.values[attribute.name][condition.given(attribute.name)]
    if attribute.choices:
        counts = torch.bincount(codes.long(), minlength=len(attribute.choices)).tolist()
        each = [f"{name} ({n:,})" for name, n in zip(attribute.choices, counts, strict=True)]
        more = [f"and {len(each) - MOST_VALUES:,} more"] if len(each) > MOST_VALUES else []
        return ", ".join([*each[:MOST_VALUES], *more])
    if attribute.limits is None or not len(codes):
        return ""
    low, middle, high = (attribute.show(code) for code in codes.double().quantile(_ENDS).tolist())
    return f"{low} to {high}, median {middle}"


_ENDS = torch.tensor((0.0, 0.5, 1.0), dtype=torch.double)


def _rows(x: Shaped[Tensor, "n dimension"], condition: Condition, names: Sequence[str] | None) -> Markup:
    """The first vectors, with their attributes."""
    columns = list(names or (f"x{k}" for k in range(x.shape[1])))[:MOST_VALUES]
    labels = [a.name for a in condition.schema][:MOST_ATTRIBUTES]
    return table([*columns, *labels], _cells(x[:ROWS, : len(columns)], condition[:ROWS], labels))


def _cells(x: Shaped[Tensor, "n dimension"], condition: Condition, labels: Sequence[str]) -> Iterator[list[str]]:
    for numbers, row in zip(x.tolist(), condition.rows(), strict=True):
        yield [f"{number:.5g}" for number in numbers] + [row[name] or "" for name in labels]
