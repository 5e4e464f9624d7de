"""Training data on the device that trains, where it fits, so that no batch has to be copied there."""

import math
from typing import Any

import torch

from condgen.data import Dataset
from condgen.room import memory

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
    return Dataset(data.x.to(device), data.condition)
