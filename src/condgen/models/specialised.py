"""Parts of models under one fixed condition: ordinary networks from noise to observations."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from condgen.conditioning import Encoded
from condgen.conditioning.folding import NOTHING, fold
from condgen.errors import RequestError
from condgen.schema import Condition


class Folded(nn.Module):
    """A network(x, c) folded for one condition and called without it."""

    def __init__(self, network: nn.Module, c: Encoded, *shape: int):
        super().__init__()
        self.network = fold(network, c, torch.zeros(1, *shape, device=c.vector.device))

    def forward(self, x: Tensor) -> Tensor:
        """The network's output for x [batch, *shape]."""
        output: Tensor = self.network(x, NOTHING)
        return output


class Under(nn.Module):
    """A function of x and c that belongs to a module, under one condition."""

    vector: Tensor
    tokens: Tensor

    def __init__(self, owner: nn.Module, function: Callable[[Tensor, Encoded], Tensor], c: Encoded):
        super().__init__()
        self.owner = owner
        self.function = function
        self.register_buffer("vector", c.vector.clone())
        self.register_buffer("tokens", c.tokens.clone())

    def forward(self, x: Tensor) -> Tensor:
        """The function's value for x."""
        c = (part.expand(x.shape[0], *part.shape[1:]) for part in (self.vector, self.tokens))
        return self.function(x, Encoded(*c))


class Computes(nn.Module):
    """A function of x, as a module."""

    def __init__(self, function: Callable[[Tensor], Tensor], owner: nn.Module | None = None):
        super().__init__()
        self.owner = owner  # whose parameters the function uses
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        """The function's value for x."""
        return self.function(x)


def one(condition: Condition) -> Condition:
    """A condition, if it is one. Raises RequestError for several or none."""
    if len(condition) != 1:
        raise RequestError(f"A model is specialised for one condition, not for {len(condition)}: give one (`c[:1]`).")
    return condition
