"""Cross-fitted judges: every real observation is read by a judge that never saw it.

Held-out data has too few examples of rare combinations: of 2 % of 5,000 faces, 15 % are 15. Each of several judges
therefore learns from the data outside one part, and reads that part, so that all real observations are a reference.
Samples are read by all of these judges, since each learned from less data than the one judge of an evaluation.
"""

from dataclasses import dataclass, replace
from functools import reduce
from typing import Any

import torch

from condgen.data import Dataset, Splits
from condgen.evaluation.judge.held_out import joined
from condgen.evaluation.judge.judge import Judge, judge_for


@dataclass(frozen=True)
class Reader:
    """A judge, and real observations that it has never seen."""

    judge: Judge
    real: Dataset


def held_out_reader(judge: Judge, data: Splits) -> Reader:
    """The judge of an evaluation, with validation and test data."""
    return Reader(judge, _all([data.validation, data.test]))


def cross_fitted(data: Splits, folds: int, **arguments: Any) -> list[Reader]:
    """Judges that each learn from the data outside of one of several equal parts, and that part.

    They are trained once, and then cached as the judge of an evaluation is.
    arguments: of `train_judge`.
    """
    every = all_real(data)
    order = torch.randperm(len(every), generator=torch.Generator().manual_seed(0))
    parts = [part.sort().values for part in order.tensor_split(folds)]

    def reader(k: int) -> Reader:
        learned = torch.cat([part for j, part in enumerate(parts) if j != k])
        splits = replace(data, train=every[learned], validation=every[parts[k]], held=None)
        return Reader(judge_for(splits, **arguments), every[parts[k]])

    return [reader(k) for k in range(folds)]


def all_real(data: Splits) -> Dataset:
    """All real observations: of training, validation and test data."""
    return _all([data.train, data.validation, data.test])


def _all(parts: list[Dataset]) -> Dataset:
    return reduce(joined, [part for part in parts if len(part)])
