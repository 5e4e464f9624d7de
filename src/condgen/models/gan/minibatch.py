"""What a critic sees of an observation's company: how much the observations beside it vary."""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import silu

from condgen.schema import Condition

Features = Float[Tensor, "batch feature"]


class MinibatchDeviation(nn.Module):
    """Adds to features how they vary within groups of the batch (minibatch standard deviation, Karras et al. 2018).

    One observation alone does not show that a generator has lost variety; several under the same condition do. So the
    members of a group are neighbours in one attribute, drawn anew every time, and what is told of a group is every
    feature's standard deviation (section 3 there: their mean, of any observations). Groups have `group` members, or as
    many as divide the batch.
    """

    def __init__(self, features: int, group: int):
        super().__init__()
        self.group = group
        self.told = nn.Linear(features, features, bias=False)

    def forward(self, h: Features, condition: Condition) -> Features:
        """Features of a batch that is all real or all generated, each with its group's deviation added."""
        size = math.gcd(len(h), self.group)
        key = condition.schema.names[int(torch.randint(len(condition.schema), ()))]
        order = condition.schema[key].place(condition.values[key]).argsort(stable=True)
        deviation = (h[order].unflatten(0, (-1, size)).var(1, correction=0) + 1e-6).sqrt()
        told = silu(self.told(deviation)).repeat_interleave(size, 0)
        return h + torch.zeros_like(h).index_copy(0, order, told.to(h.dtype))
