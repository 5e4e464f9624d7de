"""What every family of models offers, and nothing more: the losses of its players, and samples for conditions."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from condgen.errors import RequestError
from condgen.parameters import used
from condgen.rng import Rng
from condgen.schema import Condition, LabelDistribution, Schema

Batch = Float[Tensor, "batch ..."]
Terms = dict[str, Float[Tensor, ""]]


class Model(nn.Module):
    """One family of conditional generative models.

    schema:  what can be asked for.
    shape:   of one observation: (channel, height, width) with values in [0, 1], or (dimension,).

    Four facts depend on what a model is composed of: whether it obeys requests, has an encoding of its own for free
    attributes, gains from observations without any label, and samples by one evaluation of its network. What else a
    model can do are protocols (protocols.py).
    """

    conditional: bool = True
    handles_missing: bool = False
    uses_unlabelled: bool = False
    one_step: bool = False

    def __init__(self, schema: Schema, shape: tuple[int, ...]):
        super().__init__()
        self.schema = schema
        self.shape = shape
        self.recipe: dict[str, Any] = {}  # what `build` was called with: saved with the model, and rebuilds it

    @property
    def device(self) -> torch.device:
        """Where the parameters live."""
        return next(self.parameters()).device

    def players(self) -> dict[str, list[nn.Parameter]]:
        """Who is trained, in turn, each on its own loss; one player for most families."""
        return {"model": list(self.parameters())}

    def forward(self, x: Batch, condition: Condition, player: str = "model") -> Terms:
        """A player's loss terms on a batch, means over it; `loss` is what to minimise, the others are for the log."""
        raise NotImplementedError

    def complaints(self, values: Mapping[str, float]) -> list[str]:
        """What recent means of the loss terms, named `player/term`, say is going wrong, and what to try."""
        return []

    def joint(self, data: LabelDistribution) -> LabelDistribution:
        """The distribution of what may be asked for: the data's, unless the model has attributes of its own."""
        return data

    def sample(self, condition: Condition, rng: Rng) -> Batch:
        """One observation per request, [batch, *shape]; sample k depends only on its request and its random stream."""
        raise NotImplementedError


def build(builder: Callable[..., Model], name: str, schema: Schema, shape: tuple[int, ...], **arguments: Any) -> Model:
    """The model that a builder makes, with its recipe attached: all arguments that count, defaults included.

    Raises RequestError when the arguments do not fit, and for one that would change nothing.
    """
    counting = used(builder, arguments, (schema, tuple(shape)))
    try:
        model = builder(schema, tuple(shape), **counting)
    except ValueError as error:
        raise RequestError(f"Cannot build the model '{name}': {error}.") from None
    model.recipe = {"model": name, "arguments": counting}
    return model
