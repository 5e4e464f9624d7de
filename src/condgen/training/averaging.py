"""Averaged weights, which a run uses for sampling."""

from collections.abc import Callable
from typing import Any

import torch
from torch.optim.swa_utils import AveragedModel

from condgen.models import Model


def kept_share(batch: int, ema: int, images: int) -> float:
    """The share of the average that is kept by an update of `batch` images, after `images` seen.

    An exponential moving average with a half-life of `ema` images, or of a tenth of the images seen if that is less.
    """
    half_life = max(min(ema, images / 10), 1)
    return float(0.5 ** (batch / half_life))


def averaged(model: Model, kept: Callable[[], float]) -> AveragedModel:
    """A copy of a model that averages its weights. kept: the share of the average that the next update keeps.

    Weights that do not learn are shared with the model.
    """

    def average(averages: Any, currents: Any, updates: Any) -> None:
        pairs = [(a, b) for a, b in zip(averages, currents, strict=True) if a.data_ptr() != b.data_ptr()]
        if not pairs:
            return
        averages, currents = zip(*pairs, strict=True)
        if averages[0].is_floating_point():
            torch._foreach_lerp_(averages, currents, 1 - kept())
        else:  # counters, such as those of batch norm
            torch._foreach_copy_(averages, currents)

    averages = AveragedModel(model, multi_avg_fn=average, use_buffers=True)
    for copied, own in zip(averages.module.parameters(), model.parameters(), strict=True):
        if not own.requires_grad:
            copied.data = own.data
    return averages
