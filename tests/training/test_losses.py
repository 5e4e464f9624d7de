"""Means of loss terms, and the error when they explode."""

import math
from pathlib import Path

import pytest
from torch import tensor

from condgen.errors import RunError
from condgen.training.losses import EXPLODED, STEPS, Losses


def test_a_look_gives_the_means_since_the_last_one() -> None:
    losses = Losses(0.01, Path("run"))
    for k in range(STEPS):
        assert not losses.due
        losses.add({"loss": tensor(float(k)), "kl": tensor(2.0)})
    assert losses.due
    assert losses.look(0) == {"loss": (STEPS - 1) / 2, "kl": 2.0}
    assert not losses.waiting
    assert losses.look(0) == {"loss": (STEPS - 1) / 2, "kl": 2.0}
    losses.add({"loss": tensor(1.0), "kl": tensor(0.0)})
    assert losses.waiting
    assert losses.look(0) == {"loss": 1.0, "kl": 0.0}


@pytest.mark.parametrize(
    "terms", [{"loss": math.nan}, {"loss": 1.0, "kl": math.inf}, {"critic/loss": 1.0 + EXPLODED * 2}]
)
def test_what_explodes_stops_training_with_what_to_try(terms: dict[str, float]) -> None:
    losses = Losses(0.01, Path("my-run"))
    losses.add({name: tensor(1.0) for name in terms})
    losses.look(100)
    losses.add({name: tensor(value) for name, value in terms.items()})
    with pytest.raises(RunError, match=r"diverged after 200 images.*my-run.*`lr=0\.0025`.*`warmup=50000`"):
        losses.look(200)


def test_losses_may_grow_within_reason() -> None:
    losses = Losses(0.01, Path("run"))
    for value in (-1.0, EXPLODED * 2 - 0.1):
        losses.add({"loss": tensor(value), "wins": tensor(0.5)})
        losses.look(0)
