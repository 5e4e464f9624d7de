"""Training data on the device that trains, where it fits, so that no batch has to be copied there."""

import math
from typing import Any

import torch
from jaxtyping import Shaped
from torch import Tensor

from condgen.data import Dataset
from condgen.data.storage.mapped import Mapped, in_turn
from condgen.room import memory

BATCH = 1_000  # observations that are copied at once
SHARE = 0.25  # of the free memory of a device that data may take


def nearby(data: Any, device: torch.device) -> Any:
    """The same dataset with its observations on a device, where they take little of its memory.

    Data that is streamed, or too large, stays where it is, and so does all data for a CPU.
    """
    if device.type == "cpu" or not isinstance(data, Dataset):
        return data
    size = len(data) * math.prod(data.shape) * (1 if data.kind == "images" else 4)
    if size > SHARE * memory(device).free:
        return data
    return Dataset(_copied(data.observations, device), data.condition)


def _copied(x: Shaped[Tensor, "n ..."] | Mapped, device: torch.device) -> Shaped[Tensor, "n ..."]:
    """Observations on a device. Of mapped ones, one batch at a time passes through this machine's memory."""
    if isinstance(x, Tensor):
        return x.to(device)
    there = torch.empty(x.shape, dtype=torch.uint8, device=device)
    for part, rows in zip(in_turn(x, BATCH), torch.arange(len(x)).split(BATCH), strict=True):
        there[rows[0] : rows[-1] + 1] = part.to(device)
    return there
