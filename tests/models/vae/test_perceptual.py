from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate

from condgen.conditioning import PlainEncoder
from condgen.errors import RequestError
from condgen.models import VAE, build
from condgen.models.frozen import feature_maps
from condgen.models.vae.perceptual import PatchCritic, PerceptualLoss, log_likelihoods
from condgen.models.vae.priors import ConditionalFlow
from condgen.schema import Condition, Flag, Schema

SHAPE = (3, 48, 48)
SCHEMA = Schema(attributes=(Flag(name="glasses"),))


def realism(
    features: float = 0.0, adversarial: float = 0.0, after: int = 0, shape: tuple[int, int, int] = SHAPE
) -> PerceptualLoss:
    torch.manual_seed(0)
    return PerceptualLoss(PatchCritic(shape, 8, depth=1), features, adversarial, after)


def images(n: int = 6) -> Tensor:
    return torch.rand(n, *SHAPE)


def model(**arguments: Any) -> VAE:
    built = build("cvae", SCHEMA, SHAPE, channels=8, latent=4, likelihood="laplace", **arguments)
    assert isinstance(built, VAE)
    return built


def batch(n: int = 8) -> tuple[Tensor, Condition]:
    return images(n), Condition.of(SCHEMA, [{"glasses": k % 2} for k in range(n)])


@pytest.mark.parametrize("adversarial", [0.25, 2.0])
def test_the_gradient_of_fooling_is_the_asked_share_of_the_rest(adversarial: float) -> None:
    x, y = images(), images().requires_grad_()
    error = 3 * (x - y).abs().mean()
    (rest,) = torch.autograd.grad(error, y, retain_graph=True)
    (all_of_it,) = torch.autograd.grad(error + realism(adversarial=adversarial)(x, y, error)["loss"], y)
    torch.testing.assert_close((all_of_it - rest).norm(), adversarial * rest.norm(), rtol=1e-3, atol=0.0)


def test_the_share_counts_the_features_among_the_rest() -> None:
    x, y = images(), images().requires_grad_()
    error = (x - y).abs().mean()
    without, with_both = realism(features=2.0), realism(features=2.0, adversarial=0.5)
    (rest,) = torch.autograd.grad(error + without(x, y, error)["loss"], y, retain_graph=True)
    (all_of_it,) = torch.autograd.grad(error + with_both(x, y, error)["loss"], y)
    torch.testing.assert_close((all_of_it - rest).norm(), 0.5 * rest.norm(), rtol=1e-3, atol=0.0)


@pytest.mark.parametrize("size", [1e-2, 1.0, 1e2])
def test_nothing_is_gained_by_small_features(size: float) -> None:
    real, fake = torch.randn(2, 4, 3, 3), torch.randn(2, 4, 3, 3)
    torch.testing.assert_close(
        log_likelihoods([size * real], [size * fake]), log_likelihoods([real], [fake]), rtol=1e-3, atol=1e-3
    )


def test_the_critic_waits_and_then_learns_before_it_acts() -> None:
    one, x = realism(adversarial=1.0, after=100), images(10)
    states = []
    for _ in range(10):
        states.append((one.learns, one.acts))
        (one.critic_loss(x, x) if one.learns else one.idle(x))
    assert states[:9] == [(False, False)] * 9
    assert states[9] == (True, False)
    assert one.acts


def test_a_critic_that_nobody_asks_yet_is_not_computed() -> None:
    loss, x = realism(adversarial=0.5, after=100), images()
    asked = []
    loss.critic.register_forward_hook(lambda *_: asked.append(True))
    y = images().requires_grad_()
    loss(x, y, (x - y).abs().mean())
    assert not asked
    loss.images = 100
    loss(x, y, (x - y).abs().mean())
    assert asked


def test_images_are_counted_in_training_only_and_kept_in_checkpoints() -> None:
    one = realism(adversarial=1.0)
    one.idle(images(5))
    one.eval().idle(images(5))
    again = realism(adversarial=1.0)
    again.load_state_dict(one.state_dict())
    assert again.images == 5


