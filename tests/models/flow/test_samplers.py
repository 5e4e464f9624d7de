"""Samplers against a flow that is known: from a standard normal to another Gaussian."""

import pytest
import torch
from torch import Tensor

from condgen.errors import RequestError
from condgen.models.flow import samplers
from condgen.models.flow.density import directions, log_density
from condgen.models.flow.paths import PATHS, Path, expand_like
from condgen.models.flow.samplers import SAMPLERS, Velocity, dormand_prince, euler, heun

MEAN, SCALE = torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64), 0.3
NOISE = torch.randn(6, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
WANTED = MEAN + SCALE * NOISE  # a Gaussian's flow is linear: it keeps every point's place within the distribution


def known(path: Path) -> Velocity:
    """E[α̇ x + σ̇ ε | x_t] for x ~ N(MEAN, SCALE² I)."""

    def velocity(x_t: Tensor, t: Tensor) -> Tensor:
        alpha, sigma, alpha_dot, sigma_dot = (expand_like(part, x_t) for part in path.at(t))
        variance = (alpha * SCALE).square() + sigma.square()
        beyond = (x_t - alpha * MEAN) / variance
        return alpha_dot * (MEAN + alpha * SCALE**2 * beyond) + sigma_dot * sigma * beyond

    return velocity


def exact(path: Path, t: float) -> Tensor:
    """Where the flow is at time t."""
    alpha, sigma, _, _ = path.at(torch.tensor([t], dtype=torch.float64))
    return alpha * MEAN + ((alpha * SCALE).square() + sigma.square()).sqrt() * NOISE


def error(name: str, path: Path, steps: int, start: float = 0.0, end: float = 1.0) -> float:
    found = SAMPLERS[name](known(path), exact(path, start), path, steps, start=start, end=end)
    return float((found - exact(path, end)).abs().max())


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("name", SAMPLERS)
def test_samplers_arrive_where_the_flow_ends(name: str, path: str) -> None:
    assert error(name, PATHS[path](), 200) < {"euler": 0.02}.get(name, 1e-3)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(("name", "order"), [("euler", 1), ("heun", 2), ("dpm", 2)])
def test_half_the_step_leaves_the_error_that_the_order_promises(name: str, order: int, path: str) -> None:
    coarse, fine = (error(name, PATHS[path](), steps, 0.1, 0.9) for steps in (160, 320))
    ratio = coarse / fine
    assert 0.8 * 2**order < ratio < 1.3 * 2**order


@pytest.mark.parametrize("name", ["euler", "heun", "dopri"])
def test_samplers_run_backwards(name: str) -> None:
    path = PATHS["linear"]()
    back = SAMPLERS[name](known(path), WANTED, path, 400, start=1.0, end=0.0)
    torch.testing.assert_close(back, NOISE, atol={"euler": 0.05}.get(name, 5e-3), rtol=0)


def test_dpm_solver_refuses_to_run_backwards() -> None:
    with pytest.raises(ValueError, match="noise to data only"):
        SAMPLERS["dpm"](known(PATHS["linear"]()), WANTED, PATHS["linear"](), 10, start=1.0, end=0.0)


def test_the_evaluations_of_a_step() -> None:
    path, calls = PATHS["linear"](), []

    def counted(x: Tensor, t: Tensor) -> Tensor:
        calls.append(t[0].item())
        return known(path)(x, t)

    for name, evaluations in (("euler", 5), ("heun", 10), ("dpm", 5)):
        calls.clear()
        SAMPLERS[name](counted, NOISE, path, 5)
        assert len(calls) == evaluations, name


def test_an_adaptive_sample_does_not_depend_on_its_neighbours() -> None:
    """The second half of the batch is hard: its velocity oscillates."""
    path = PATHS["linear"]()
    hard = torch.arange(6) >= 3

    def velocity(x: Tensor, t: Tensor) -> Tensor:
        extra = torch.sin(60 * t)[:, None] * 20 * hard[: len(x), None]
        return known(path)(x, t) + extra

    together = dormand_prince(velocity, NOISE, path, 4)
    torch.testing.assert_close(together[:3], dormand_prince(velocity, NOISE[:3], path, 4), atol=0, rtol=0)


def test_adaptive_steps_keep_the_error_within_the_tolerance() -> None:
    path = PATHS["linear"]()
    errors = [
        float((dormand_prince(known(path), NOISE, path, 4, tolerance=t) - WANTED).abs().max()) for t in (1e-3, 1e-7)
    ]
    assert errors[0] < 1e-2
    assert errors[1] < 1e-5


def test_a_flow_that_explodes_is_an_error_not_an_endless_loop() -> None:
    path = PATHS["linear"]()
    with pytest.raises(RuntimeError, match="too stiff"):
        dormand_prince(lambda x, t: torch.full_like(x, torch.nan), NOISE, path, 4)


def test_a_flow_that_takes_too_many_adaptive_steps_is_an_error_that_names_a_way_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(samplers, "MOST_TRIALS", 50)
    with pytest.raises(RequestError, match=r"more than 50 steps.*`sampler='heun'`"):
        dormand_prince(lambda x, t: 1e4 * torch.cos(1e4 * expand_like(t, x)) + 0 * x, NOISE, PATHS["linear"](), 4)


@pytest.mark.parametrize("sampler", [heun, dormand_prince, euler])
def test_the_density_is_that_of_the_gaussian_at_the_flows_end(sampler: object) -> None:
    path, normal = PATHS["linear"](), torch.distributions.Normal(MEAN, SCALE)
    along = directions((3,), 1, None, torch.device("cpu"))
    along = ([u.double() for u in along[0]], along[1])
    found = log_density(known(path), WANTED, path, sampler, 200, along)  # type: ignore[arg-type]
    torch.testing.assert_close(found, normal.log_prob(WANTED).sum(1), atol=0.1 if sampler is euler else 2e-3, rtol=0)


def test_the_divergence_is_estimated_without_bias_in_many_dimensions() -> None:
    generator = torch.Generator().manual_seed(0)
    vectors, factor = directions((40,), 2000, generator, torch.device("cpu"))
    assert len(vectors) == 2000
    matrix = torch.randn(40, 40, generator=generator)
    trace = factor * sum(float(u[0] @ matrix @ u[0]) for u in vectors)
    assert trace == pytest.approx(float(matrix.trace()), abs=4)


def test_the_density_can_be_asked_for_in_inference_mode() -> None:
    path = PATHS["linear"]()
    along = directions((3,), 1, None, torch.device("cpu"))
    along = ([u.double() for u in along[0]], along[1])
    outside = log_density(known(path), WANTED, path, heun, 20, along)
    with torch.inference_mode():
        assert torch.equal(log_density(known(path), WANTED.clone(), path, heun, 20, along), outside)
