"""Families of other packages, with the mistakes that strangers make."""

from pathlib import Path
from typing import Any

import pytest
import torch

from condgen.conditioning import Mechanism
from condgen.data import Splits
from condgen.errors import CondgenError
from condgen.models import FAMILIES, Family, Model
from condgen.models.base import loss_of
from condgen.models.protocols import Encodes
from condgen.models.registry import _examples, that_can
from condgen.registry import PluginWarning
from condgen.rng import Rng
from condgen.runs.train import train
from condgen.schema import Condition, Schema
from tests.foreign import bring


def broken(schema: Schema, shape: tuple[int, ...], *, width: int = 1) -> Model:
    """A builder with a mistake."""
    return undefined_name  # noqa: F821


@pytest.fixture(autouse=True)
def _anew() -> Any:
    _examples.cache_clear()
    yield
    _examples.cache_clear()


def test_a_broken_family_of_a_package_stops_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    bring(monkeypatch, FAMILIES, "ty", Family(broken))
    with pytest.warns(PluginWarning, match="model 'ty' of the package my-package is left out, since it raised NameErr"):
        assert "cvae" in that_can(Encodes)
    assert "cvae" in that_can(Encodes)  # and warns once


def test_a_broken_family_of_condgen_is_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FAMILIES._own, "ty", Family(broken))
    with pytest.raises(NameError):
        that_can(Encodes)


class Blob(Model):
    """A model with a parameter."""

    def __init__(self, schema: Schema, shape: tuple[int, ...]):
        super().__init__(schema, shape)
        self.layer = torch.nn.Linear(1, 1)


class Silent(Model):
    """Has neither a loss nor samples."""


def test_a_model_without_a_method_says_which() -> None:
    model = Silent(Schema(attributes=()), (2,))
    with pytest.raises(NotImplementedError, match="Silent has no `sample`"):
        model.sample(Condition.free(model.schema, 1), Rng(range(1)))
    with pytest.raises(NotImplementedError, match="Silent has no `forward`"):
        model(torch.zeros(1, 2), Condition.free(model.schema, 1))
    with pytest.raises(NotImplementedError, match="Mechanism has no `forward`"):
        Mechanism(torch.nn.Linear(2, 2), 3)(torch.zeros(1, 2), torch.zeros(1, 3))


@pytest.mark.parametrize(
    ("terms", "returned"),
    [
        (torch.zeros(()), r"a tensor of shape \(\)"),
        ({"error": torch.zeros(())}, r"{'error': a tensor of shape \(\)}"),
        ({"loss": torch.zeros(64)}, r"{'loss': a tensor of shape \(64,\)}"),
        ({"loss": 0.0}, r"{'loss': a float}"),
        (None, "a NoneType"),
    ],
)
def test_a_forward_that_returns_no_loss_is_told_by_its_class(terms: Any, returned: str) -> None:
    with pytest.raises(CondgenError, match=rf"`forward` of Silent must return a dict .* It returned {returned}\."):
        loss_of(terms, Silent(Schema(attributes=()), (2,)))


def test_training_tells_it(digits: Splits, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class PerExample(Blob):
        def forward(self, x: Any, condition: Condition, player: str = "model") -> Any:
            return {"loss": self.layer.weight.sum() + x.flatten(1).sum(1)}

    def per_example(schema: Schema, shape: tuple[int, ...]) -> Model:
        return PerExample(schema, shape)

    bring(monkeypatch, FAMILIES, "blob", Family(per_example))
    with pytest.raises(CondgenError, match="`forward` of PerExample must return a dict"):
        train("blob", digits, tmp_path / "run", images=100)


def test_a_builder_names_its_settings() -> None:
    def anything(schema: Schema, shape: tuple[int, ...], **settings: Any) -> Model:
        raise NotImplementedError

    with pytest.raises(TypeError, match=r"anything takes any settings \(\*\*\). Name each one after a \*"):
        Family(anything)
