"""Tiny worlds in which one attribute of each kind visibly decides what an observation looks like."""

import torch
from torch import Tensor

from condgen.schema import Attribute, Categorical, Condition, Continuous, Flag, Schema

ATTRIBUTES: dict[str, tuple[Attribute, ...]] = {
    "categorical": (Categorical(name="row", values=("top", "upper", "lower", "bottom")),),
    "flag": (Flag(name="bright"),),
    "continuous": (Continuous(name="tone", low=-5, high=5),),
}
ATTRIBUTES["all"] = ATTRIBUTES["categorical"] + ATTRIBUTES["flag"] + ATTRIBUTES["continuous"]
SHAPES = {"image": (1, 8, 8), "vector": (3,)}


def conditions(kind: str, n: int, seed: int = 0) -> Condition:
    """n random complete conditions."""
    schema = Schema(attributes=ATTRIBUTES[kind])
    u = torch.rand(n, len(schema), generator=torch.Generator().manual_seed(seed))
    values = {}
    for column, a in enumerate(schema):
        if isinstance(a, Continuous):
            values[a.name] = a.low + u[:, column] * (a.high - a.low)
        else:
            values[a.name] = (u[:, column] * len(a.choices)).floor()
    return Condition(schema, values, torch.ones(n, len(schema), dtype=torch.bool))


def observations(condition: Condition, space: str) -> Tensor:
    """A lit pair of rows, brightness of the left edge, tone of the right edge; vectors hold the three numbers."""
    n = len(condition)
    row = condition.values.get("row", torch.zeros(n))
    bright = condition.values.get("bright", torch.zeros(n))
    tone = (condition.values.get("tone", torch.zeros(n)) + 5) / 10
    noise = torch.Generator().manual_seed(1)
    if space == "vector":
        return torch.stack([row - 1.5, bright * 2 - 1, tone * 2 - 1], dim=1) + 0.1 * torch.randn(n, 3, generator=noise)
    x = 0.1 * torch.rand(n, 1, 8, 8, generator=noise)
    rows = (torch.arange(8) // 2 == row.long()[:, None]).float()
    x[:, 0, :, 2:6] += 0.8 * rows[:, :, None]
    x[:, 0, :, :2] += 0.8 * bright[:, None, None]
    x[:, 0, :, 6:] += 0.8 * tone[:, None, None]
    return x.clamp(0, 1)
