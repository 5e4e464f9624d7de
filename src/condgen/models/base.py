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

    Capabilities say what a model can do beyond sampling; tests, the command line and reports go by them:
    `conditional` (obeys requests), `encodes` (`encode`, `decode`, `reconstruct`; if conditional also `edit` and
    `interpolate`), `likelihood` (`log_likelihood`), `handles_missing` (has an encoding of its own for free attributes),
    `unlabelled` (gains from observations without any label), `one_step` (one network evaluation a sample), `discovers`
    (has attributes of its own, not the data's).
    """

    def __init__(self, schema: Schema, shape: tuple[int, ...], capabilities: set[str]):
        super().__init__()
        self.schema = schema
        self.shape = shape
        self.capabilities = frozenset(capabilities)
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


def build(
    builders: dict[str, Callable[..., Model]], name: str, schema: Schema, shape: tuple[int, ...], **arguments: Any
) -> Model:
    """The model that a builder makes, with its recipe attached: all arguments that count, defaults included.

    Raises RequestError when the arguments do not fit, and for one that would change nothing.
    """
    counting = used(builders[name], arguments, (schema, tuple(shape)))
    try:
        model = builders[name](schema, tuple(shape), **counting)
    except ValueError as error:
        raise RequestError(f"Cannot build the model '{name}': {error}.") from None
    model.recipe = {"model": name, "arguments": counting}
    return model
