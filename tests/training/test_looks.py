"""Losses on validation data, all at once or in parts."""

import pytest
import torch
from torch import Tensor

from condgen.data import Dataset
from condgen.models.base import Terms
from condgen.schema import Condition, LabelDistribution
from condgen.training import looks
from condgen.training.looks import validation_losses
from tests.training.test_trainer import Toy, data


class Counting(Toy):
    """Notes how many observations it sees at once."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[int] = []

    def forward(self, x: Tensor, condition: Condition, player: str = "model") -> Terms:
        self.rows.append(len(x))
        return super().forward(x, condition, player) | {"noise": torch.randn(len(x)).mean()}


def measured(part: Dataset, rows: int) -> tuple[list[int], dict[str, float]]:
    model = Counting()
    losses = validation_losses(model, part, LabelDistribution.of(part.condition), rows)
    return model.rows, dict(losses)


def test_much_validation_data_is_measured_in_parts_no_larger_than_a_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Images of 256×256 took eight times the memory that had been checked for a step of training."""
    part = data().train[:101]
    whole, losses = measured(part, rows=32)
    assert whole == [101]  # these are few numbers
    monkeypatch.setattr(looks, "VALUES", 201)
    parts, means = measured(part, rows=32)
    assert parts == [25, 25, 25, 26]
    assert means["validation/loss"] == pytest.approx(losses["validation/loss"], rel=1e-5)
    assert means.keys() == losses.keys()
    assert measured(part, rows=32)[1] == means  # its noise is the same each time
