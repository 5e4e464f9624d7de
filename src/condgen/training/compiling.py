"""Models compiled by `torch.compile`: the losses of their players as fused kernels."""

from typing import Any

import torch

from condgen.models import Model

SMALL = 20_000_000  # parameters up to which a GPU waits for its orders rather than for its arithmetic


def compiled(model: Model) -> Any:
    """The compiled form of a model, which shares its parameters.

    The steps of small models on a GPU are recorded as CUDA graphs, which takes the place of thousands of single orders.
    """
    return torch.compile(model, mode=_mode(model.device.type, sum(p.numel() for p in model.parameters())))


def _mode(device: str, parameters: int) -> str:
    return "reduce-overhead" if device == "cuda" and parameters <= SMALL else "default"
