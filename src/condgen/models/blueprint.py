"""Blueprints of models: built on PyTorch's meta device, where tensors have shapes and take no memory."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.module import (
    register_module_buffer_registration_hook,
    register_module_parameter_registration_hook,
)

Shape = tuple[int, ...]
EXTRA = "_extra_state"  # the end of the names under which modules save what changes its shape in training


class TooLarge(Exception):  # noqa: N818 (it says what the model is)
    """A model with more tensors, or more numbers in them, than allowed."""


def blueprint(
    make: Callable[[], nn.Module], numbers: int | float = math.inf, tensors: int | float = math.inf
) -> dict[str, Shape] | None:
    """The names and shapes of a model's parameters and buffers. None for a model whose construction needs their values.

    Building stops with TooLarge as soon as a limit is exceeded, so a huge model takes little time and memory.
    """
    try:
        with torch.device("meta"), _counted(numbers, tensors):
            model = make()
    except (NotImplementedError, RuntimeError) as error:
        if "meta" not in str(error):
            raise
        return None
    return {name: tuple(t.shape) for name, t in model.state_dict().items() if t.is_meta and not name.endswith(EXTRA)}


@contextmanager
def _counted(numbers: int | float, tensors: int | float) -> Iterator[None]:
    """Raise TooLarge as soon as modules get more tensors or numbers than these.

    A tensor that moves to another module, as a parametrised weight does, counts once.
    """
    left: list[int | float] = [numbers, tensors]
    counted: dict[int, Tensor] = {}

    def count(module: nn.Module, name: str, tensor: Any) -> None:
        if isinstance(tensor, Tensor) and id(tensor) not in counted:
            counted[id(tensor)] = tensor
            left[0] -= tensor.numel()
            left[1] -= 1
        if min(left) < 0:
            raise TooLarge

    hooks = (register_module_parameter_registration_hook(count), register_module_buffer_registration_hook(count))
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
