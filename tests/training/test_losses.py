"""Means of loss terms, and the error when they explode."""

import math
from typing import Any

import pytest
from torch import tensor

from condgen.errors import RequestError
from condgen.parameters import validated
from condgen.training import TrainingConfig
from condgen.training.losses import EXPLODED, STEPS, Diverged, Losses, gentler


def test_a_look_gives_the_means_since_the_last_one() -> None:
    losses = Losses()
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


def test_a_term_of_some_steps_has_the_mean_of_these() -> None:
    losses = Losses()
    for terms in ({"loss": 1.0, "lazy": 2.0}, {"loss": 2.0}, {"loss": 3.0, "lazy": 4.0, "late": 5.0}):
        losses.add({name: tensor(value) for name, value in terms.items()})
    assert losses.look(0) == {"loss": 2.0, "lazy": 3.0, "late": 5.0}


@pytest.mark.parametrize(
    "terms", [{"loss": math.nan}, {"loss": 1.0, "kl": math.inf}, {"critic/loss": 1.0 + EXPLODED * 2}]
)
def test_what_explodes_stops_training_with_what_to_try(terms: dict[str, float]) -> None:
    losses = Losses()
    losses.add({name: tensor(1.0) for name in terms})
    losses.look(100)
    losses.add({name: tensor(value) for name, value in terms.items()})
    with pytest.raises(Diverged, match=r"diverged after 200 images \(loss "):
        losses.look(200)


@pytest.mark.parametrize(
    ("settings", "total", "tried"),
    [
        ({"lr": 0.01}, None, "`lr=0.0025`) or a longer warm-up (`warmup=50000`), and"),
        ({"lr": 0.01, "warmup": 50_000}, 10_000_000, "`lr=0.0025`) or a longer warm-up (`warmup=250000`), and"),
        ({"lr": 0.01}, 100_000, "`lr=0.0025`), and"),  # of which a tenth warms up at most, as it does already
        ({"lr": 1e30}, None, "`lr=0.008`)"),
    ],
)
def test_what_to_try_differs_from_what_was_tried(settings: dict[str, Any], total: int | None, tried: str) -> None:
    assert tried in gentler(TrainingConfig(**settings), total)


@pytest.mark.parametrize("nonsense", ["inf", "nan", "-inf"])
def test_a_learning_rate_that_is_no_number_is_refused(nonsense: str) -> None:
    """Training at lr=inf diverged, and was answered with: try lr=inf."""
    with pytest.raises(RequestError, match=r"The argument lr='-?(inf|nan)' of training is wrong"):
        validated(TrainingConfig, {"lr": nonsense})


def test_losses_may_grow_within_reason() -> None:
    losses = Losses()
    for value in (-1.0, EXPLODED * 2 - 0.1):
        losses.add({"loss": tensor(value), "wins": tensor(0.5)})
        losses.look(0)
