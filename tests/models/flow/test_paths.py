"""Paths between noise and data, and the readings of one network."""

from typing import get_args

import pytest
import torch

from condgen.models.flow.paths import PATHS, PredictionName, expand_like, preconditioning

T = torch.linspace(0, 1, 11, dtype=torch.float64)


@pytest.mark.parametrize("name", PATHS)
def test_a_path_starts_as_noise_and_ends_as_data(name: str) -> None:
    at = PATHS[name]().at(T)
    ends = torch.stack([at.alpha[[0, -1]], at.sigma[[0, -1]]])
    torch.testing.assert_close(ends, torch.tensor([[0, 1], [1, 0]], dtype=torch.float64), atol=1e-12, rtol=0)


@pytest.mark.parametrize("name", PATHS)
def test_derivatives_are_those_of_the_coefficients(name: str) -> None:
    path, h = PATHS[name](), 1e-6
    before, after, at = path.at(T - h), path.at(T + h), path.at(T)
    torch.testing.assert_close((after.alpha - before.alpha) / (2 * h), at.alpha_dot, atol=1e-8, rtol=0)
    torch.testing.assert_close((after.sigma - before.sigma) / (2 * h), at.sigma_dot, atol=1e-8, rtol=0)


def test_the_variance_preserving_path_preserves_variance() -> None:
    torch.testing.assert_close(PATHS["vp"]().at(T).variance, torch.ones_like(T))


@pytest.mark.parametrize("name", PATHS)
def test_a_velocity_points_to_its_data(name: str) -> None:
    path, at = PATHS[name](), PATHS[name]().at(T)
    x, noise = torch.randn(2, 11, 3, dtype=torch.float64)
    x_t = expand_like(at.alpha, x) * x + expand_like(at.sigma, x) * noise
    velocity = expand_like(at.alpha_dot, x) * x + expand_like(at.sigma_dot, x) * noise
    torch.testing.assert_close(path.data(x_t, velocity, T), x)


@pytest.mark.parametrize("predict", get_args(PredictionName))
@pytest.mark.parametrize("name", PATHS)
def test_every_quantity_is_read_from_the_same_output(name: str, predict: PredictionName) -> None:
    """What the network should say is (σ x − α ε)/√(α² + σ²) for all; skip and out turn it into the quantity."""
    at = PATHS[name]().at(T)
    x, noise = torch.randn(2, 11, 3, dtype=torch.float64)
    a, b = (expand_like(part, x) for part in at.target(predict))
    alpha, sigma, variance = (expand_like(part, x) for part in (at.alpha, at.sigma, at.variance))
    output = (sigma * x - alpha * noise) / variance.sqrt()
    skip, out = (expand_like(part, x) for part in preconditioning(at, predict))
    torch.testing.assert_close(skip * (alpha * x + sigma * noise) + out * output, a * x + b * noise)


@pytest.mark.parametrize("predict", get_args(PredictionName))
def test_the_skip_is_the_best_linear_guess(predict: PredictionName) -> None:
    """What it leaves is uncorrelated with x_t, for data and noise of unit variance."""
    at = PATHS["linear"]().at(T)
    (a, b), (skip, _) = at.target(predict), preconditioning(at, predict)
    covariance = (a - skip * at.alpha) * at.alpha + (b - skip * at.sigma) * at.sigma
    torch.testing.assert_close(covariance, torch.zeros_like(T), atol=1e-12, rtol=0)


def test_the_prediction_decides_how_the_loss_weighs_times() -> None:
    at = PATHS["linear"]().at(T)
    weights = {name: preconditioning(at, name).out.square() for name in get_args(PredictionName)}
    assert weights["data"].diff().max() < 0  # telling the data is hardest from noise
    assert weights["noise"].diff().min() > 0
    torch.testing.assert_close(weights["velocity"], 1 / at.variance)
