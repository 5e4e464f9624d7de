"""The order in which training visits images.

It depends on the seed and the number of images seen, and on nothing else.
"""

from collections.abc import Sequence
from functools import lru_cache

import torch
from jaxtyping import Int, Shaped
from torch import Tensor

from condgen.errors import RequestError
from condgen.rng import epoch_seed
from condgen.schema import Condition

BLOCK = 4_096  # number of images within which every value is equally frequent
FEW = 100  # images of a combination that would recur too often


def shuffled(n: int, seed: int, start: int, size: int) -> Int[Tensor, " batch"]:
    """Indices of images number start … start + size − 1. Epoch e is a permutation drawn from (seed, e)."""
    parts = []
    while size > 0:
        epoch, offset = divmod(start, n)
        part = _permutation(n, seed, epoch)[offset : offset + size]
        parts.append(part)
        start, size = start + len(part), size - len(part)
    return torch.cat(parts)


class Balanced:
    """An order in which every value of an attribute, or every combination of several, is equally frequent.

    names: the attributes, joined by commas. A missing label counts as one more value. Combinations with fewer than 100
        images share a place with the next more frequent ones, so that none recurs too often.

    The images of one value are permuted anew after each pass over them, so images of rare values recur often.
    """

    def __init__(self, condition: Condition, names: str):
        columns = [_codes(condition, name.strip()) for name in names.split(",")]
        _, which, counts = torch.stack(columns, 1).unique(dim=0, return_inverse=True, return_counts=True)
        places = _places(counts.tolist(), FEW) if len(columns) > 1 else [[k] for k in range(len(counts))]
        self.members = [torch.isin(which, torch.tensor(place)).nonzero()[:, 0] for place in places]

    def __call__(self, seed: int, start: int, size: int) -> Int[Tensor, " batch"]:
        """Indices of images number start … start + size − 1."""
        values, occurrences = self._turns(seed, start, size)
        found = torch.empty(size, dtype=torch.long)
        for value in values.unique().tolist():
            here = values == value
            found[here] = self._nth(value, occurrences[here], seed)
        return found

    def _turns(self, seed: int, start: int, size: int) -> tuple[Int[Tensor, " batch"], Int[Tensor, " batch"]]:
        """The next values, and the number of times that each has come before. Blocks are permutations of (value,
        repetition).
        """
        repetitions = -(-BLOCK // len(self.members))
        block = len(self.members) * repetitions
        number = torch.arange(start, start + size)
        first, last = start // block, (start + size - 1) // block
        orders = torch.stack([_permutation(block, seed, ~b) for b in range(first, last + 1)])
        picked = orders[number // block - first, number % block]
        return picked % len(self.members), number // block * repetitions + picked // len(self.members)

    def _nth(self, value: int, occurrences: Int[Tensor, " m"], seed: int) -> Int[Tensor, " m"]:
        """The images at the given occurrences of a value."""
        members = self.members[value]
        found = torch.empty_like(occurrences)
        for epoch in (occurrences // len(members)).unique().tolist():
            here = occurrences // len(members) == epoch
            order = _permutation(len(members), seed + 1 + value, epoch)
            found[here] = members[order[occurrences[here] % len(members)]]
        return found


def _places(counts: Sequence[int], least: int) -> list[list[int]]:
    """Groups by number, each with at least so many members together if all have as many. The rarest join first."""
    places: list[list[int]] = [[]]
    for k in sorted(range(len(counts)), key=counts.__getitem__):
        if sum(counts[other] for other in places[-1]) >= least:
            places.append([])
        places[-1].append(k)
    return places


def _codes(condition: Condition, name: str) -> Shaped[Tensor, " n"]:
    """An attribute's likeliest codes, −1 where it is free. Raises RequestError for one without named values."""
    attribute = condition.schema[name]
    if not attribute.choices:
        raise RequestError(f"'{name}' has no named values to balance. Name an attribute that has some.")
    return torch.where(condition.given(name), attribute.hard(condition.values[attribute.name]), -1.0)


@lru_cache(maxsize=64)
def _small_permutation(n: int, seed: int, epoch: int) -> Int[Tensor, " n"]:
    return _drawn(n, seed, epoch)


@lru_cache(maxsize=2)
def _large_permutation(n: int, seed: int, epoch: int) -> Int[Tensor, " n"]:
    return _drawn(n, seed, epoch)


def _permutation(n: int, seed: int, epoch: int) -> Int[Tensor, " n"]:
    """The order of an epoch. The latest are cached, since consecutive batches use the same one."""
    return _small_permutation(n, seed, epoch) if n <= 100_000 else _large_permutation(n, seed, epoch)


def _drawn(n: int, seed: int, epoch: int) -> Shaped[Tensor, " n"]:
    return torch.randperm(n, generator=torch.Generator().manual_seed(epoch_seed(seed, epoch)))
