"""A world: a coin that lies left or right."""

import torch

from condgen.data import Dataset, Splits
from condgen.data.builtin import BuiltIn
from condgen.data.splits import split
from condgen.schema import Condition, Flag, Schema


def coin() -> Splits:
    """500 coins, on whichever side."""
    condition = Condition.of(Schema(attributes=(Flag(name="heads"),)), [{"heads": k % 2} for k in range(500)])
    x = (
        2 * condition.values["heads"][:, None]
        - 1
        + 0.1 * torch.randn(500, 2, generator=torch.Generator().manual_seed(0))
    )
    return split(Dataset(x, condition))


COIN = BuiltIn(coin, "coins, heads to the right; attribute heads")
