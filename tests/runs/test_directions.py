"""Directions of the noise: those that change samples most come first, and samples move along them."""

import numpy as np
import pytest
import torch
from torch import Tensor

from condgen.arrays import to_numpy
from condgen.errors import RequestError
from condgen.models import Model
from condgen.rng import Rng
from condgen.runs.directions import directions, moved, noise_size
from condgen.runs.run import Run
from condgen.runs.sampling import Part, SamplingOptions
from condgen.runtime.generator import OnnxGenerator
from condgen.schema import Condition


class Linear(Model):
    """Images x = A z + 0.3, whose directions are the right singular vectors of A."""

    handles_missing = True

    def __init__(self, run: Run, numbers: int = 3):
        super().__init__(run.schema, (1, 8, 8))
        self.matrix = torch.nn.Parameter(torch.randn(64, numbers) * torch.tensor([0.01, 0.05, 0.02])[:numbers] * 0.1)

    def sample(self, condition: Condition, rng: Rng) -> Tensor:
        z = rng.normal(self.matrix.shape[1])
        rng.normal(2)  # later noise is no latent
        return (z @ self.matrix.T).view(-1, 1, 8, 8) + 0.5


@pytest.fixture
def linear(run: Run) -> Run:
    return Run(Linear(run), run.joint, run.info, run.path)


def test_directions_are_the_singular_vectors_of_the_derivative(linear: Run) -> None:
    found = directions(linear, most=2)
    _, s, v = torch.linalg.svd(linear.model.matrix.detach())  # type: ignore[arg-type]
    np.testing.assert_allclose(np.abs(found.vectors @ v.T.numpy()), np.eye(2, 3), atol=1e-3)
    np.testing.assert_allclose(found.shares, (s.square() / s.square().sum())[:2].numpy(), rtol=1e-3)


def test_samples_move_along_a_direction_from_themselves(linear: Run) -> None:
    first = directions(linear, most=1).vectors
    (request,) = linear.requests("digit=3")
    x = moved(linear, [Part(request, range(5, 6))] * 3, np.array([[0.0], [1.0], [2.0]], np.float32) @ first).x
    torch.testing.assert_close(x[:1], linear.sample("digit=3", n=1, seed=5).x)
    step = (linear.model.matrix @ torch.as_tensor(first[0])).view(1, 8, 8).detach()  # type: ignore[operator]
    torch.testing.assert_close(x[1] - x[0], step, atol=1e-5, rtol=0)
    torch.testing.assert_close(x[2] - x[0], 2 * step, atol=1e-5, rtol=0)


def test_a_sample_with_changed_noise_is_not_the_best_of_several(linear: Run) -> None:
    (request,) = linear.requests("digit=3")
    with pytest.raises(RequestError, match="best_of"):
        moved(linear, [Part(request, range(1))], np.zeros((1, 3), np.float32), SamplingOptions(best_of=4))


def test_an_exported_model_has_the_directions_of_its_run(run: Run, exported: OnnxGenerator) -> None:
    ours, theirs = directions(run, most=1), directions(exported, most=1)
    assert noise_size(run) == noise_size(exported) == 4
    np.testing.assert_allclose(to_numpy(ours.vectors), theirs.vectors, atol=0.05)


def test_noise_of_a_whole_image_has_too_many_directions(linear: Run) -> None:
    linear.model = Linear(linear)
    linear.model.matrix = torch.nn.Parameter(torch.randn(64, 129))
    with pytest.raises(RequestError, match="this model has 129"):
        directions(linear)
