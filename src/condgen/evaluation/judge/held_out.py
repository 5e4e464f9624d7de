"""Judging of held-out combinations.

A judge that never saw a red coupé cannot tell whether a picture shows one. Like the model, it would have to compose. It
therefore learns from half of the held-out examples, and is measured on the other half.
"""

from dataclasses import replace

import torch

from condgen.data import Dataset, Splits
from condgen.data.storage.mapped import Mapped
from condgen.schema import Condition


def judge_splits(data: Splits) -> Splits:
    """The data for a judge: half of the held-out examples join its training part, and the others stay held out.

    Data without held-out combinations is returned unchanged.
    """
    if data.held is None:
        return data
    order = torch.randperm(len(data.held), generator=torch.Generator().manual_seed(0))
    half = len(order) // 2
    learned, kept = data.held[order[half:]], data.held[order[:half]]
    return replace(data, train=joined(data.train, learned), held=kept if half else None)


def joined(first: Dataset, second: Dataset) -> Dataset:
    """The observations of both. Images in one file remain a view."""
    a, b = first.observations, second.observations
    condition = Condition.cat([first.condition, second.condition])
    if isinstance(a, Mapped) and isinstance(b, Mapped) and a.store is b.store:
        return Dataset(replace(a, rows=torch.cat([a.rows, b.rows])), condition)
    return Dataset(torch.cat([first.x, second.x]), condition)
