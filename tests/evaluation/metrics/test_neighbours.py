import pytest
import torch
from torch import Tensor

from condgen.evaluation.metrics.neighbours import covered, nearest, overlap

FAR = 1e3


def distance(a: Tensor, b: Tensor) -> float:
    return float((a - b).square().sum().sqrt())


def balls(points: Tensor, manifold: Tensor, k: int) -> list[int]:
    """In how many balls of the manifold each point lies, one by one."""
    sizes = [sorted(distance(a, b) for j, b in enumerate(manifold) if j != i)[k - 1] for i, a in enumerate(manifold)]
    return [sum(distance(p, m) <= size for m, size in zip(manifold, sizes, strict=True)) for p in points]


@pytest.mark.parametrize(("k", "density"), [(1, 2), (3, 5), (5, 3)])
def test_overlaps_are_what_a_loop_finds(k: int, density: int) -> None:
    real, made = torch.randn(40, 3), 1.3 * torch.randn(30, 3) + 0.5
    found = overlap(made, real, k, density)
    precise = [n > 0 for n in balls(made, real, k)]
    assert 0 < sum(precise) < 30
    assert found.precise.tolist() == covered(made, real, k).tolist() == precise
    assert found.recalled.tolist() == [n > 0 for n in balls(real, made, k)]
    assert found.balls.tolist() == balls(made, real, density)
    sizes = [sorted(distance(a, b) for j, b in enumerate(real) if j != i)[density - 1] for i, a in enumerate(real)]
    assert found.covered.tolist() == [
        min(distance(r, m) for m in made) <= size for r, size in zip(real, sizes, strict=True)
    ]


@pytest.mark.parametrize("batch", [1, 7, 30, 40, 41])
def test_batches_do_not_change_what_is_found(batch: int) -> None:
    real, made = torch.randn(40, 3), 1.3 * torch.randn(30, 3) + 0.5
    whole, parts = overlap(made, real), overlap(made, real, batch=batch)
    assert all(torch.equal(getattr(whole, name), value) for name, value in vars(parts).items())
    assert torch.equal(covered(made, real, 3), covered(made, real, 3, batch))


def test_the_nearest_neighbours_of_a_point_do_not_count_itself() -> None:
    points = torch.tensor([[0.0], [1.0], [3.0], [7.0]])
    torch.testing.assert_close(nearest(points, 2), torch.tensor([[1.0, 3.0], [1.0, 2.0], [2.0, 3.0], [4.0, 6.0]]))


@pytest.mark.parametrize("offset", [0.0, FAR])
def test_twins_are_at_distance_zero_wherever_they_lie(offset: float) -> None:
    few = torch.randn(20, 60) + offset  # wide enough for distances by matrix product, which rounds
    found = overlap(few.repeat(5, 1), few.repeat(5, 1).flip(0), density=4)
    assert found.balls.tolist() == [5] * 100  # balls of no size, around each of its twins
    assert all(bool(each.all()) for each in (found.precise, found.recalled, found.covered))


def test_neither_a_shift_nor_a_scale_of_everything_changes_what_is_found() -> None:
    real, made = torch.randn(100, 30).double(), 1.2 * torch.randn(100, 30).double()
    here, there = overlap(made, real), overlap(1e-3 * made + 5, 1e-3 * real + 5)
    assert 0 < here.precise.sum() < 100
    assert all(torch.equal(getattr(here, name), value) for name, value in vars(there).items())
