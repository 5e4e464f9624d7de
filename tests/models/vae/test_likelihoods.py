import math

import pytest
import torch
from torch import Tensor
from torch.distributions import Bernoulli as TorchBernoulli
from torch.distributions import Normal

from condgen.models.vae.likelihoods import LIKELIHOODS, Bernoulli, DiscretisedLogistic, Gaussian, Laplace, Likelihood
from condgen.rng import Rng

SHAPE = (3, 4, 5)
LEVELS = torch.arange(256) / 255


def raw_for(likelihood: Likelihood, n: int, shape: tuple[int, ...] = SHAPE) -> Tensor:
    return torch.randn(n, shape[0] * likelihood.per_value, *shape[1:])


def grey(n: int, shape: tuple[int, ...] = SHAPE) -> Tensor:
    return torch.randint(0, 256, (n, *shape)) / 255


@pytest.fixture(params=LIKELIHOODS)
def likelihood(request: pytest.FixtureRequest) -> Likelihood:
    return LIKELIHOODS[request.param](SHAPE)


def test_bernoulli_is_the_log_probability_of_a_binary_image() -> None:
    x, raw = grey(6).round(), raw_for(Bernoulli(SHAPE), 6)
    expected = TorchBernoulli(logits=raw).log_prob(x).sum((1, 2, 3))
    torch.testing.assert_close(Bernoulli(SHAPE).log_prob(x, raw), expected)


def test_gaussian_is_the_log_density_with_one_learned_variance_a_channel() -> None:
    likelihood = Gaussian(SHAPE)
    with torch.no_grad():
        likelihood.log_variance[:, 0, 0] = torch.tensor([-4.0, -3.5, -5.0])  # the middle of the bounds: hardly bent
    x, raw = grey(6), raw_for(likelihood, 6)
    scale = torch.tensor([-4.0, -3.5, -5.0]).div(2).exp()[:, None, None]
    expected = Normal(raw, scale).log_prob(x).sum((1, 2, 3))
    torch.testing.assert_close(likelihood.log_prob(x, raw), expected, rtol=2e-3, atol=1.0)


def test_laplace_is_the_log_density_with_one_learned_scale_a_channel() -> None:
    likelihood = Laplace(SHAPE)
    scales = torch.tensor([-2.0, -1.5, -2.5])  # the middle of the bounds: hardly bent
    with torch.no_grad():
        likelihood.log_scale[:, 0, 0] = scales
    x, raw = grey(6), raw_for(likelihood, 6)
    expected = torch.distributions.Laplace(raw, scales.exp()[:, None, None]).log_prob(x).sum((1, 2, 3))
    torch.testing.assert_close(likelihood.log_prob(x, raw), expected, rtol=5e-2, atol=3.0)


def test_gaussian_learns_the_variance_of_its_errors() -> None:
    likelihood = Gaussian((2,))
    x = torch.randn(5000, 2) * torch.tensor([0.1, 2.0])
    optimiser = torch.optim.Adam(likelihood.parameters(), lr=0.1, betas=(0.9, 0.9))
    for _ in range(150):
        optimiser.zero_grad()
        (-likelihood.log_prob(x, torch.zeros_like(x)).mean()).backward()
        optimiser.step()
    draws = likelihood.draw(torch.zeros(5000, 2), Rng(range(5000)))
    torch.testing.assert_close(draws.std(0), torch.tensor([0.1, 2.0]), rtol=0.05, atol=0)


@pytest.mark.parametrize("centre", [-2.0, 0.0, 0.3, 0.5, 1.0, 3.0])
@pytest.mark.parametrize("log_scale", [-12.0, -6.0, -3.0, 0.0, 3.0])
def test_logistic_probabilities_of_all_levels_sum_to_one(centre: float, log_scale: float) -> None:
    x = LEVELS[:, None]
    raw = torch.tensor([centre - 0.5, log_scale + 2]).expand(256, 2)
    total = DiscretisedLogistic((1,)).log_prob(x, raw).double().exp().sum().item()
    assert total == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("centre", [-0.5, 0.0, 0.3, 1.0])
