"""condgen's judge on the samples of any row: obedience, the Fréchet distance beside its floor, recall."""

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from condgen.data import Splits
from condgen.errors import CondgenError
from condgen.evaluation import Judge
from condgen.evaluation.metrics.feature_sets import fidelity_in_judge_features
from condgen.runs.samples import Samples
from condgen.schema import Condition

FEWEST = 50  # samples of which a distance says something


def labels_of(condition: Condition) -> NDArray[np.int64]:
    """The codes of one attribute [n], or of several flags [n, flag]."""
    columns = [condition.values[name].long().reshape(len(condition)) for name in condition.schema.names]
    return torch.stack(columns, 1).squeeze(1).numpy()


def as_asked(judge: Judge, x: Tensor, condition: Condition) -> float:
    """The share of images in which the judge sees all attributes as asked."""
    seen = judge.read(x)
    wrong = [seen.errors_of(name, condition.values[name]) > 0 for name in condition.schema.names]
    return 1 - float(torch.stack(wrong).any(0).float().mean())


def judged(judge: Judge, made: NDArray[np.uint8], data: Splits) -> Mapping[str, float]:
    """The quality of samples that were made for the first test images' own labels. NaN for what too few cannot show."""
    n = len(made)
    test = data.test[:n]
    x = torch.from_numpy(made).float() / 255
    found = {"obedience": as_asked(judge, x, test.condition), "frechet": np.nan, "ratio": np.nan, "recall": np.nan}
    if n < FEWEST:
        return found
    seeds = torch.arange(n)
    try:
        fidelity = fidelity_in_judge_features(
            judge, Samples(x, test.condition, seeds, torch.zeros_like(seeds)), data.train, data.test
        )
    except CondgenError:  # samples that are no images, as of a model that diverged
        return found
    frechet, floor = fidelity.overall.frechet.value, fidelity.floor.frechet.value
    return found | {"frechet": frechet, "ratio": frechet / floor, "recall": fidelity.overall.recall.value}