def test_players_share_nothing_and_leave_nothing_out() -> None:
    vae = model(perceptual=1.0, adversarial=0.5)
    ours, critics = ({id(p) for p in players} for players in vae.players().values())
    assert not ours & critics
    assert ours | critics == {id(p) for p in vae.parameters()}
    assert list(model().players()) == ["model"]


def test_a_critic_that_nobody_has_to_fool_keeps_its_weights() -> None:
    vae = model(perceptual=1.0)
    assert vae.realism is not None
    critic = list(vae.realism.parameters())
    assert list(vae.players()) == ["model"]
    assert not {id(p) for p in vae.players()["model"]} & {id(p) for p in critic}
    vae(*batch())["loss"].backward()
    assert all(p.grad is None for p in critic)


@pytest.mark.parametrize("player", ["model", "critic"])
def test_each_player_has_gradients_of_its_own_loss(player: str) -> None:
    vae = model(perceptual=1.0, adversarial=0.5)
    for p in vae.parameters():
        torch.nn.init.normal_(p, std=0.1)
    terms = vae(*batch(), player)
    gradients = torch.autograd.grad(terms["loss"], vae.players()[player])
    # but the scores' biases: inside the margins of the hinge loss, real and reconstructed patches pull them equally
    assert sum(not gradient.any() for gradient in gradients) <= (2 if player == "critic" else 0)


def test_a_critic_learns_to_tell_sharp_patches_from_blurred_ones() -> None:
    one = realism(adversarial=1.0)
    optimiser = torch.optim.Adam(one.critic.parameters(), lr=3e-3)
    for _ in range(80):
        x = images(16)
        terms = one.critic_loss(x, interpolate(avg_pool2d(x, 2), scale_factor=2.0))
        optimiser.zero_grad()
        terms["loss"].backward()
        optimiser.step()
    assert terms["wins"] > 0.95


def test_images_too_odd_for_two_resolutions_get_one() -> None:
    seen = PatchCritic((1, 28, 28), 8)(torch.rand(2, 1, 28, 28))
    assert [tuple(s.shape) for s in seen.scores] == [(2, 1, 7, 7)]


def test_vectors_have_no_patches() -> None:
    with pytest.raises(RequestError, match="for images"):
        build("cvae", SCHEMA, (3,), channels=8, latent=2, perceptual=1.0)


def test_a_flow_prior_looks_at_every_latent_as_often_as_asked() -> None:
    prior = ConditionalFlow(3, 1, hidden=8, depth=1, draws=5)
    seen = []
    prior.transport.network.register_forward_hook(lambda network, inputs, output: seen.append(inputs[0].detach()))
    prior.extra_loss(torch.randn(4, 3), PlainEncoder(SCHEMA)(batch(4)[1]))
    assert seen[0].shape == (20, 3)
    assert len(seen[0].unique(dim=0)) == 20


def test_features_of_a_frozen_network_can_be_reconstructed_instead() -> None:
    x, y = images(), images()
    frozen = PerceptualLoss(PatchCritic(SHAPE, 8, depth=1), 2.0, 0.0, 0, "random")
    terms = frozen(x, y, (x - y).abs().mean())
    torch.testing.assert_close(terms["features"], log_likelihoods(feature_maps("random", x), feature_maps("random", y)))
    torch.testing.assert_close(terms["loss"], 2 * terms["features"])
    names = [[each.name for each in one.trained_against] for one in (frozen, realism(features=2.0))]
    assert names == [["its own critic of patches", "its own random features"], ["its own critic of patches"]]


def test_a_model_takes_the_network_of_its_features_by_name() -> None:
    built = model(perceptual=1.0, perceptual_features="random")
    assert built.realism is not None
    assert built.realism.frozen == "random"
    with pytest.raises(RequestError, match="perceptual_features"):
        model(perceptual_features="random")
