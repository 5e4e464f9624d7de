"""Splits into training, validation and test data, and held-out combinations."""

import random
from collections.abc import Hashable, Mapping, Sequence
from itertools import accumulate, pairwise

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from condgen.data.dataset import Dataset, Splits
from condgen.data.source import SplitConfig
from condgen.errors import DataError, RequestError
from condgen.requests.request import Requestable, parse_requests
from condgen.schema import Condition

TEST, VALIDATION, MOST_HELD_OUT = 0.15, 0.05, 5_000


def split(
    data: Dataset,
    test: Dataset | None = None,
    notes: Sequence[str] = (),
    *,
    splitting: SplitConfig | None = None,
    groups: Sequence[Hashable] | None = None,
    validation: int = 0,
) -> Splits:
    """A reproducible split: 15 % for testing unless a test set is given, 5 % for validation, at most 5,000 each.

    The same data is always split the same way. Soft labels are kept for training, and replaced by the more likely value
    in the other parts.
    groups: the cell of each row in the column of a group split.
    validation: the number of last rows that are the data's own validation part.

    Raises RequestError for an unknown attribute, or for held-out combinations that match nothing or everything. Raises
    DataError for fewer than three groups.
    """
    splitting = splitting or SplitConfig()
    held, held_notes = _held(data, splitting.hold_out)
    own = torch.arange(len(data)) >= len(data) - validation
    rows = torch.where(~held & ~own)[0] if splitting.hold_out or validation else None
    order, ends = _order(data, rows, splitting, groups)
    wanted = _wanted(len(order), test is None, not validation)
    cuts = [*accumulate(wanted.values())]
    if ends is not None:
        order, cuts = _by_groups(order, ends, [*wanted.values()])
        held_notes += _far(wanted, cuts, splitting.group)
    tested, checked = cuts[0] if test is None else 0, cuts[-1] if cuts else 0
    if test is None:
        test = data[order[:tested]]
    return Splits(
        data[order[checked:]],
        _hard(data[torch.where(own & ~held)[0] if validation else order[tested:checked]]),
        _hard(test),
        (*notes, *held_notes),
        _hard(data[torch.where(held)[0]]) if splitting.hold_out else None,
    )


def by_row(condition: Condition, first: int = 0) -> Dataset:
    """Conditions with row numbers in place of observations, so that they can be split before images are read."""
    return Dataset(torch.arange(first, first + len(condition), dtype=torch.float64)[:, None], condition)


def row_numbers(part: Dataset) -> Int[Tensor, " n"]:
    """The row numbers of a part of a dataset made by `by_row`."""
    return part.x[:, 0].long()


def _hard(data: Dataset) -> Dataset:
    """The same observations, with soft labels replaced by the more likely value."""
    hard = data.condition.hard()
    same = all(codes.equal(data.condition.values[name]) for name, codes in hard.values.items())
    return data if same else Dataset(data.observations, hard)


def matches(
    condition: Condition, request: Requestable, bounds: Mapping[str, float] | None = None
) -> Bool[Tensor, " n"]:
    """A mask of the conditions that satisfy a request. A missing label does not. Raises RequestError as `requests`
    does.

    Probabilities count as the likelier value.
    bounds: the largest distance from a single number that counts, by attribute. By default none does.
    """
    condition = condition.hard()
    found = torch.zeros(len(condition), dtype=torch.bool)
    for asked in parse_requests(request, condition.schema):
        met = torch.ones(len(condition), dtype=torch.bool)
        for name, constraint in asked.constraints.items():
            most = (bounds or {}).get(name, 0.0)
            met &= condition.given(name) & constraint.fits(condition.schema[name], condition.values[name], most)
        found |= met
    return found


def _held(data: Dataset, hold_out: Sequence[str]) -> tuple[Bool[Tensor, " n"], list[str]]:
    """A mask of the held-out observations, and notes on their number and on values that training then lacks."""
    held, notes = torch.zeros(len(data), dtype=torch.bool), []
    for request in hold_out:
        met = matches(data.condition, request)
        if not met.any():
            raise RequestError(f"No example is {request}: there is nothing to hold out.")
        notes.append(f"Held out: {request} ({int(met.sum()):,} examples).")
        held |= met
    if held.all() and len(data):
        raise RequestError(f"Every example is {' or '.join(hold_out)}: nothing is left to train on.")
    return held, notes + (_lacking(data.condition.hard(), held) if hold_out else [])


def _lacking(condition: Condition, held: Bool[Tensor, " n"]) -> list[str]:
    """Values that have no training example left and cannot be learned."""
    notes = []
    for a in condition.schema.discrete:
        codes = condition.values[a.name][condition.given(a.name) & ~held].unique().tolist()
        seen = condition.values[a.name][condition.given(a.name)].unique().tolist()
        gone = ", ".join(a.format(code) for code in seen if code not in codes)
        notes += [f"Holding out leaves no example of {a.name}={gone} to train on."] if gone else []
    return notes


