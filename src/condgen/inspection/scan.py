"""Facts from the pictures themselves: sizes, modes, unreadable files, duplicates, leakage between splits."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image

from condgen.data.splits import row_numbers
from condgen.errors import DataError
from condgen.inspection.material import Encoded, Header, Material, Stored

MOST_HEADERS = 200_000  # largest number of headers and hashes, for which every file is opened
MOST_DECODED = 20_000  # largest number of decoded pictures, for near-duplicates and hidden damage
MOST_COMPARED = 10_000  # largest number of vectors whose columns are compared
SIDE = 16  # side of the compared miniatures
ENOUGH = 8 * SIDE  # pixels that a side keeps when it is decoded for them
NEAR = 0.1  # largest distance of near-duplicates' unit miniatures: a correlation of 0.995
COARSE = 12  # principal components for the search of candidates
BY_CHANCE = 10  # times as many equal pairs of vectors as independent columns would have are copies

Miniatures = Float[np.ndarray, "n feature"]
Found = TypeVar("Found")


@dataclass(frozen=True)
class Unreadable:
    """A picture that cannot be read, and the reason."""

    row: int
    name: str
    reason: str


@dataclass(frozen=True)
class Duplicates:
    """Groups of rows with equal pictures, the largest first.

    copies: rows beyond the first of each group.
    leaked: test rows that repeat training rows.
    contradictions: groups with different labels.
    """

    groups: tuple[tuple[int, ...], ...]
    copies: int
    leaked: int
    contradictions: int


@dataclass(frozen=True)
class Scan:
    """The results of scanning the pictures.

    looked_at, decoded: number of headers read and of pictures decoded.
    sizes: "width×height" → count.
    modes: Pillow's mode → count.
    headers: all that were read.
    """

    looked_at: int
    decoded: int
    sizes: Mapping[str, int]
    modes: Mapping[str, int]
    unreadable: tuple[Unreadable, ...]
    exact: Duplicates
    near: Duplicates
    headers: tuple[Header, ...]


def scan(material: Material) -> Scan:
    """Read headers and hashes of up to 200,000 observations, and decode up to 20,000 different ones."""
    content = material.content
    looked = spread(len(content), MOST_HEADERS)
    headers, broken = _headers(content, looked) if content.visible else ({}, [])
    bad = {each.row for each in broken}
    exact = _copies(content, [row for row in looked if row not in bad])
    near: list[tuple[int, ...]] = []
    # A copy has the same neighbours as the first of its group.
    known = bad | {row for group in exact for row in group[1:]}
    different = np.setdiff1d(np.arange(len(content) if content.visible else 0), sorted(known), assume_unique=True)
    rows = different[spread(len(different), MOST_DECODED)].tolist()
    if rows:
        miniatures, damaged = _miniatures(content, rows)
        broken += _with_copies(damaged, exact, content)
        near = near_duplicates(miniatures)
    return Scan(
        looked_at=len(looked),
        decoded=len(rows),
        sizes=_counted(f"{h.size[0]}×{h.size[1]}" for h in headers.values()),
        modes=_counted(h.mode for h in headers.values()),
        unreadable=tuple(sorted(broken, key=lambda each: each.row)),
        exact=_placed(exact, material),
        near=_placed(near, material),
        headers=tuple(headers.values()),
    )


def spread(n: int, most: int) -> list[int]:
    """Up to `most` of n rows, evenly spread."""
    return list(range(n)) if n <= most else [k * n // most for k in range(most)]


def _counted(names: Iterable[str]) -> dict[str, int]:
    return dict(Counter(names).most_common())


def _each(function: Callable[[int], Found], rows: Sequence[int]) -> list[Found]:
    with ThreadPoolExecutor() as pool:
        return list(pool.map(function, rows))


def _headers(content: Encoded | Stored, rows: Sequence[int]) -> tuple[dict[int, Header], list[Unreadable]]:
    def read(row: int) -> Header | Unreadable:
        try:
            return content.header(row)
        except DataError as error:
            return Unreadable(row, content.name(row), str(error))

    found = dict(zip(rows, _each(read, rows), strict=True))
    good = {row: h for row, h in found.items() if isinstance(h, Header)}
    return good, [each for each in found.values() if isinstance(each, Unreadable)]


def _copies(content: Encoded | Stored, rows: Sequence[int]) -> list[tuple[int, ...]]:
    """Rows with equal bytes, in groups. Vectors of few or rounded numbers are often equal without being copies."""
    groups = _groups_of_equals(content, rows)
    if not groups or not isinstance(content, Stored) or content.visible:
        return groups
    some = np.stack([content[rows[k]].numpy() for k in spread(len(rows), MOST_COMPARED)])
    by_chance = _alike_by_chance(some) * _pairs(len(rows))
    return groups if sum(_pairs(len(group)) for group in groups) > BY_CHANCE * by_chance else []


def _pairs(n: int) -> int:
    """The number of pairs among n."""
    return n * (n - 1) // 2


def _alike_by_chance(x: Float[np.ndarray, "n number"]) -> float:
    """The share of pairs of vectors that would be equal if their columns were independent."""
    share = 1.0
    for column in x.T:
        counts = np.unique(column, return_counts=True)[1]
        share *= sum(map(_pairs, counts.tolist())) / _pairs(len(x))
        if not share:
            break
    return share


def _groups_of_equals(content: Encoded | Stored, rows: Sequence[int]) -> list[tuple[int, ...]]:
    """Rows with equal bytes, in groups of two and more."""
    groups = defaultdict(list)
    for row, digest in zip(rows, _each(content.digest, rows), strict=True):
        groups[digest].append(row)
    return [tuple(group) for group in groups.values() if len(group) > 1]


def _miniatures(content: Encoded | Stored, rows: Sequence[int]) -> tuple[dict[int, Miniatures], list[Unreadable]]:
    def read(row: int) -> Miniatures | Unreadable:
        try:
            small = content.image(row, ENOUGH).convert("RGB").resize((SIDE, SIDE), Image.Resampling.BOX)
        except DataError as error:
            return Unreadable(row, content.name(row), _reason(str(error)))
        return np.asarray(small, dtype=np.float32).reshape(1, -1) / 255

    found = dict(zip(rows, _each(read, rows), strict=True))
    bad = [each for each in found.values() if isinstance(each, Unreadable)]
    return {row: each for row, each in found.items() if not isinstance(each, Unreadable)}, bad


def _with_copies(
    damaged: Sequence[Unreadable], groups: Sequence[tuple[int, ...]], content: Encoded | Stored
) -> list[Unreadable]:
    """Damaged pictures and their copies. Only the first of each group was decoded."""
    copies = {group[0]: group[1:] for group in groups}
    again = [Unreadable(row, content.name(row), d.reason) for d in damaged for row in copies.get(d.row, ())]
    return [*damaged, *again]


def _reason(message: str) -> str:
    """The reason in an error message of `decode`."""
    return message.partition(" cannot be read: ")[2].removesuffix(" Repair it or take it out.").rstrip(".") or message


def near_duplicates(miniatures: Mapping[int, Miniatures]) -> list[tuple[int, ...]]:
    """Groups of rows with nearly equal miniatures [1, feature], up to contrast.

    Miniatures are compared after subtracting their mean, so that a common background does not make all pictures
    near-duplicates. Candidates are near in the first principal components. Projections only shorten distances, so none
    is missed.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components
    from scipy.spatial import KDTree

    rows = np.array(list(miniatures), dtype=np.int64)
    if len(rows) < 3:
        return []
    x = np.concatenate(list(miniatures.values()))
    x = x - x.mean(0)
    length = np.linalg.norm(x, axis=1)
    seen = length > 1e-3 * x.shape[1] ** 0.5  # a picture equal to the mean has no direction to compare
    rows, x = rows[seen], x[seen] / length[seen, None]
    if len(rows) < 2:
        return []
    _, axes = np.linalg.eigh(x.T @ x)
    pairs = KDTree(x @ axes[:, -COARSE:]).query_pairs(NEAR, output_type="ndarray")
    pairs = pairs[np.linalg.norm(x[pairs[:, 0]] - x[pairs[:, 1]], axis=1) < NEAR]
    links = coo_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(len(rows), len(rows)))
    _, label = connected_components(links, directed=False)
    groups: dict[int, list[int]] = defaultdict(list)
    for k in np.unique(pairs).tolist():
        groups[int(label[k])].append(int(rows[k]))
    return [tuple(sorted(group)) for group in groups.values()]


