"""Measured steps: of a copy, on a part of the batch, by the arithmetic that was asked for."""

import copy
import math
from typing import Any

import pytest
import torch

from condgen.data import Splits
from condgen.models import build
from condgen.training import stopwatch
from condgen.training.arithmetic import Arithmetic
from condgen.training.stopwatch import Stopwatch


@pytest.mark.parametrize("family", ["cvae", "projection"])
def test_measuring_leaves_the_model_and_random_numbers_as_they_are(digits: Splits, family: str) -> None:
    model = build(family, digits.schema, digits.shape, channels=4, latent=2)
    part = digits.train[:16]
    before, threads = copy.deepcopy(model.state_dict()), torch.get_num_threads()
    torch.manual_seed(3)
    seconds = Stopwatch(model, part.floats, part.condition)
    for how in (Arithmetic("float32", 1), Arithmetic("bf16", 1), Arithmetic("float32", 1, "contiguous")):
        assert 0 < seconds(how) < math.inf
    drawn = torch.rand(3)
    torch.manual_seed(3)
    assert torch.equal(drawn, torch.rand(3))
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())
    assert all(p.grad is None for twin, _ in seconds._twins.values() for p in twin.parameters())  # so steps are alike
    assert torch.get_num_threads() == threads


def test_a_part_of_a_large_batch_is_measured_for_the_whole(digits: Splits, monkeypatch: pytest.MonkeyPatch) -> None:
    model, part = build("vae", digits.schema, digits.shape, channels=4, latent=2), digits.train[:64]
    monkeypatch.setattr(stopwatch, "NUMBERS", 1)
    seconds = Stopwatch(model, part.floats, part.condition)
    assert (len(seconds.x), len(seconds.condition), seconds.whole) == (16, 16, 4.0)
    took = iter([9.0, 0.02, 0.01, 9.0])  # the first one is not counted, and enough is enough
    monkeypatch.setattr(seconds, "_timed", lambda how: next(took))
    assert seconds(Arithmetic("float32", 1)) == 0.04


def test_a_stopwatch_computes_as_it_is_told(digits: Splits, monkeypatch: pytest.MonkeyPatch) -> None:
    model, part = build("vae", digits.schema, digits.shape, channels=4, latent=2), digits.train[:16]
    x = part.floats.repeat(1, 3, 1, 1).contiguous()[:, :1]  # of one channel, every layout would be the same
    seen: set[tuple[Any, ...]] = set()
    forward = type(model).forward

    def noting(self: Any, *arguments: Any) -> Any:
        weight = max((p for p in self.parameters() if p.dim() == 4), key=lambda p: p.shape[1])
        seen.add((torch.is_autocast_enabled("cpu"), torch.get_num_threads(), weight.is_contiguous()))
        return forward(self, *arguments)

    monkeypatch.setattr(type(model), "forward", noting)
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    seconds = Stopwatch(model, x, part.condition)
    for how, expected in (
        (Arithmetic("bf16", 2), (True, 2, False)),
        (Arithmetic("float32", 1, "contiguous"), (False, 1, True)),
    ):
        seen.clear()
        seconds(how)
        assert seen == {expected}


def test_arithmetic_that_fails_takes_for_ever(digits: Splits, monkeypatch: pytest.MonkeyPatch) -> None:
    model, part = build("vae", digits.schema, digits.shape, channels=4, latent=2), digits.train[:16]

    def failing(model: Any) -> Any:
        raise RuntimeError("no compiler")

    monkeypatch.setattr(stopwatch, "compiled", failing)
    seconds = Stopwatch(model, part.floats, part.condition)
    assert seconds(Arithmetic("float32", 1, compiled=True)) == math.inf
    assert seconds(Arithmetic("float32", 1)) < math.inf
