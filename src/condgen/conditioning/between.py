"""Encodings on the way from one condition to another."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from condgen.conditioning.encoder import ConditionEncoder, Encoded
from condgen.schema import Condition


class EncodedBetween(nn.Module):
    """An encoder of conditions that interpolates between a condition's encoding and that of another one.

    end: the other condition of each sample.
    shares: from 0, the condition itself, to 1, the other.

    Free attributes stay free, because guidance drops attributes.
    """

    def __init__(self, encoder: ConditionEncoder, end: Condition, shares: Float[Tensor, " batch"]):
        super().__init__()
        self.encoder, self.end, self.shares = encoder, end, shares

    def forward(self, condition: Condition) -> Encoded:
        """The encoded condition."""
        other: Any = self.encoder(self.end.drop(~condition.present))
        pairs = zip(self.encoder(condition), other, strict=True)
        return Encoded(*(torch.lerp(a, b, self.shares.view(-1, *[1] * (a.dim() - 1))) for a, b in pairs))
