from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from condgen.models.gan.losses import LOSSES, gradient_penalty

Side = Callable[[Tensor, Tensor], Tensor]
CRITIC: dict[str, Side] = {
    "nonsaturating": lambda r, f: -r.sigmoid().log() - (1 - f.sigmoid()).log(),
    "hinge": lambda r, f: torch.maximum(1 - r, 0 * r) + torch.maximum(1 + f, 0 * f),
    "wasserstein": lambda r, f: f - r,
    "relativistic": lambda r, f: -(r - f).sigmoid().log(),
}
GENERATOR: dict[str, Side] = {
    "nonsaturating": lambda r, f: -f.sigmoid().log(),
    "hinge": lambda r, f: -f,
    "wasserstein": lambda r, f: -f,
    "relativistic": lambda r, f: -(f - r).sigmoid().log(),
}
every_loss = pytest.mark.parametrize("name", LOSSES)


def scores(n: int = 200) -> tuple[Tensor, Tensor]:
    return 3 * torch.randn(n, dtype=torch.float64), 3 * torch.randn(n, dtype=torch.float64)


def slopes(side: Side, r: Tensor, f: Tensor) -> tuple[Tensor, Tensor]:
    r, f = r.clone().requires_grad_(), f.clone().requires_grad_()
    of_r, of_f = torch.autograd.grad(side(r, f).sum(), (r, f), allow_unused=True)
    return torch.zeros_like(r) if of_r is None else of_r, torch.zeros_like(f) if of_f is None else of_f


@every_loss
def test_both_sides_are_the_published_formulas(name: str) -> None:
    r, f = scores()
    torch.testing.assert_close(LOSSES[name].critic(r, f), CRITIC[name](r, f))
    torch.testing.assert_close(LOSSES[name].generator(r, f), GENERATOR[name](r, f))


@every_loss
def test_the_critics_loss_falls_when_real_scores_rise_or_generated_ones_fall(name: str) -> None:
    of_r, of_f = slopes(LOSSES[name].critic, *scores())
    assert (of_r <= 0).all()
    assert (of_f >= 0).all()
    assert of_r.mean() < -0.1
    assert of_f.mean() > 0.1


@every_loss
def test_the_generators_loss_falls_when_generated_scores_rise(name: str) -> None:
    of_r, of_f = slopes(LOSSES[name].generator, *scores())
    assert (of_f < 0).all()
    assert (of_r >= 0).all()
    assert (name == "relativistic") == bool(of_r.any())


def test_the_hinge_stops_at_its_margins() -> None:
    past, within = torch.tensor([1.5, 9.0]), torch.tensor([0.5, -9.0])
    assert LOSSES["hinge"].critic(past, -past).tolist() == [0, 0]
    torch.testing.assert_close(LOSSES["hinge"].critic(within, -past), 1 - within)
    torch.testing.assert_close(LOSSES["hinge"].critic(past, -within), 1 - within)


def test_the_relativistic_loss_sees_only_differences_within_a_pair() -> None:
    (r, f), constant = scores(), 5 * torch.randn(200, dtype=torch.float64)
    for side in (LOSSES["relativistic"].critic, LOSSES["relativistic"].generator):
        torch.testing.assert_close(side(r + constant, f + constant), side(r, f))
        assert not torch.allclose(side(r + 1, f), side(r, f), atol=1e-3)


@every_loss
@pytest.mark.parametrize("huge", [1e4, -1e4])
def test_scores_far_out_have_finite_losses_and_gradients(name: str, huge: float) -> None:
    r, f = torch.full((3,), huge), torch.full((3,), -huge)
    for side in (LOSSES[name].critic, LOSSES[name].generator):
        assert side(r, f).isfinite().all()
        assert all(slope.isfinite().all() for slope in slopes(side, r, f))


@pytest.mark.parametrize("shape", [(5,), (2, 3, 4)], ids=["vector", "image"])
def test_the_gradient_penalty_of_a_quadratic_form_is_the_analytic_one(shape: tuple[int, ...]) -> None:
    x = torch.randn(7, *shape)
    d = x[0].numel()
    A, b = torch.randn(d, d), torch.randn(d)
    flat = x.flatten(1)

    def score(y: Tensor) -> Tensor:
        v = y.flatten(1)
        return torch.einsum("ni,ij,nj->n", v, A, v) + v @ b

    gradient = flat @ (A + A.T) + b
    torch.testing.assert_close(gradient_penalty(score, x), (gradient**2).sum(1), rtol=1e-4, atol=1e-4)


def test_the_gradient_penalty_of_one_observation_does_not_depend_on_the_others() -> None:
    x = torch.randn(6, 3)
    alone = torch.cat([gradient_penalty(lambda y: y.pow(3).sum(1), x[i : i + 1]) for i in range(6)])
    torch.testing.assert_close(gradient_penalty(lambda y: y.pow(3).sum(1), x), alone)


def test_the_gradient_penalty_trains_the_critic_and_leaves_the_observations_alone() -> None:
    w, x = torch.randn(4, requires_grad=True), torch.randn(6, 4, requires_grad=True)
    gradient_penalty(lambda y: y.square() @ w, x).mean().backward()
    torch.testing.assert_close(w.grad, 8 * x.detach().square().mean(0) * w.detach())
    assert x.grad is None


def test_the_gradient_penalty_is_computed_in_full_precision_whatever_surrounds_it() -> None:
    critic, x = nn.Sequential(nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, 1)), torch.randn(5, 8)
    exact = gradient_penalty(lambda y: critic(y)[:, 0], x)
    with torch.autocast("cpu", torch.bfloat16):
        assert critic(x).dtype == torch.bfloat16
        mixed = gradient_penalty(lambda y: critic(y)[:, 0], x)
        from_half = gradient_penalty(lambda y: critic(y)[:, 0], x.bfloat16())
    assert mixed.dtype == from_half.dtype == torch.float32
    torch.testing.assert_close(mixed, exact, rtol=0, atol=0)
    torch.testing.assert_close(from_half, gradient_penalty(lambda y: critic(y)[:, 0], x.bfloat16().float()))


def test_the_gradient_penalty_works_where_gradients_are_off() -> None:
    with torch.no_grad():
        assert gradient_penalty(lambda y: y.square().sum(1), torch.ones(2, 3)).tolist() == [12, 12]
