"""What a critic is told of an observation's company."""

import pytest
import torch
from torch import Tensor

from condgen.models.gan.builders import projection
from condgen.models.gan.gan import GAN
from condgen.models.gan.minibatch import MinibatchDeviation
from condgen.schema import Categorical, Condition, Schema

SCHEMA = Schema(attributes=(Categorical(name="digit", values=("0", "1", "2")),))


def conditions(codes: list[int]) -> Condition:
    n = len(codes)
    return Condition(SCHEMA, {"digit": torch.tensor(codes).float()}, torch.ones(n, 1, dtype=torch.bool))


def told(module: MinibatchDeviation, h: Tensor, codes: list[int]) -> Tensor:
    return module(h, conditions(codes)) - h


def test_what_differs_between_conditions_is_no_variety() -> None:
    module = MinibatchDeviation(4, group=4)
    codes = [0, 1, 0, 1, 1, 0, 1, 0]
    shown = torch.randn(2, 4)[codes]
    assert told(module, shown, codes).abs().max() < 0.01
    assert told(module, shown, [0, 0, 1, 1, 0, 0, 1, 1]).abs().max() > 0.01


def test_a_group_is_told_alike_and_groups_apart() -> None:
    module = MinibatchDeviation(4, group=4)
    codes = [0, 1, 0, 1, 1, 0, 1, 0]
    found = told(module, torch.randn(8, 4), codes)
    for value in (0, 1):
        mine = found[torch.tensor(codes) == value]
        torch.testing.assert_close(mine, mine[:1].expand(4, 4))
    assert not torch.allclose(found[0], found[1])


@pytest.mark.parametrize("n", [1, 2, 7, 12])
def test_any_batch_has_groups(n: int) -> None:
    module = MinibatchDeviation(3, group=8)
    found = told(module, torch.randn(n, 3), [k % 3 for k in range(n)])
    assert found.shape == (n, 3)
    assert found.isfinite().all()


@pytest.mark.parametrize(("batch", "members"), [(15, 3), (16, 4), (4, 4), (3, 3), (10, 2)])
def test_groups_are_as_large_as_divides_the_batch(batch: int, members: int) -> None:
    module = MinibatchDeviation(3, group=4)
    found = told(module, torch.randn(batch, 3), [0] * batch)
    assert len(found.mul(1e3).round().unique(dim=0)) == batch // members


def test_a_score_depends_on_the_company() -> None:
    model = projection(SCHEMA, (1, 8, 8), channels=4, latent=4, deviation=4)
    assert isinstance(model, GAN)
    x = torch.rand(4, 1, 8, 8, requires_grad=True)
    (gradient,) = torch.autograd.grad(model.critic(x, conditions([0, 0, 0, 0]))[0], x)
    assert gradient[1:].abs().sum() > 0
    alone = projection(SCHEMA, (1, 8, 8), channels=4, latent=4)
    (gradient,) = torch.autograd.grad(alone.critic(x, conditions([0, 0, 0, 0]))[0], x)
    assert gradient[1:].abs().sum() == 0


def test_it_trains() -> None:
    torch.manual_seed(0)
    model = projection(SCHEMA, (1, 8, 8), channels=4, latent=4, deviation=4, r1=0.5, r2=0.5)
    for player in ("critic", "generator"):
        loss = model(torch.rand(6, 1, 8, 8), conditions([0, 1, 2, 0, 1, 2]), player)["loss"]
        loss.backward()
        assert loss.isfinite()
    assert model.critic.deviation is not None
    assert model.critic.deviation.told.weight.grad is not None