@pytest.mark.parametrize("log_scale", [-5.0, -3.0, -1.0])
def test_logistic_is_the_difference_of_its_distribution_function(centre: float, log_scale: float) -> None:
    likelihood = DiscretisedLogistic((1,))
    raw = torch.tensor([centre - 0.5, log_scale + 2]).expand(256, 2)
    edges = torch.cat([torch.tensor([-math.inf]), (torch.arange(255) + 0.5) / 255, torch.tensor([math.inf])]).double()
    scale = likelihood._mean_and_log_scale(raw)[1][0, 0].exp().double()
    assert scale.log().item() == pytest.approx(log_scale, abs=0.1)
    distribution = 1 / (1 + ((centre - edges) / scale).exp())
    expected = distribution.diff()
    found = likelihood.log_prob(LEVELS[:, None], raw).exp().double()
    torch.testing.assert_close(found, expected, rtol=2e-3, atol=1e-7)


@pytest.mark.parametrize("value", [1e3, -1e3, 1e8, -1e8])
def test_huge_raw_outputs_stay_finite(likelihood: Likelihood, value: float) -> None:
    # guards against an unbounded log-variance
    raw = torch.full_like(raw_for(likelihood, 2), value, requires_grad=True)
    score = likelihood.log_prob(grey(2), raw)
    score.sum().backward()
    assert score.isfinite().all()
    assert raw.grad is not None
    assert raw.grad.isfinite().all()
    assert likelihood.mean(raw).isfinite().all()
    assert likelihood.draw(raw, Rng([1, 2])).isfinite().all()


def test_an_image_of_twice_the_size_has_twice_the_nats(likelihood: Likelihood) -> None:
    # guards against a mean over values, with which β would depend on the size of images
    x, raw = grey(4), raw_for(likelihood, 4)
    once = likelihood.log_prob(x, raw)
    torch.testing.assert_close(likelihood.log_prob(torch.cat([x, x], 3), torch.cat([raw, raw], 3)), 2 * once)


def test_each_observation_is_scored_alone(likelihood: Likelihood) -> None:
    x, raw = grey(4), raw_for(likelihood, 4)
    alone = torch.cat([likelihood.log_prob(x[i : i + 1], raw[i : i + 1]) for i in range(4)])
    torch.testing.assert_close(likelihood.log_prob(x, raw), alone)


@pytest.mark.parametrize("centre", [-1.5, 0.0, 0.2, 1.0])
def test_the_mean_is_what_draws_average_to(likelihood: Likelihood, centre: float) -> None:
    n = 20_000
    pixel = type(likelihood)((1,))
    raw = torch.tensor([centre, 1.0])[: pixel.per_value].expand(n, -1)
    draws = pixel.draw(raw, Rng(range(n)))
    error = 5 * draws.std().item() / n**0.5 + 1e-4
    assert pixel.mean(raw)[0, 0].item() == pytest.approx(draws.mean().item(), abs=error)


def test_the_score_prefers_the_mean_over_its_negative(likelihood: Likelihood) -> None:
    raw = raw_for(likelihood, 50)
    x = likelihood.mean(raw)
    assert (likelihood.log_prob(x, raw) > likelihood.log_prob(1 - x, raw)).float().mean() > 0.95


def test_draws_have_the_image_shape_and_follow_their_seeds(likelihood: Likelihood) -> None:
    raw = raw_for(likelihood, 3)
    draws = likelihood.draw(raw, Rng([5, 6, 7]))
    assert draws.shape == (3, *SHAPE)
    torch.testing.assert_close(likelihood.draw(raw[1:], Rng([6, 7])), draws[1:])
    assert not torch.equal(likelihood.draw(raw, Rng([8, 9, 10])), draws)


@pytest.mark.parametrize("name", ["bernoulli", "logistic"])
def test_images_stay_within_grey_levels(name: str) -> None:
    likelihood = LIKELIHOODS[name](SHAPE)
    raw = 5 * raw_for(likelihood, 20)
    for image in (likelihood.mean(raw), likelihood.draw(raw, Rng(range(20)))):
        assert image.min() >= 0
        assert image.max() <= 1


def test_logistic_draws_are_grey_levels() -> None:
    likelihood = DiscretisedLogistic(SHAPE)
    levels = likelihood.draw(raw_for(likelihood, 20), Rng(range(20))) * 255
    torch.testing.assert_close(levels, levels.round(), atol=1e-4, rtol=0)
