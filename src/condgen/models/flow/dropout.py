"""Attributes left free in training, so that guidance has a contrast."""

from condgen.models import together
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
    each = together.rand(n, attributes) < chance
    everything = together.rand(n, 1) < chance
    number = together.randint(0, max(attributes, 1), (n, 1)) * (together.rand(n, 1) < chance)
    some = together.rand(n, attributes).argsort(1).argsort(1) < number
    return condition.drop((each | everything | some).to(condition.device))
