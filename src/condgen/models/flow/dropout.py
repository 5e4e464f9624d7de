"""Attributes left free in training, so that guidance has a contrast."""

import torch

from condgen.schema import Condition


def dropped(condition: Condition, chance: float) -> Condition:
    """The condition with attributes randomly left free, so that guidance has a contrast after training.

    Each attribute of each sample is left free with this probability. With the same probability a sample loses all
    attributes, and again with the same probability a random number of them, because requests name few of many
    attributes.
    """
    if not chance:
        return condition
    n, attributes = condition.present.shape
    each = torch.rand(n, attributes) < chance
    everything = torch.rand(n, 1) < chance
    number = torch.randint(max(attributes, 1), (n, 1)) * (torch.rand(n, 1) < chance)
    some = torch.rand(n, attributes).argsort(1).argsort(1) < number
    return condition.drop((each | everything | some).to(condition.device))
