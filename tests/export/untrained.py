"""Runs of untrained models, of which every parameter has an effect. Exports do not ask whether a model is trained."""

from pathlib import Path
from typing import Any

import torch
from torch import nn

from condgen.models import build
from condgen.runs.run import Run
from condgen.schema import LabelDistribution, Schema
from condgen.testing import ATTRIBUTES
from condgen.testing.worlds import conditions
from condgen.training.checkpoint import Info

IMAGE, VECTOR = (1, 16, 16), (3,)


def untrained(name: str, shape: tuple[int, ...] = IMAGE, kind: str = "all", **arguments: Any) -> Run:
    """A run of a new model with random parameters, also where it starts at zero."""
    torch.manual_seed(0)
    model = build(name, Schema(attributes=ATTRIBUTES[kind]), shape, **arguments).eval()
    for parameter in model.parameters():
        if not parameter.any():
            nn.init.normal_(parameter, std=0.1)
    joint = model.joint(LabelDistribution.of(conditions(kind, 40)))
    data = {"coordinates": {"names": ["a", "b", "c"], "center": [0.0, 1.0, 2.0], "scale": [1.0, 2.0, 3.0]}}
    info = Info(
        recipe=model.recipe,
        shape=shape,
        schema=model.schema.model_dump(mode="json"),
        training={},
        data=data if shape == VECTOR else {},
        images=1_000,
        versions={"condgen": "0"},
    )
    return Run(model, joint, info, Path("untrained"))
