"""The pace of training, by a clock of the test's own."""

from itertools import count
from typing import Any

import pytest

from condgen.data import Splits
from condgen.models.registry import build
from condgen.training import TrainingConfig, pace
from condgen.training.trainer import Trainer


def test_the_first_step_is_not_counted_and_the_others_fill_the_time(
    digits: Splits, monkeypatch: pytest.MonkeyPatch
) -> None:
    happened: list[str] = []
    times = count(0.0, pace.LONGEST / 3)  # a third of the time from look to look

    def clock() -> float:
        happened.append("look")
        return next(times)

    def step(trainer: Trainer, *batch: Any) -> None:
        happened.append("step")

    monkeypatch.setattr(Trainer, "step", step)
    model = build("vae", digits.schema, digits.shape, channels=4, latent=2)
    settings = TrainingConfig(images=1_000, batch=64)
    found = pace.images_per_second(model, digits.train.condition, settings, clock)
    assert happened == ["step", "look", *["step", "look"] * 3]
    assert found == pytest.approx(3 * 64 / pace.LONGEST)
