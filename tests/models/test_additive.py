"""Families with additive encodings: no attribute changes what another says, at any time."""

from typing import Any

import pytest
import torch

from condgen.data import Mixture
from condgen.models import build
from condgen.models.flow.flow import Flow
from condgen.models.vae.vae import GuidedLatentFlow
from condgen.schema import Condition

SCHEMA = Mixture.schema
SETTINGS: dict[str, dict[str, Any]] = {"flow": {}, "cvae": {"prior": "flow", "embedding": 16}}


def interaction(model: Flow | GuidedLatentFlow) -> float:
    """How far the difference that one attribute makes depends on another, in what every layer is told."""
    transport = model.transport if isinstance(model, Flow) else model.prior.transport
    rows = [{"side": side, "far": far, "angle": 10} for side in ("east", "north") for far in ("no", "yes")]
    c = model.condition_encoder(Condition.of(SCHEMA, rows))
    a, b, d, e = transport.time_encoder(c, torch.full((4,), 0.3)).vector.detach()
    return float((a - b - d + e).abs().max())


@pytest.mark.parametrize("family", SETTINGS)
@pytest.mark.parametrize("additive", [True, False])
def test_what_an_additive_model_tells_its_layers_is_a_sum_over_attributes(family: str, additive: bool) -> None:
    torch.manual_seed(0)
    model = build(family, SCHEMA, (2,), additive=additive, channels=8, depth=1, **SETTINGS[family])
    assert isinstance(model, Flow | GuidedLatentFlow)
    assert (interaction(model) < 1e-5) == additive