def _order(
    data: Dataset, rows: Int[Tensor, " m"] | None, splitting: SplitConfig, groups: Sequence[Hashable] | None
) -> tuple[Int[Tensor, " m"], Int[Tensor, " cut"] | None]:
    """The rows in the order in which they are split, and the places where a cut is allowed (None for anywhere)."""
    n = len(data) if rows is None else len(rows)
    rows = torch.arange(n) if rows is None else rows
    order = torch.randperm(n, generator=torch.Generator().manual_seed(0))
    if splitting.stratum:
        return rows[_stratified(data.condition[rows], splitting.stratum, order)], None
    if splitting.group is None:
        return rows[order], None
    if groups is None:
        raise RequestError(f"This data has no column '{splitting.group}' to split by.")
    dealt, ends = _grouped([groups[k] for k in rows.tolist()])
    if len(ends) < 3:
        raise DataError(
            f"'{splitting.group}' has fewer than three different cells; nothing can be split by it. Split by another "
            "column, or take rows by chance (`split='random'`)."
        )
    return rows[dealt], ends


def _stratified(condition: Condition, name: str, order: Int[Tensor, " n"]) -> Int[Tensor, " n"]:
    """A permutation whose every prefix keeps the attribute's overall proportions. Probabilities count as the likelier
    value.
    """
    condition = condition.hard()
    attribute = condition.schema[name]
    codes = torch.where(condition.given(name), attribute.bins(condition.values[attribute.name]), torch.inf)[order]
    place = torch.empty(len(order), dtype=torch.double)
    for k, code in enumerate(codes.unique()):
        here = torch.where(codes == code)[0]
        offset = (k + 1) * 0.618034 % 1  # keeps values with few rows from coming all at once
        place[here] = (torch.arange(len(here), dtype=torch.double) + offset) / len(here)
    return order[place.argsort(stable=True)]


def numbered(cells: Sequence[Hashable]) -> Int[Tensor, " n"]:
    """The group number of each cell, in the order of first occurrence. Each missing cell is a group of its own."""
    numbers: dict[Hashable, int] = {}
    names = ((row,) if cell in (None, "") or cell != cell else str(cell) for row, cell in enumerate(cells))
    return torch.tensor([numbers.setdefault(name, len(numbers)) for name in names], dtype=torch.long)


def _grouped(cells: Sequence[Hashable]) -> tuple[Int[Tensor, " n"], Int[Tensor, " cut"]]:
    """The rows, group after group in random order, and the ends of groups."""
    members: dict[int, list[int]] = {}
    for row, number in enumerate(numbered(cells).tolist()):
        members.setdefault(number, []).append(row)
    groups = list(members.values())
    random.Random(0).shuffle(groups)
    ends = torch.tensor([len(g) for g in groups]).cumsum(0)
    return torch.tensor([row for group in groups for row in group]), ends


def _wanted(n: int, test: bool, validation: bool) -> dict[str, int]:
    """The sizes of the parts to be split off n examples. test, validation: whether there is to be such a part."""
    shares = [("testing", TEST)] * test + [("validation", VALIDATION)] * validation
    return {part: min(int(share * n), MOST_HELD_OUT) for part, share in shares}


def _by_groups(
    order: Int[Tensor, " n"], ends: Int[Tensor, " cut"], wanted: Sequence[int]
) -> tuple[Int[Tensor, " n"], list[int]]:
    """The order of rows, and the ends in it of parts of about the wanted sizes. The last rows are for training.

    Groups are taken in their order, unless that leaves a part empty, or more in another part than in training.
    """
    cuts = [0]
    for size in wanted:
        cuts.append(int(ends[_nearest(ends, cuts[-1] + size)]))
    sizes = [end - start for start, end in pairwise([*cuts, len(order)])]
    sound = min(sizes) > 0 and max(sizes) == sizes[-1]
    return (order, cuts[1:]) if sound else _largest_last(order.tensor_split(ends[:-1]), wanted)


def _largest_last(groups: Sequence[Int[Tensor, " size"]], wanted: Sequence[int]) -> tuple[Int[Tensor, " n"], list[int]]:
    """The same for groups in the order of their size. The smallest fill the smallest part, and the largest train."""
    groups = sorted(groups, key=len)
    ends = torch.tensor([0, *map(len, groups)]).cumsum(0)
    parts: list[Tensor] = []
    first = 0
    for others, size in zip(reversed(range(len(wanted))), reversed(wanted), strict=True):
        allowed = ends[first + 1 : len(groups) - others]  # each of the other parts and training keep a group
        last = first + 1 + _nearest(allowed, int(ends[first]) + size)
        parts.insert(0, torch.cat(groups[first:last]))
        first = last
    return torch.cat([*parts, *groups[first:]]), [*accumulate(map(len, parts))]


def _nearest(ends: Int[Tensor, " cut"], at: int) -> int:
    """The number of the end nearest to a place."""
    return int((ends - at).abs().argmin())


def _far(wanted: Mapping[str, int], cuts: Sequence[int], group: str | None) -> list[str]:
    """Notes on parts of more than twice or less than half the wanted size."""
    sizes = [end - start for start, end in pairwise([0, *cuts])]
    return [
        f"{size:,} examples are for {part}, where {most:,} are usual, since groups of '{group}' stay together."
        for (part, most), size in zip(wanted.items(), sizes, strict=True)
        if size > 2 * max(1, most) or 2 * size < most
    ]
