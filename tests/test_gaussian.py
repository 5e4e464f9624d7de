import math

import pytest
import torch
from torch.distributions import Normal, kl_divergence

from condgen.gaussian import DiagonalGaussian, soft_clamp, standard_normal_like

BOUNDS = [(-12.0, 3.0), (-6.0, 6.0), (0.0, 1.0), (-8.0, 2.0)]


def some(batch: int = 50, spread: float = 1.0) -> DiagonalGaussian:
    return DiagonalGaussian(spread * torch.randn(batch, 3), spread * torch.randn(batch, 3))


def reference(g: DiagonalGaussian) -> Normal:
    return Normal(g.mean, (g.log_variance / 2).exp())


def test_log_prob_is_the_density_in_nats_summed_over_dimensions() -> None:
    g, z = some(), torch.randn(50, 3)
    torch.testing.assert_close(g.log_prob(z), reference(g).log_prob(z).sum(1), rtol=1e-4, atol=1e-4)


def test_kl_is_the_closed_form_between_any_two_gaussians() -> None:
    q, p = some(), some()
    torch.testing.assert_close(q.kl(p), kl_divergence(reference(q), reference(p)), rtol=1e-4, atol=1e-4)


def test_kl_to_the_standard_normal_has_the_papers_sign() -> None:
    q = some()
    paper = -0.5 * (1 + q.log_variance - q.mean**2 - q.log_variance.exp())  # Kingma & Welling 2014, appendix B
    torch.testing.assert_close(q.kl(standard_normal_like(q.mean)), paper, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("spread", [1e-7, 1e-5, 1e-4, 1e-3, 1e-2, 1.0, 3.0])
def test_kl_is_never_negative(spread: float) -> None:
    # guards against a KL with the wrong sign, also by rounding near zero
    q = some(10_000, spread)
    narrow = DiagonalGaussian(torch.zeros_like(q.mean), q.log_variance)
    for gaussian in (q, narrow):
        assert gaussian.kl(standard_normal_like(q.mean)).min() >= 0
    torch.testing.assert_close(q.kl(q), torch.zeros_like(q.mean))


def test_standardised_undoes_at() -> None:
    g, noise = some(), torch.randn(50, 3)
    torch.testing.assert_close(g.standardised(g.at(noise)), noise, rtol=1e-4, atol=1e-4)


def test_at_maps_noise_to_the_gaussian() -> None:
    g = DiagonalGaussian(torch.tensor([[1.0, -2.0]]), torch.tensor([[0.0, 2.0]]))
    z = DiagonalGaussian(g.mean.expand(20_000, 2), g.log_variance.expand(20_000, 2)).at(torch.randn(20_000, 2))
    torch.testing.assert_close(z.mean(0), g.mean[0], atol=0.06, rtol=0)
    torch.testing.assert_close(z.std(0), torch.tensor([1, math.e]), atol=0.05, rtol=0)


@pytest.mark.parametrize(("low", "high"), BOUNDS)
def test_soft_clamp_keeps_any_number_within_its_bounds(low: float, high: float) -> None:
    x = torch.cat([torch.linspace(-200, 200, 4001), torch.tensor([-1e30, -1e9, 1e9, 1e30, -math.inf, math.inf])])
    y = soft_clamp(x, low, high)
    assert y.min() >= low - 1e-5
    assert y.max() <= high + 1e-5
    assert (y[:4001].diff() >= -1e-5).all()
    torch.testing.assert_close(y[[-2, -1]], torch.tensor([low, high]), atol=1e-5, rtol=0)


@pytest.mark.parametrize(("low", "high"), BOUNDS)
def test_soft_clamp_has_gradient_beyond_its_bounds(low: float, high: float) -> None:
    x = torch.linspace(low - 15, high + 15, 200, requires_grad=True)
    (gradient,) = torch.autograd.grad(soft_clamp(x, low, high).sum(), x)
    assert (gradient > 0).all()
    assert (gradient <= 1).all()


@pytest.mark.parametrize(("low", "high"), BOUNDS)
def test_soft_clamp_leaves_the_middle_where_it_is(low: float, high: float) -> None:
    middle = (low + high) / 2
    torch.testing.assert_close(soft_clamp(torch.tensor(middle), low, high), torch.tensor(middle), atol=1e-6, rtol=0)


def test_soft_clamp_hardly_bends_what_is_well_inside() -> None:
    x = torch.linspace(-6, -3, 50)
    torch.testing.assert_close(soft_clamp(x, -12.0, 3.0), x, atol=0.01, rtol=0)


@pytest.mark.parametrize("huge", [1e3, -1e3, 1e9, -1e9])
def test_huge_log_variances_stay_finite_once_clamped(huge: float) -> None:
    # guards against an unbounded log-variance, whose KL explodes on unusual data
    raw = torch.full((2, 3), huge, requires_grad=True)
    q = DiagonalGaussian(torch.zeros(2, 3), soft_clamp(raw, -12.0, 3.0))
    kl = q.kl(standard_normal_like(q.mean)).sum()
    kl.backward()
    assert kl < 100
    assert raw.grad is not None
    assert raw.grad.isfinite().all()
