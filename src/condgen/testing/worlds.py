"""Tiny worlds in which one attribute of each kind visibly decides the look of an observation."""

import math

import torch
from torch import Tensor

from condgen.models.registry import SHAPES
from condgen.schema import AnyAttribute, Categorical, Condition, Continuous, Flag, Schema
from condgen.schema.vector import Vector

ATTRIBUTES: dict[str, tuple[AnyAttribute, ...]] = {
    "categorical": (Categorical(name="row", values=("top", "upper", "lower", "bottom")),),
    "flag": (Flag(name="bright"),),
    "continuous": (Continuous(name="tone", low=-5, high=5),),
    "vector": (Vector(name="edges", mean=(0, 5), scale=(1, 0.1)),),
}
ATTRIBUTES["all"] = ATTRIBUTES["categorical"] + ATTRIBUTES["flag"] + ATTRIBUTES["continuous"]
__all__ = ["ATTRIBUTES", "SHAPES", "conditions", "observations"]


def conditions(kind: str, n: int, seed: int = 0) -> Condition:
    """n random complete conditions."""
    schema = Schema(attributes=ATTRIBUTES[kind])
    sizes = [math.prod(a.shape) for a in schema]
    u = torch.rand(n, sum(sizes), generator=torch.Generator().manual_seed(seed)).split(sizes, dim=1)
    values = {a.name: a.uniform(part.reshape(n, *a.shape)) for a, part in zip(schema, u, strict=True)}
    return Condition(schema, values, torch.ones(n, len(schema), dtype=torch.bool))


def observations(condition: Condition, space: str) -> Tensor:
    """A lit pair of rows, the brightness of the left edge, and the tone of the right edge. Vectors hold the three
    numbers.

    If the condition has `edges`, it gives the brightness and tone of both edges.
    """
    n = len(condition)
    row = condition.values.get("row", torch.zeros(n))
    bright = condition.values.get("bright", torch.zeros(n))
    tone = (condition.values.get("tone", torch.zeros(n)) + 5) / 10
    if "edges" in condition.values:
        bright, tone = ((condition.values["edges"] - torch.tensor([0, 5])) / torch.tensor([4, 0.4]) + 0.5).unbind(1)
    noise = torch.Generator().manual_seed(1)
    if space == "vector":
        return torch.stack([row - 1.5, bright * 2 - 1, tone * 2 - 1], dim=1) + 0.1 * torch.randn(n, 3, generator=noise)
    x = 0.1 * torch.rand(n, 1, 8, 8, generator=noise)
    rows = (torch.arange(8) // 2 == row.long()[:, None]).float()
    x[:, 0, :, 2:6] += 0.8 * rows[:, :, None]
    x[:, 0, :, :2] += 0.8 * bright[:, None, None]
    x[:, 0, :, 6:] += 0.8 * tone[:, None, None]
    return x.clamp(0, 1)
