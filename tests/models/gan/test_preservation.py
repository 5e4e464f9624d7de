"""The noise of a generator keeps what a change of the condition does not ask for."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from condgen.errors import RequestError
from condgen.models import GAN, build
from condgen.schema import Condition, Flag, Schema

from .test_gan import moved

SCHEMA = Schema(attributes=(Flag(name="bright"), Flag(name="wide")))
SHAPE = (3, 8, 8)


def model(name: str = "projection", shape: tuple[int, ...] = SHAPE, **settings: Any) -> GAN:
    torch.manual_seed(0)
    built = build(name, SCHEMA, shape, latent=4, channels=8, **settings)
    assert isinstance(built, GAN)
    return moved(built).train()


def asked(n: int = 6) -> Condition:
    return Condition.of(SCHEMA, [{"bright": k % 2, "wide": k % 3 == 0} for k in range(n)])


def changed(one: GAN, condition: Condition) -> Tensor:
    torch.manual_seed(1)
    return one.preservation(one.generator, condition)


def test_it_is_the_mean_difference_of_images_of_one_noise_under_conditions_of_the_batch() -> None:
    one, condition = model(preserve=1.0), asked()
    torch.manual_seed(1)
    z = torch.randn(6, 4)
    images = [one.generator(z[k : k + 1], condition[[j]]) for k in range(6) for j in (k, (k + 1) % 6)]
    gaps = [(images[2 * k] - images[2 * k + 1]).abs().mean() for k in range(6)]
    torch.testing.assert_close(changed(one, condition), torch.stack(gaps).mean())


def test_equal_conditions_change_nothing() -> None:
    one = model(preserve=1.0)
    assert changed(one, asked()) > 0.01
    assert changed(one, asked(1)) == 0
    assert changed(one, Condition.of(SCHEMA, [{"bright": 1, "wide": 0}] * 4)) == 0


@pytest.mark.parametrize(
    "more", [{}, {"onlooker": 1.0, "onlooker_features": "random", "onlooker_from": 0, "onlooker_every": 1}]
)
def test_its_gradient_reaches_the_generator_beside_that_of_the_others(more: dict[str, Any]) -> None:
    shape = (3, 16, 16) if more else SHAPE
    plain, one = model(shape=shape, **more), model(shape=shape, preserve=0.5, preserve_every=3, **more)
    x = torch.rand(6, *shape)
    gradients = []
    for each in (plain, one):
        each.steps = 7
        torch.manual_seed(2)
        loss = each.generator_loss(x, asked())["loss"]
        gradients.append(torch.autograd.grad(loss, weight(each), retain_graph=True)[0])
    torch.manual_seed(2)
    plain.generator_loss(x, asked())  # draws what comes before
    alone = one.preservation(one.generator, asked())
    (own,) = torch.autograd.grad(0.5 * 3 * alone, weight(one))
    torch.testing.assert_close(gradients[1], gradients[0] + own, rtol=1e-3, atol=1e-6)


def weight(one: GAN) -> Tensor:
    return next(m for m in one.generator.backbone.modules() if isinstance(m, nn.Linear | nn.Conv2d)).weight


def test_it_is_lazy_and_for_training_alone() -> None:
    one, x = model(preserve=1.0, preserve_every=4), torch.rand(6, *SHAPE)
    due = []
    for one.steps in range(1, 9):  # counted by the critic, who comes first
        due.append("changed" in one.generator_loss(x, asked()))
    assert due == [True, False, False, False] * 2
    one.steps = 1
    assert "changed" not in one.eval().generator_loss(x, asked())
    assert "changed" not in model().generator_loss(x, asked())


def test_descent_on_it_makes_other_conditions_change_less() -> None:
    one = model(preserve=1.0)
    optimiser = torch.optim.Adam(one.generator.parameters(), 1e-2)
    before = changed(one, asked())
    for _ in range(20):
        optimiser.zero_grad()
        one.preservation(one.generator, asked()).backward()
        optimiser.step()
    assert changed(one, asked()) < 0.5 * before


def test_it_is_for_images_and_conditional_generators() -> None:
    with pytest.raises(RequestError, match="preserve"):
        build("projection", SCHEMA, (3,), preserve=1.0)
    for name in ("gan", "infogan"):
        with pytest.raises(RequestError, match="preserve"):
            build(name, SCHEMA, SHAPE, preserve=1.0)
