"""The inspection of a dataset as one self-contained HTML file."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from jaxtyping import Bool
from PIL import Image, ImageOps
from torch import Tensor

from condgen.data import Dataset
from condgen.data.splits import row_numbers
from condgen.errors import DataError
from condgen.inspection import Association, Balance, Inspection
from condgen.inspection.labels import LabelCheck
from condgen.inspection.scan import Duplicates
from condgen.pages.html import Picture, Sheet, data_uri, fill
from condgen.schema import Attribute, Condition

PICTURES = 240  # pictures of values, in all
MOST_PER_VALUE, LEAST_PER_VALUE = 8, 3
MOST_VALUES = 60  # largest number of values with pictures per attribute
BANDS = 5  # bands of a number, each with pictures
GROUPS = 12  # groups of copies shown
SUSPECTS = 18  # suspects shown per attribute
MOST_SUSPECTED = 8  # largest number of attributes with suspects
SIDE = 96  # largest side of a picture in pixels
TABLES, MOST_CELLS = 6, 14  # number of co-occurrence tables, and of values in each direction
MATRIX = 16  # largest number of attributes in a matrix of associations


@dataclass(frozen=True)
class Value:
    """One value of an attribute, or a band of a number: its count, its share, and pictures of some examples."""

    name: str
    n: int
    share: float
    pictures: tuple[Picture, ...]


@dataclass(frozen=True)
class Shown:
    """An attribute and its shown values. left: the number of other values."""

    balance: Balance
    values: tuple[Value, ...]
    left: int


def inspection_page(found: Inspection, checks: Sequence[LabelCheck] = ()) -> str:
    """The page as HTML, including its pictures. checks: of the labels, with suspects by row of the source."""
    return fill(
        "inspection.html",
        found=found,
        attributes=tuple(_shown(found)),
        tables=[a for a in found.together.associations if _readable(a)][:TABLES],
        matrix=_matrix(found),
        copies=_copies(found),
        checks=sorted(checks, key=_noisiest),
        suspects=_suspects(found, checks),
        choices={a.name: a.choices for a in found.schema.discrete},
    )


# ---- values and their pictures


def _shown(found: Inspection) -> Iterator[Shown]:
    train = found.material.rows.train
    every = sum(min(len(b.counts) or BANDS, MOST_VALUES) for b in found.attributes)
    each = max(LEAST_PER_VALUE, min(MOST_PER_VALUE, PICTURES // max(every, 1)))
    for a, b in zip(found.schema, found.attributes, strict=True):
        values = tuple(
            Value(name, int(mask.sum()), int(mask.sum()) / max(b.known, 1), _examples(found, train, mask, each))
            for name, mask in _values(a, train.condition)
        )
        yield Shown(b, values, max(len(b.counts) - MOST_VALUES, 0))


def pictures_of_values(found: Inspection) -> dict[str, dict[str, str]]:
    """A picture of each value of each attribute, or of each band of a number, as a data URI. Empty without pictures."""
    train = found.material.rows.train
    pictures = {
        a.name: {
            name: data_uri(each.image)
            for name, mask in _values(a, train.condition)
            for each in _examples(found, train, mask, 1)
        }
        for a in found.schema
    }
    return {name: of_values for name, of_values in pictures.items() if of_values}


def _values(a: Attribute, condition: Condition) -> Iterator[tuple[str, Bool[Tensor, " n"]]]:
    """Named values in order, or the most frequent of very many. Numbers in bands of equal count."""
    given, codes = condition.given(a.name), condition.values[a.name]
    if a.limits:
        yield from _bands(a, codes, given)
    if not a.choices:
        return
    counts = torch.bincount(codes[given].long(), minlength=len(a.choices))
    for k in counts.argsort(descending=True, stable=True)[:MOST_VALUES].sort().values.tolist():
        yield a.choices[k], given & (codes.long() == k)


def _bands(a: Attribute, codes: Tensor, given: Tensor) -> Iterator[tuple[str, Bool[Tensor, " n"]]]:
    known = codes[given]
    if not len(known):
        return
    steps = known[:: -(-len(known) // 1_000_000)].double()
    edges = torch.quantile(steps, torch.linspace(0, 1, BANDS + 1).double()).unique().tolist()
    for low, high in pairwise(edges):
        below = codes <= high if high == edges[-1] else codes < high
        yield f"{a.format(low)} – {a.format(high)}", given & (codes >= low) & below


def _examples(found: Inspection, part: Dataset, mask: Bool[Tensor, " n"], most: int) -> tuple[Picture, ...]:
    """Pictures of the first readable rows under a mask. Rows of a split are in random order."""
    if not found.material.content.visible:
        return ()
    rows = part.x[mask.nonzero()[: 2 * most, 0], 0].long().tolist()
    pictures = (_picture(found, row) for row in rows)
    readable = (picture for picture in pictures if picture is not None)
    return tuple(picture for picture, _ in zip(readable, range(most), strict=False))


def _picture(found: Inspection, row: int, caption: str = "") -> Picture | None:
    """The picture of a row, cropped as in training and small enough for a page. None if it cannot be read."""
    try:
        image = found.material.content.image(row)
    except DataError:
        return None
    height, width = found.shape[1:]
    scale = min(1.0, SIDE / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    if image.size != size:
        image = ImageOps.fit(image, size, Image.Resampling.LANCZOS)
    return Picture(image, caption)


# ---- what goes together


def _readable(a: Association) -> bool:
    return bool(a.table) and len(a.table) <= MOST_CELLS and len(a.table[0]) <= MOST_CELLS


def _matrix(found: Inspection) -> list[tuple[str, list[float | None]]]:
    """The association of every attribute with every other. Empty if there are too many attributes or only one."""
    names = found.schema.names
    if not 3 <= len(names) <= MATRIX:
        return []
    strength = {frozenset((a.first, a.second)): a.strength for a in found.together.associations}
    return [(name, [strength.get(frozenset((name, other))) for other in names]) for name in names]


# ---- copies and suspects


def _copies(found: Inspection) -> list[Sheet]:
    if not found.material.content.visible:
        return []
    sheets = [
        Sheet(title, note, tuple(_groups(found, duplicates)))
        for title, note, duplicates in (
            ("Exact copies", "Files that are equal byte by byte.", found.scan.exact),
            ("Near-copies", "Pictures that look the same when small.", found.scan.near),
        )
    ]
    return [sheet for sheet in sheets if sheet.rows]


def _groups(found: Inspection, duplicates: Duplicates) -> Iterator[tuple[str, tuple[Picture, ...]]]:
    part, labels = _rows_told(found, {row for group in duplicates.groups[:GROUPS] for row in group})
    for k, group in enumerate(duplicates.groups[:GROUPS]):
        pictures = [_picture(found, row, f"{part[row]}{_differing(labels, group, row)}") for row in group[:4]]
        yield f"group {k + 1}", tuple(p for p in pictures if p is not None)


def _rows_told(found: Inspection, wanted: set[int]) -> tuple[dict[int, str], dict[int, dict[str, str | None]]]:
    """The split and the labels of each of these rows."""
    part: dict[int, str] = {}
    labels: dict[int, dict[str, str | None]] = {}
    for name, data in found.material.parts.items():
        rows = row_numbers(data)
        index = torch.isin(rows, torch.tensor(sorted(wanted), dtype=torch.long)).nonzero()[:, 0]
        for row, told in zip(rows[index].tolist(), data.condition[index].rows(), strict=True):
            part[row], labels[row] = name, told
    return part, labels


def _differing(labels: dict[int, dict[str, str | None]], group: Sequence[int], row: int) -> str:
    """The labels of a copy that differ from those of the others, at most three attributes."""
    odd = [name for name in labels[row] if len({labels[other][name] for other in group}) > 1]
    return "".join(f", {name}={labels[row][name]}" for name in odd[:3])


def _suspects(found: Inspection, checks: Sequence[LabelCheck]) -> list[Sheet]:
    if not found.material.content.visible:
        return []
    noisiest = sorted((c for c in checks if c.suspects and c.readable), key=_noisiest)[:MOST_SUSPECTED]
    return [Sheet(c.name, "", (("", tuple(_suspicious(found, c))),)) for c in noisiest]


def _noisiest(check: LabelCheck) -> tuple[bool, float]:
    return not check.readable, -check.wrong


def _suspicious(found: Inspection, check: LabelCheck) -> Iterator[Picture]:
    for s in check.suspects[:SUSPECTS]:
        picture = _picture(found, s.row, f"labelled {s.label}, looks like {s.reading}")
        if picture is not None:
            yield picture
