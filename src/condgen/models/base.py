"""The interface of every family of models: the losses of its players, and samples for conditions."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from condgen import sealed
from condgen.errors import CondgenError, RequestError
from condgen.feature_networks import FeatureNetwork
from condgen.models.complaint import Complaint
from condgen.parameters import used
from condgen.rng import Rng
from condgen.schema import Condition, LabelDistribution, Schema

Batch = Float[Tensor, "batch ..."]
Terms = dict[str, Float[Tensor, ""]]


class Model(nn.Module):
    """A conditional generative model. Each family is a subclass.

    schema: the attributes that can be asked for.
    shape: the shape of one observation: (channel, height, width) with values in [0, 1], or (dimension,).

    Five facts depend on the model's parts: whether it obeys requests, encodes free attributes, gains from observations
    without any label, samples by one evaluation of its network, and whether its samples are to vary as the data does.
    Further abilities are protocols (protocols.py).
    """

    conditional: bool = True
    handles_missing: bool = False
    uses_unlabelled: bool = False
    one_step: bool = False
    varies: bool = True

    def __init__(self, schema: Schema, shape: tuple[int, ...]):
        super().__init__()
        self.schema = schema
        self.shape = shape
        self.recipe: dict[str, Any] = {}  # the arguments of `build`, saved with the model to rebuild it

    @property
    def device(self) -> torch.device:
        """The device of the parameters."""
        return next(self.parameters()).device

    @property
    def fingerprint(self) -> str:
        """A digest of the weights."""
        return sealed.digest(self.state_dict())

    def players(self) -> dict[str, list[nn.Parameter]]:
        """The parameters of each player. Players are trained in turn, each on its own loss. Most families have one
        player.
        """
        return {"model": list(self.parameters())}

    def forward(self, x: Batch, condition: Condition, player: str = "model") -> Terms:
        """A player's loss terms on a batch, averaged over it. `loss` is minimised, and the others are logged."""
        raise NotImplementedError(f"{type(self).__name__} has no `forward`, which returns the terms of its loss")

    @property
    def trained_against(self) -> tuple[FeatureNetwork, ...]:
        """The networks by whose features or scores the losses judge samples. Saved with the run, which is not measured
        by them.
        """
        return ()

    def complaints(self, values: Mapping[str, float]) -> list[Complaint]:
        """Faults in training that recent means of the loss terms, named `player/term`, reveal."""
        return []

    def joint(self, data: LabelDistribution) -> LabelDistribution:
        """The distribution of the attributes that can be asked for: the data's, unless the model has attributes of its
        own.
        """
        return data

    def sample(self, condition: Condition, rng: Rng) -> Batch:
        """One observation per request, [batch, *shape]. Sample k depends only on its request and its random stream."""
        raise NotImplementedError(f"{type(self).__name__} has no `sample`, which returns one observation per request")


def loss_of(terms: object, model: Model) -> Float[Tensor, ""]:
    """The loss among the terms that `forward` returned. Raises CondgenError that names the class if there is none."""
    loss = terms.get("loss") if isinstance(terms, dict) else None
    if isinstance(loss, Tensor) and loss.dim() == 0:
        return loss
    raise CondgenError(
        f"`forward` of {type(model).__name__} must return a dict whose 'loss' is one number, averaged over the batch, "
        f"such as {{'loss': error.mean()}}. It returned {_returned(terms)}."
    )


def _returned(terms: object) -> str:
    """The result of a `forward` in a few words: the type or the shape of what is there."""
    if isinstance(terms, dict):
        return "{" + ", ".join(f"{name!r}: {_returned(value)}" for name, value in terms.items()) + "}"
    return f"a tensor of shape {tuple(terms.shape)}" if isinstance(terms, Tensor) else f"a {type(terms).__name__}"


def build(builder: Callable[..., Model], name: str, schema: Schema, shape: tuple[int, ...], **arguments: Any) -> Model:
    """The model that a builder makes, with its recipe attached: all arguments in use, defaults included.

    Raises RequestError for arguments that do not fit, and for arguments that would change nothing.
    """
    counting = used(builder, arguments, (schema, tuple(shape)))
    try:
        model = builder(schema, tuple(shape), **counting)
    except ValueError as error:
        raise RequestError(f"Cannot build the model '{name}': {error}.") from None
    model.recipe = {"model": name, "arguments": counting}
    return model