def _placed(groups: Sequence[tuple[int, ...]], material: Material) -> Duplicates:
    """Duplicates with their effects: leakage from training into test data, and contradictory labels."""
    wanted = {row for group in groups for row in group}
    part, labels = _whereabouts(material, wanted)
    leaked = sum(
        sum(part[row] == "test" for row in group) for group in groups if any(part[row] != "test" for row in group)
    )
    contradictions = sum(len({labels[row] for row in group}) > 1 for group in groups)
    copies = sum(len(group) - 1 for group in groups)
    order = sorted(groups, key=lambda group: (-len({part[row] == "test" for row in group}), -len(group), group))
    return Duplicates(tuple(order), copies, leaked, contradictions)


def _whereabouts(material: Material, wanted: set[int]) -> tuple[dict[int, str], dict[int, tuple[object, ...]]]:
    """The split and the labels of each of these rows."""
    part: dict[int, str] = {}
    labels: dict[int, tuple[object, ...]] = {}
    for name, data in material.parts.items():
        index = np.flatnonzero(np.isin(row_numbers(data).numpy(), np.fromiter(wanted, dtype=np.int64)))
        chosen = data[torch.from_numpy(index)]
        for row, told in zip(row_numbers(chosen).tolist(), chosen.condition.rows(), strict=True):
            part[row], labels[row] = name, tuple(told.values())
    return part, labels
