import math

import pytest
import torch
from torch import Tensor

from condgen.evaluation.metrics.estimate import Estimate, bootstrap, errors_apart, linearised, mean, share, wilson


def hits(count: int, n: int) -> Tensor:
    return torch.arange(n) < count


def half(estimate: Estimate) -> float:
    return (estimate.high - estimate.low) / 2


def test_an_estimate_shows_its_interval() -> None:
    assert str(Estimate(0.5, 0.401234, 0.6)) == "0.5 [0.4012, 0.6]"


@pytest.mark.parametrize(
    ("count", "n", "low", "high"),
    [(0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (81, 263, 0.2553, 0.3662), (1, 29, 0.0061, 0.1718)],
)
def test_the_interval_of_a_share_is_wilsons(count: int, n: int, low: float, high: float) -> None:
    # The last two are the examples of Newcombe 1998, table I; the first two follow from z² / (n + z²).
    found = share(hits(count, n))
    assert found.value == pytest.approx(count / n)
    assert (found.low, found.high) == pytest.approx((low, high), abs=6e-5)


@pytest.mark.parametrize("n", [1, 4, 10, 29, 300])
def test_a_share_is_within_its_interval(n: int) -> None:
    for p in torch.linspace(0, 1, 41, dtype=torch.double).tolist():
        found = wilson(p, n)
        assert found.low <= p <= found.high


def test_a_share_of_nothing_is_unknown_and_could_be_anything() -> None:
    found = share(hits(0, 0))
    assert math.isnan(found.value)
    assert (found.low, found.high) == (0, 1)


def test_a_mean_of_nothing_is_unknown() -> None:
    found = mean(torch.zeros(0))
    assert math.isnan(found.value)
    assert (found.low, found.high) == (-math.inf, math.inf)


@pytest.mark.parametrize("n", [50, 2_000])
def test_the_interval_of_a_mean_is_that_of_its_standard_error(n: int) -> None:
    values = 3 + 2 * torch.randn(n)
    found = mean(values)
    assert found.value == pytest.approx(float(values.mean()), rel=1e-5)
    assert half(found) == pytest.approx(1.96 * float(values.std()) / n**0.5, rel=0.2)
    assert found.value - found.low == pytest.approx(found.high - found.value)


def test_a_bootstrap_repeats_exactly_and_leaves_the_global_stream_alone() -> None:
    values = torch.randn(40)
    torch.manual_seed(3)
    first = mean(values)
    after = torch.rand(2)
    torch.manual_seed(3)
    assert torch.equal(torch.rand(2), after)
    assert mean(values) == first
    assert mean(values, seed=1) != first


def test_the_value_lies_in_its_bootstrap_interval_though_every_replicate_is_above_it() -> None:
    def repeats(index: Tensor) -> float:
        return float(len(index) - len(index.unique()))

    found = bootstrap(repeats, 100)
    assert found.value == 0
    assert found.low < 0 < found.high


def test_linearising_a_mean_is_its_standard_error_and_agrees_with_the_bootstrap() -> None:
    values = torch.randn(800).exp()
    found = linearised(float(values.mean()), values)
    assert half(found) == pytest.approx(1.96 * float(values.double().std()) / 800**0.5, rel=1e-4)
    assert half(found) == pytest.approx(half(mean(values)), rel=0.15)


def test_the_variances_of_independent_samples_add() -> None:
    a, b = torch.randn(300), 3 * torch.randn(100)
    both = linearised(0.0, a, b)
    assert half(both) ** 2 == pytest.approx(half(linearised(0.0, a)) ** 2 + half(linearised(0.0, b)) ** 2)
    assert half(linearised(0.0, a, more=1.0)) ** 2 == pytest.approx(half(linearised(0.0, a)) ** 2 + 1.96**2, rel=1e-4)


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    """The variance of exponential draws is 1; its derivative in the weight of x is (x − mean)²."""
    held = []
    for _ in range(400):
        x = torch.rand(400).log().neg()
        squares = (x - x.mean()).square()
        found = linearised(float(squares.mean()), squares)
        held.append(found.low <= 1 <= found.high)
    assert 0.87 <= sum(held) / 400 <= 0.99


def test_shares_are_apart_by_the_errors_of_both() -> None:
    a, b = share(hits(450, 500)), share(hits(475, 500))
    expected = (0.95 - 0.90) / (0.9 * 0.1 / 500 + 0.95 * 0.05 / 500) ** 0.5  # of the normal approximation
    assert errors_apart(a, b) == errors_apart(b, a) == pytest.approx(expected, rel=0.1)
    assert errors_apart(a, a) == 0
    assert errors_apart(Estimate(0.5, 0.5, 0.5), Estimate(0.6, 0.6, 0.6)) == math.inf
    assert errors_apart(a, Estimate(0.95, 0.95, 0.95)) > errors_apart(a, b)  # an exact share has no error of its own
