"""Held-out combinations: who may judge them, and beside what.

A judge that never saw a red coupé cannot say whether a picture shows one: like the model, it would be asked to compose.
So it learns from half of what is held out, and the other half is what it is measured by.
"""

from dataclasses import replace

import torch

from condgen.data import Dataset, Splits
from condgen.data.storage.mapped import Mapped
from condgen.schema import Condition


def judge_splits(data: Splits) -> Splits:
    """The data as a judge sees it: half of the held-out examples join its training part, the others stay held out.

    Data of which nothing is held out is returned as it is.
    """
    if data.held is None:
        return data
    order = torch.randperm(len(data.held), generator=torch.Generator().manual_seed(0))
    half = len(order) // 2
    learned, kept = data.held[order[half:]], data.held[order[:half]]
    return replace(data, train=joined(data.train, learned), held=kept if half else None)


def joined(first: Dataset, second: Dataset) -> Dataset:
    """The observations of both; of images in one file still a view."""
    a, b = first.observations, second.observations
    condition = Condition.cat([first.condition, second.condition])
    if isinstance(a, Mapped) and isinstance(b, Mapped) and a.store is b.store:
        return Dataset(replace(a, rows=torch.cat([a.rows, b.rows])), condition)
    return Dataset(torch.cat([first.x, second.x]), condition)
