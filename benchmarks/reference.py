"""References of speed: a convolution, and the operations of products and convolutions. They need PyTorch alone."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry


class Counter(TorchDispatchMode):
    """Counts the operations of products and convolutions. PyTorch's own counter takes no gradients of gradients."""

    operations = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """The result of a function, whose operations are counted."""
        result = func(*args, **(kwargs or {}))
        if (count := flop_registry.get(func.overloadpacket)) is not None:
            self.operations += count(*args, **(kwargs or {}), out_val=result)
        return result


def convolution(bf16: bool) -> Callable[[], None]:
    """The reference: forward and backward of a 3×3 convolution of 64 channels, 64 images of 16×16."""
    layer = nn.Conv2d(64, 64, 3, padding=1).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    x = torch.randn(64, 64, 16, 16).contiguous(memory_format=torch.channels_last).requires_grad_()

    def step() -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            y = layer(x)
        y.sum().backward()

    return step


def operations(step: Callable[[], object], times: int = 1) -> float:
    """The operations of a step, on average over several."""
    with Counter() as counter:
        for _ in range(times):
            step()
    return counter.operations / times
