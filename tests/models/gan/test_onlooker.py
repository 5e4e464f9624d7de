"""A second critic on features learned elsewhere."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from condgen.data import Splits
from condgen.errors import RequestError
from condgen.feature_networks import NETWORKS
from condgen.models import GAN, build
from condgen.models.gan.onlooker import Onlooker
from condgen.runs.run import Run
from condgen.runs.train import train
from condgen.schema import Condition, Flag, Schema

SHAPE = (3, 16, 16)
SCHEMA = Schema(attributes=(Flag(name="glasses"), Flag(name="young")))
ON: dict[str, Any] = {"onlooker": 1.0, "onlooker_features": "random", "onlooker_from": 0, "onlooker_every": 1}


def model(name: str = "projection", schema: Schema = SCHEMA, **settings: Any) -> GAN:
    torch.manual_seed(0)
    built = build(name, schema, SHAPE, latent=4, channels=8, **ON | settings)
    assert isinstance(built, GAN)
    return built.train()


def batch(n: int = 8) -> tuple[Tensor, Condition]:
    torch.manual_seed(1)
    return torch.rand(n, *SHAPE), Condition.of(SCHEMA, [{"glasses": k % 2, "young": k % 3 == 0} for k in range(n)])


def onlooker_of(one: GAN) -> Onlooker:
    assert one.onlooker is not None
    return one.onlooker


@pytest.mark.parametrize("weight", [0.25, 2.0])
def test_its_gradient_at_images_is_the_asked_share_of_that_of_the_rest(weight: float) -> None:
    one, (x, condition) = onlooker_of(model(onlooker=weight).eval()), batch()
    made = x.requires_grad_()
    rest = 3 * (made - 0.5).square().sum()
    (alone,) = torch.autograd.grad(3 * (made - 0.5).square().sum(), made)
    (both,) = torch.autograd.grad(one.join(rest, made, condition)["loss"], made)
    torch.testing.assert_close((both - alone).norm(), weight * alone.norm(), rtol=1e-3, atol=0.0)


def test_its_gradient_raises_its_scores() -> None:
    one, (x, condition) = onlooker_of(model().eval()), batch()
    one.augment.chance = 0.0
    made = x.requires_grad_()
    rest = 0.0 * made.sum() + 1e-3 * (made**2).sum()
    (alone,) = torch.autograd.grad(rest, made, retain_graph=True)
    (both,) = torch.autograd.grad(one.join(rest, made, condition)["loss"], made)
    better = made.detach() - (both - alone)
    scores = [torch.stack(one(images, condition)).sum() for images in (made.detach(), better)]
    assert scores[1] > scores[0]


def test_its_heads_learn_to_tell_real_from_generated_images_under_their_conditions() -> None:
    one, (x, condition) = onlooker_of(model()), batch(16)
    fake = 0.2 + 0.1 * torch.rand(16, *SHAPE)
    optimiser = torch.optim.Adam(one.parameters(), 1e-2)
    losses = []
    for _ in range(30):
        optimiser.zero_grad()
        loss = one.critic_loss(x, fake, condition)
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.5 * losses[0]
    one.augment.chance = 0.0
    asked = one.eval()(x, condition)[0]
    free = one(x, condition.drop(torch.ones_like(condition.present)))[0]
    assert not torch.allclose(asked, free, atol=1e-3)


def test_it_waits_and_looks_at_every_kth_step_only() -> None:
    one, (x, condition) = model(onlooker_from=40, onlooker_every=2), batch()
    players = ("critic", "generator")
    seen = [tuple("onlooker" in one(x, condition, player) for player in players) for _ in range(8)]
    assert [critic for critic, _ in seen] == [True, False] * 4
    assert [generator for _, generator in seen] == [False] * 5 + [True, False, True]
    assert not any("onlooker" in one.eval()(x, condition, player) for player in ("critic", "generator"))


def test_the_critic_s_step_trains_all_its_parameters_and_mixing_stays() -> None:
    one, (x, condition) = model(), batch()
    players = one.players()
    assert {id(p) for player in players.values() for p in player} == {id(p) for p in one.parameters()}
    one(x, condition, "critic")["loss"].backward(inputs=players["critic"])
    assert all(p.grad is not None and p.grad.isfinite().all() for p in onlooker_of(one).parameters())
    assert "onlooker.mixing0" in one.state_dict()
    assert not any("mixing" in name for name, _ in one.named_parameters())


def test_no_weights_of_the_frozen_network_are_saved() -> None:
    names = {name for name in model().state_dict() if name.startswith("onlooker")}
    assert {name.split(".")[1] for name in names} == {"mixing0", "mixing1", "look", "heads"}


@pytest.mark.parametrize("family", ["gan", "infogan"])
def test_conditions_that_are_no_labels_of_real_images_are_not_judged(family: str) -> None:
    one, (x, condition) = model(family), batch()
    judged = []
    onlooker_of(one).critic_loss = lambda real, fake, c: judged.append(c) or real.new_zeros(())  # type: ignore[method-assign,func-returns-value]
    one(x, condition, "critic")
    assert not judged[0].present.any()


def test_an_unlabelled_gan_has_one_too() -> None:
    one = model("gan", Schema(attributes=()))
    x = batch()[0]
    terms = one(x, Condition.free(one.schema, len(x)), "generator")
    assert terms["loss"].isfinite()


def test_a_run_records_the_network_it_looks_through() -> None:
    both = model(), model(onlooker_features="efficientnet")
    names = [[each.name for each in one.trained_against] for one in both]
    assert names == [["its own critic", "its own random features"], ["its own critic", NETWORKS["efficientnet"].name]]


def test_vectors_have_no_onlooker_and_its_settings_need_it() -> None:
    with pytest.raises(RequestError, match="onlooker of projection is for images"):
        build("projection", SCHEMA, (3,), onlooker=1.0)
    with pytest.raises(RequestError, match="onlooker_every"):
        build("projection", SCHEMA, SHAPE, onlooker_every=4)


def test_a_run_trains_with_one_that_looks_at_some_steps(digits: Splits, tmp_path: Path) -> None:
    run = train(
        "projection",
        digits,
        tmp_path / "run",
        images=16 * 64,
        batch=64,
        channels=4,
        latent=4,
        **ON | {"onlooker_every": 2},
    )
    assert "critic/onlooker" in (run.path / "log.jsonl").read_text()
    assert [each.name for each in run.info.against] == ["its own critic", "its own random features"]
    assert Run.open(run.path).sample("digit=3", n=2).x.isfinite().all()
