"""FiLM layer by layer: the γ and β of requests, and models in which those of one layer are replaced."""

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor, nn

from condgen.conditioning import FiLM
from condgen.models.base import Model
from condgen.models.twins import with_part


@dataclass(frozen=True)
class Modulation:
    """The modulation scale · f(x) + shift of one layer, for each sample of a batch.

    name: of the layer in the model. scale: 1 + γ(c) [batch, channel]. shift: β(c) [batch, channel].

    Both are means over all evaluations of the layer that a sample took.
    """

    name: str
    scale: Float[Tensor, "batch channel"]
    shift: Float[Tensor, "batch channel"]


class Watched(nn.Module):
    """A layer's γ and β, which remembers its outputs."""

    def __init__(self, gamma_beta: nn.Module):
        super().__init__()
        self.gamma_beta = gamma_beta
        self.seen: list[Tensor] = []

    def forward(self, c: Float[Tensor, "batch width"]) -> Float[Tensor, "batch both"]:
        """γ and β side by side."""
        found: Tensor = self.gamma_beta(c)
        self.seen.append(found)
        return found


class Silent(nn.Module):
    """γ = 0 and β = 0: the layer as it is without a condition."""

    def __init__(self, gamma_beta: nn.Module):
        super().__init__()
        self.gamma_beta = gamma_beta

    def forward(self, c: Float[Tensor, "batch width"]) -> Float[Tensor, "batch both"]:
        """Zeros."""
        return torch.zeros_like(self.gamma_beta(c))


class Exchanged(nn.Module):
    """The γ and β of the other half of the batch. Sample k exchanges them with sample k + batch/2."""

    def __init__(self, gamma_beta: nn.Module):
        super().__init__()
        self.gamma_beta = gamma_beta

    def forward(self, c: Float[Tensor, "batch width"]) -> Float[Tensor, "batch both"]:
        """γ and β side by side."""
        found: Tensor = self.gamma_beta(c).roll(len(c) // 2, 0)
        return found


def film_layers(model: nn.Module) -> dict[str, FiLM]:
    """All layers with γ and β, by name."""
    return {name: layer for name, layer in model.named_modules() if isinstance(layer, FiLM)}


def replaced(model: Model, name: str, by: Callable[[nn.Module], nn.Module]) -> Model:
    """The model with the γ and β of one layer replaced: by `Silent`, or by `Exchanged`. It shares all weights."""
    gamma_beta = film_layers(model)[name].gamma_beta
    return with_part(model, gamma_beta, by(gamma_beta))


@dataclass
class Watching:
    """A model whose γ and β are remembered while it samples."""

    model: Model
    _layers: dict[str, Watched] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, layer in film_layers(self.model).items():
            self._layers[name] = Watched(layer.gamma_beta)
            self.model = with_part(self.model, layer.gamma_beta, self._layers[name])

    @property
    def modulations(self) -> list[Modulation]:
        """The modulations of the layers that were used, in the order of the model."""
        means = {name: torch.stack(each.seen).mean(0).cpu() for name, each in self._layers.items() if each.seen}
        return [Modulation(name, 1 + both.chunk(2, 1)[0], both.chunk(2, 1)[1]) for name, both in means.items()]
