"""The optimiser of a player, and its state as tensors."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.amp import GradScaler
from torch.nn.utils import clip_grads_with_norm_, get_total_norm

from condgen.training.settings import TrainingConfig


def adamw(parameters: list[torch.nn.Parameter], settings: TrainingConfig) -> torch.optim.Optimizer:
    """AdamW over a player's parameters."""
    return torch.optim.AdamW(
        parameters,
        lr=settings.lr,
        betas=(settings.momentum, 0.99),
        weight_decay=settings.weight_decay,
        fused=parameters[0].device.type in ("cpu", "cuda", "mps"),
    )


def clipped(parameters: Sequence[torch.nn.Parameter], longest: float) -> Tensor:
    """The length of the whole gradient of parameters, before it is cut to `longest` where it is longer.

    On a CPU, which waits for nothing when it looks, a shorter one is not multiplied by 1.
    """
    length = get_total_norm([p.grad for p in parameters if p.grad is not None])
    if length.device.type != "cpu" or not length <= longest:
        clip_grads_with_norm_(parameters, longest, length)
    return length


def optimiser_tensors(optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    """An optimiser's state, one tensor per parameter and quantity."""
    state = optimiser.state_dict()["state"]
    return {f"{k}/{name}": torch.as_tensor(v) for k, quantities in state.items() for name, v in quantities.items()}


def restore_optimiser(optimiser: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """The inverse of `optimiser_tensors`.

    Every tensor gets the memory layout of its parameter, because fused optimisers iterate over both in parallel.
    """
    parameters = [p for group in optimiser.param_groups for p in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        number, name = key.split("/")
        like = parameters[int(number)] if tensor.dim() else tensor
        state.setdefault(int(number), {})[name] = torch.empty_like(like, dtype=tensor.dtype).copy_(tensor)
    optimiser.load_state_dict({"state": state, "param_groups": optimiser.state_dict()["param_groups"]})


def scaler_tensors(scaler: GradScaler | None) -> dict[str, Tensor]:
    """The state of the scale of losses, one tensor per number. None without a scale."""
    state = scaler.state_dict() if scaler else {}
    return {
        name: torch.tensor(value, dtype=torch.double if isinstance(value, float) else torch.long)
        for name, value in state.items()
    }


def restore_scaler(scaler: GradScaler | None, tensors: Mapping[str, Tensor]) -> None:
    """The inverse of `scaler_tensors`. A new scale stays as it is if there are no tensors, as in older checkpoints."""
    if scaler and tensors:
        scaler.load_state_dict({name: tensor.item() for name, tensor in tensors.items()})
