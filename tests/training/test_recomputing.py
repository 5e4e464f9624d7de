"""Activation checkpointing: equal gradients from less memory, for every family."""

import copy
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from condgen.data import Splits
from condgen.models import Model, build
from condgen.runs.costs import bytes_per_example
from condgen.training import Trainer, TrainingConfig
from condgen.training.recomputing import blocks, recompute

FAMILIES: dict[str, dict[str, Any]] = {
    "cvae": {"prior": "flow", "latent": 4},
    "projection": {"r1": 0.5, "r2": 0.5, "penalty_every": 1},  # whose penalties are gradients of gradients
    "flow": {"depth": 1},
}


def gradients(model: Model, data: Splits) -> Mapping[str, Tensor]:
    """Gradients of all players' losses, after which random numbers are as they were."""
    part = data.train[:8]
    for player, parameters in model.players().items():
        torch.manual_seed(1)
        model(part.floats, part.condition, player)["loss"].backward(inputs=parameters)
    return {name: p.grad for name, p in model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("name", FAMILIES)
def test_gradients_are_the_same_and_less_is_kept(digits: Splits, name: str) -> None:
    torch.manual_seed(0)
    model = build(name, digits.schema, digits.shape, channels=8, **FAMILIES[name])
    for p in model.parameters():  # none is zero, as the last layers of blocks are at the start
        nn.init.normal_(p, std=0.05)
    other = copy.deepcopy(model)
    recompute(other)
    plain, again = gradients(model.train(), digits), gradients(other.train(), digits)
    assert plain.keys() == again.keys()
    assert all(torch.allclose(again[key], plain[key], rtol=1e-4, atol=1e-6) for key in plain)
    saved = 0.9 if name != "projection" else 1.0  # gradients of gradients keep what was computed again
    assert bytes_per_example(model, digits, checkpointing=True) < saved * bytes_per_example(model, digits)


def test_blocks_are_those_of_networks_alone(digits: Splits) -> None:
    model = build("cvae", digits.schema, digits.shape, channels=8, depth=2)
    assert {type(block).__name__ for block in blocks(model)} == {"Block"}


@pytest.mark.parametrize(("checkpointing", "times"), [(False, 1), (True, 2)])
def test_a_run_with_the_setting_computes_its_blocks_again(
    digits: Splits, tmp_path: Path, checkpointing: bool, times: int
) -> None:
    model = build("cvae", digits.schema, digits.shape, channels=8, latent=2)
    layer, calls = next(blocks(model)).mix, []
    assert isinstance(layer, nn.Module)
    layer.register_forward_hook(lambda *_: calls.append(1))
    settings = TrainingConfig(images=64, batch=64, previews=0, checkpointing=checkpointing)
    trainer = Trainer(model, digits, tmp_path, settings)
    calls.clear()
    with closing(trainer.batches()) as batches:
        trainer.step(*next(batches))
    assert len(calls) == times
