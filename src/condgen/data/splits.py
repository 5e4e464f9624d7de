"""Which observations train, which validate, which test, and which combinations are held out altogether."""

import random
from collections.abc import Hashable, Sequence

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from condgen.data.dataset import Dataset, Splits
from condgen.data.source import SplitConfig
from condgen.errors import DataError, RequestError
from condgen.requests.request import parse_requests
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
    """Fixed splits: 15 % test unless a test set is given, 5 % validation, at most 5,000 each; the rest trains.

    The same data is always split alike. Probabilities as labels are for training; the other parts take the likelier.
    groups: the cell of each row in the column that a group split names. validation: where the data brings a validation
    part of its own, so many of the last rows.

    Raises RequestError for an unknown attribute, or held-out combinations that nothing or everything answers.
    """
    splitting = splitting or SplitConfig()
    held, held_notes = _held(data, splitting.hold_out)
    own = torch.arange(len(data)) >= len(data) - validation
    rows = torch.where(~held & ~own)[0] if splitting.hold_out or validation else None
    order, ends = _order(data, rows, splitting, groups)
    tested = 0 if test is not None else _cut(min(int(TEST * len(order)), MOST_HELD_OUT), ends)
    checked = tested if validation else _cut(tested + min(int(VALIDATION * len(order)), MOST_HELD_OUT), ends)
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
    """Conditions with the numbers of their rows in the place of observations, to be split before these are read."""
    return Dataset(torch.arange(first, first + len(condition), dtype=torch.float64)[:, None], condition)


def row_numbers(part: Dataset) -> Int[Tensor, " n"]:
    """The numbers of the rows in a part of what `by_row` made."""
    return part.x[:, 0].long()


def _hard(data: Dataset) -> Dataset:
    """The same observations, probabilities as labels replaced by the likelier value."""
    hard = data.condition.hard()
    same = all(codes.equal(data.condition.values[name]) for name, codes in hard.values.items())
    return data if same else Dataset(data.observations, hard)


def matches(condition: Condition, request: str) -> Bool[Tensor, " n"]:
    """Which conditions do what a request asks; a missing label does not. Raises RequestError as `requests` does."""
    found = torch.zeros(len(condition), dtype=torch.bool)
    for asked in parse_requests(request, condition.schema):
        met = torch.ones(len(condition), dtype=torch.bool)
        for name, constraint in asked.constraints.items():
            met &= condition.given(name) & constraint.allows(condition.values[name])
        found |= met
    return found


def _held(data: Dataset, hold_out: Sequence[str]) -> tuple[Bool[Tensor, " n"], list[str]]:
    """Which observations are held out, and notes on how many and on what training then lacks."""
    held, notes = torch.zeros(len(data), dtype=torch.bool), []
    for request in hold_out:
        met = matches(data.condition, request)
        if not met.any():
            raise RequestError(f"No example is {request}: there is nothing to hold out.")
        notes.append(f"Held out: {request} ({int(met.sum()):,} examples).")
        held |= met
    if held.all() and len(data):
        raise RequestError(f"Every example is {' or '.join(hold_out)}: nothing is left to train on.")
    return held, notes + (_lacking(data.condition, held) if hold_out else [])


def _lacking(condition: Condition, held: Bool[Tensor, " n"]) -> list[str]:
    """Values that no training example is left of: nobody learns those."""
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
    """The rows in the order in which they are dealt out, and where this may be cut; None is anywhere."""
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
        raise DataError(f"'{splitting.group}' has fewer than three different cells; nothing can be split by it.")
    return rows[dealt], ends


def _stratified(condition: Condition, name: str, order: Int[Tensor, " n"]) -> Int[Tensor, " n"]:
    """An order of which every beginning has an attribute's values in the shares of the whole."""
    attribute = condition.schema[name]
    codes = torch.where(condition.given(name), attribute.bins(condition.values[attribute.name]), torch.inf)[order]
    place = torch.empty(len(order), dtype=torch.double)
    for k, code in enumerate(codes.unique()):
        here = torch.where(codes == code)[0]
        offset = (k + 1) * 0.618034 % 1  # values with few rows do not all come at once
        place[here] = (torch.arange(len(here), dtype=torch.double) + offset) / len(here)
    return order[place.argsort(stable=True)]


def numbered(cells: Sequence[Hashable]) -> Int[Tensor, " n"]:
    """The number of the group of each cell, in the order in which groups first come; a missing cell is its own."""
    numbers: dict[Hashable, int] = {}
    names = ((row,) if cell in (None, "") or cell != cell else str(cell) for row, cell in enumerate(cells))
    return torch.tensor([numbers.setdefault(name, len(numbers)) for name in names], dtype=torch.long)


def _grouped(cells: Sequence[Hashable]) -> tuple[Int[Tensor, " n"], Int[Tensor, " cut"]]:
    """The rows group after group, in random order of the groups, and where groups end."""
    members: dict[int, list[int]] = {}
    for row, number in enumerate(numbered(cells).tolist()):
        members.setdefault(number, []).append(row)
    groups = list(members.values())
    random.Random(0).shuffle(groups)
    ends = torch.tensor([len(g) for g in groups]).cumsum(0)
    return torch.tensor([row for group in groups for row in group]), ends


def _cut(at: int, ends: Int[Tensor, " cut"] | None) -> int:
    """The permitted place of a cut nearest to the one wanted."""
    return at if ends is None else int(ends[(ends - at).abs().argmin()])
