"""Folding: a network under one fixed condition, with ordinary layers in place of its mechanisms.

Each mechanism answers for itself (`Mechanism.folded`). A folded network gives the same outputs, within rounding, and
costs what the unconditional network costs.
"""

from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn

from condgen.conditioning.encoder import Encoded
from condgen.conditioning.mechanisms import Mechanism

NOTHING = Encoded(torch.empty(0, 0), torch.empty(0, 0, 0))  # what a folded network is called with


class Fixed(nn.Module):
    """A layer that is called `layer(x, c)` and ignores c."""

    def __init__(self, layer: nn.Module):
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor, c: Encoded = NOTHING) -> Tensor:
        """The layer's output for x."""
        output: Tensor = self.layer(x)
        return output


@torch.no_grad()
def fold(network: nn.Module, c: Encoded, *example: Any) -> nn.Module:
    """A copy of a network(x, c), with every mechanism folded for a condition c of batch 1. It is called with any c.

    example: of x, and of further inputs before c. The sizes that layers see are learned from it.
    """
    network = deepcopy(network).eval()
    seen: dict[str, Tensor] = {}
    mechanisms = {name: module for name, module in network.named_modules() if isinstance(module, Mechanism)}
    hooks = [module.register_forward_pre_hook(_keeps(name, seen)) for name, module in mechanisms.items()]
    network(*example, c)
    for hook in hooks:
        hook.remove()
    for name, module in mechanisms.items():
        _replace(network, name, Fixed(module.folded(c, seen[name]) if name in seen else module.layer))
    return network.requires_grad_(False)


def _keeps(name: str, seen: dict[str, Tensor]) -> Any:
    def keep(module: nn.Module, inputs: tuple[Any, ...]) -> None:
        seen[name] = inputs[0]

    return keep


def _replace(network: nn.Module, name: str, layer: nn.Module) -> None:
    parent, _, own = name.rpartition(".")
    setattr(network.get_submodule(parent), own, layer)
