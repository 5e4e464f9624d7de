"""Every family that knows free attributes learns from rows that lack some labels or all."""

from copy import deepcopy

import pytest
import torch

from condgen.models import FAMILIES, Model, build
from condgen.models.protocols import Discovers
from condgen.parameters import keyword_arguments
from condgen.schema import Condition, Schema

SMALL = {"channels": 8, "depth": 1, "latent": 4, "width": 16, "embedding": 8}


def small(name: str, schema: Schema) -> Model:
    known = keyword_arguments(FAMILIES[name].builder)
    return build(name, schema, (2,), **{k: v for k, v in SMALL.items() if k in known})


def some_missing(schema: Schema, n: int = 16) -> Condition:
    """Rows with all labels, with one, and with none; what stands where a label is missing is no valid code."""
    rows = [{"color": "red", "glasses": "yes", "age": 30}, {"glasses": "no"}, {}, {"color": "blue", "age": 70}]
    condition = Condition.of(schema, rows * (n // 4))
    values = {name: codes.where(condition.given(name), torch.nan) for name, codes in condition.values.items()}
    return Condition(schema, values, condition.present)


KNOWING = sorted(
    name
    for name in FAMILIES
    if "embedding" in keyword_arguments(FAMILIES[name].builder) or name in ("vae", "gan", "autoencoder", "infogan")
)


@pytest.mark.parametrize("name", KNOWING)
def test_every_family_learns_from_rows_that_lack_labels(name: str, people: Schema) -> None:
    model = small(name, people)
    assert model.handles_missing or isinstance(model, Discovers)
    x, condition = torch.randn(16, 2), some_missing(people)
    for player, parameters in model.players().items():
        loss = model(x, condition, player)["loss"]
        grads = torch.autograd.grad(loss, parameters, allow_unused=True)
        assert loss.isfinite()
        assert all(g.isfinite().all() for g in grads if g is not None)
        assert any(g is not None and g.abs().sum() > 0 for g in grads)


@pytest.mark.parametrize("name", ["cvae", "flow", "cgan", "acgan", "projection"])
def test_what_stands_where_a_label_is_missing_does_not_matter(name: str, people: Schema) -> None:
    model = small(name, people)
    x, condition = torch.randn(16, 2), some_missing(people)
    other = Condition(people, {n: v.nan_to_num(1.0) for n, v in condition.values.items()}, condition.present)
    for player in model.players():
        losses = []
        for each in (condition, other):
            torch.manual_seed(0)
            losses.append(deepcopy(model)(x, each, player)["loss"])  # a copy: training changes what a model counts
        assert losses[0].equal(losses[1])
