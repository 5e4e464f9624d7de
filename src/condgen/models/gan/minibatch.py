"""Minibatch statistics: the variation among observations that a critic sees beside each one."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import silu

from condgen.models import together
from condgen.schema import Condition

Features = Float[Tensor, "batch feature"]


class MinibatchDeviation(nn.Module):
    """Adds to features their variation within groups of the batch (minibatch standard deviation, Karras et al. 2018).

    A single observation does not show that a generator has lost variety, but several under one condition do. So the
    members of a group are neighbours in one attribute, drawn anew each time. The statistic is every feature's standard
    deviation (the paper takes their mean, over any observations). Groups have `group` members, or the largest number
    that divides the batch.
    """

    def __init__(self, features: int, group: int):
        super().__init__()
        self.group = group
        self.told = nn.Linear(features, features, bias=False)

    def forward(self, h: Features, condition: Condition) -> Features:
        """Features of a batch that is all real or all generated, each with its group's deviation added."""
        return together.own(self._beside(together.gathered(h), together.gathered(condition)))

    def _beside(self, h: Features, condition: Condition) -> Features:
        size = next(n for n in range(min(self.group, len(h)), 0, -1) if len(h) % n == 0)
        key = condition.schema.names[int(together.randint(0, len(condition.schema), (), along=None))]
        order = condition.schema[key].place(condition.values[key]).argsort(stable=True)
        deviation = (h[order].unflatten(0, (-1, size)).var(1, correction=0) + 1e-6).sqrt()
        told = silu(self.told(deviation)).repeat_interleave(size, 0)
        return h + torch.zeros_like(h).index_copy(0, order, told.to(h.dtype))
