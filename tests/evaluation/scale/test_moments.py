import math

import pytest
import torch

from condgen.evaluation.metrics.distances import frechet_distance
from condgen.evaluation.scale.moments import Moments, frechet_of_moments


def features(n: int, seed: int, shift: float = 0.0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, 6, generator=generator) @ torch.randn(6, 6, generator=generator) + 100 + shift


def test_merged_moments_are_those_of_the_whole() -> None:
    x = features(1_000, 0)
    whole = Moments.of(x)
    for sizes in ([1, 0, 999], [500, 500], [7] * 142 + [6]):
        merged = Moments.of(x[:0])
        for part in x.split(sizes):
            merged = merged.merged(Moments.of(part))
        assert merged.n == whole.n
        torch.testing.assert_close(merged.mean, whole.mean, rtol=1e-13, atol=0)
        torch.testing.assert_close(merged.scatter, whole.scatter, rtol=1e-10, atol=1e-8)


def test_moments_are_those_of_an_independent_formula() -> None:
    x, moments = features(300, 1), Moments.of(features(300, 1))
    torch.testing.assert_close(moments.scatter / 299, torch.cov(x.double().T))
    torch.testing.assert_close(moments.mean, x.double().mean(0))


def test_the_distance_of_moments_is_that_of_the_sets() -> None:
    a, b = features(400, 2), features(300, 3, shift=0.5)
    parts = Moments.of(a[:100]).merged(Moments.of(a[100:]))
    assert frechet_of_moments(parts, Moments.of(b)) == pytest.approx(frechet_distance(a, b), rel=1e-8)
    assert frechet_of_moments(parts, parts) == pytest.approx(0, abs=1e-8)


def test_there_is_no_distance_to_nothing() -> None:
    a = Moments.of(features(400, 2))
    assert all(math.isnan(frechet_of_moments(a, Moments.of(features(n, 3)))) for n in (0, 1))


def test_moments_are_kept_as_tensors() -> None:
    moments = Moments.of(features(50, 4))
    again = Moments.from_tensors(moments.tensors())
    assert again.n == moments.n
    torch.testing.assert_close(again.scatter, moments.scatter, rtol=0, atol=1e-9)
