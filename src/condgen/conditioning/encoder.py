"""Encoders of conditions. They turn a Condition into one vector and one token per attribute."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from condgen.schema import Condition, Schema


class Encoded(NamedTuple):
    """An encoded condition, the `c` of every layer that is called `layer(x, c)`."""

    vector: Float[Tensor, "batch width"]
    tokens: Float[Tensor, "batch attribute width"]

    @classmethod
    def of(cls, c: Float[Tensor, "batch *token width"]) -> "Encoded":
        """A condition encoded by other code: a vector [batch, width], or tokens [batch, token, width].

        A vector is its own single token. The vector of tokens is their mean. Raises ValueError for other shapes.
        """
        if c.dim() not in (2, 3):
            raise ValueError(f"a condition is [batch, width] or [batch, token, width], not {list(c.shape)}")
        return cls(c, c[:, None]) if c.dim() == 2 else cls(c.mean(1), c)


class ConditionEncoder(nn.Module):
    """Encodes a Condition as a vector of `width` numbers and one token per attribute.

    The scale of the vector does not depend on the number of attributes: forty flags disturb a layer no more than one.
    """

    conditional = True  # whether the encoding depends on the condition
    handles_missing = False  # whether a free attribute has an encoding of its own

    def __init__(self, schema: Schema, width: int):
        super().__init__()
        self.schema = schema
        self.width = width

    def forward(self, condition: Condition) -> Encoded:
        """The encoded condition: vector [batch, width], tokens [batch, attribute, width]."""
        raise NotImplementedError


class EmptyEncoder(ConditionEncoder):
    """The encoder of unconditional models. It encodes every condition as nothing."""

    conditional = False
    handles_missing = True

    def __init__(self, schema: Schema):
        super().__init__(schema, 0)

    def forward(self, condition: Condition) -> Encoded:
        """A vector and tokens of width zero."""
        none = condition.present.new_zeros(condition.present.shape[0], 0, dtype=torch.float)
        return Encoded(none, none[:, None])


class PlainEncoder(ConditionEncoder):
    """The plain encodings of all attributes, such as one-hot categories and ±1 flags, side by side.

    It cannot encode a missing attribute, since zero would be a value. Conditions must be complete.
    """

    def __init__(self, schema: Schema):
        _must_have_attributes(schema)
        super().__init__(schema, sum(attribute.width for attribute in schema))

    def forward(self, condition: Condition) -> Encoded:
        """The encoded condition. Raises ValueError if an attribute is free."""
        if not torch.compiler.is_exporting() and not condition.complete:  # an exported model is asked complete ones
            raise ValueError(
                "a plain encoding cannot leave attributes free; fill them from the data's joint distribution"
            )
        blocks = [a.encode(condition.values[a.name]) for a in self.schema]
        vector = torch.cat([block / a.rms for a, block in zip(self.schema, blocks, strict=True)], dim=1)
        own = torch.block_diag(*[torch.ones(1, a.width, device=vector.device) for a in self.schema])
        return Encoded(vector, vector[:, None] * own)


class AttributeEmbedding(nn.ModuleList):
    """A learned vector per attribute, linear in the attribute's features.

    Attributes with equally many features are embedded by one product: forty flags cost as much as one.
    """

    def __init__(self, schema: Schema, width: int):
        layers = [nn.Linear(a.features_width, width, bias=False) for a in schema]
        for layer in layers:
            nn.init.normal_(layer.weight)
        super().__init__(layers)
        self.schema = schema
        self.alike = [[k for k, a in enumerate(schema) if a.features_width == n] for n in _widths(schema)]

    def forward(self, condition: Condition) -> Float[Tensor, "batch attribute width"]:
        """One vector per attribute, zero where it is free."""
        features = [a.features(condition.codes(a.name)) for a in self.schema]
        embedded: dict[int, Tensor] = {}
        for group in self.alike:
            embedded |= zip(group, self._embedded(group, [features[k] for k in group]), strict=True)
        return torch.stack([embedded[k] for k in range(len(self))], dim=1) * condition.present[..., None]

    def _embedded(self, group: list[int], features: list[Tensor]) -> Sequence[Float[Tensor, "batch width"]]:
        """The vectors of attributes with equally many features."""
        if len(group) == 1:
            return [self[group[0]](features[0])]
        # Spectral normalisation computes a weight from others, so it need not be a parameter.
        weights = torch.stack([self[k].weight for k in group])  # type: ignore[misc]
        return (torch.stack(features) @ weights.mT).unbind()


def _widths(schema: Schema) -> list[int]:
    """The different numbers of features of attributes."""
    return list(dict.fromkeys(a.features_width for a in schema))


class EmbeddingEncoder(ConditionEncoder):
    """A learned embedding per attribute, with a learned null for free attributes.

    additive: the vector is the plain sum of the embeddings. A network that mixes them can learn each combination
        separately, and then has no rule for one that it never saw. In a sum each attribute contributes the same in
        every combination.
    """

    handles_missing = True

    def __init__(self, schema: Schema, width: int = 64, additive: bool = False):
        _must_have_attributes(schema)
        super().__init__(schema, width)
        self.scale = len(schema) ** -0.5
        self.embed = AttributeEmbedding(schema, width)
        self.null = nn.Parameter(torch.randn(len(schema), width))
        self.mix: nn.Module = nn.Identity() if additive else _mixing(width)

    def forward(self, condition: Condition) -> Encoded:
        """The encoded condition. A free attribute is encoded as its null."""
        tokens = torch.where(condition.present[..., None], self.embed(condition), self.null)
        return Encoded(self.mix(self.scale * tokens.sum(1)), tokens)


def _mixing(width: int) -> nn.Module:
    """A small network in which attributes meet."""
    return nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width))


def _must_have_attributes(schema: Schema) -> None:
    if not len(schema):
        raise ValueError(
            "the schema has no attributes, so there is nothing to condition on; use an unconditional model"
        )
