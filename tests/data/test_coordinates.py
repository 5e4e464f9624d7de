"""Coordinates of vectors: when they are standardised, and which of a run's header are refused."""

from typing import Any

import numpy as np
import pytest
import torch

from condgen.data.coordinates import Coordinates
from condgen.errors import DataError

X = torch.randn(400, 2, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("x", "plain"),
    [(X, True), (0.01 * X, False), (50 * X, False), (X + 50, False), (X * torch.tensor([1, 0.01]), False)],
)
def test_numbered_columns_of_order_one_are_left_as_they_are(x: torch.Tensor, plain: bool) -> None:
    assert Coordinates.fitted(["x0", "x1"], x).plain is plain
    assert not Coordinates.fitted(["width", "height"], x).plain


def test_standardised_values_have_their_median_at_zero_and_come_back() -> None:
    x = X * torch.tensor([1_000.0, 0.001]) + torch.tensor([5_000.0, -1.0])
    found = Coordinates.fitted(["width", "height"], x)
    inner = found.standardise(x)
    assert inner.median(0).values.abs().max() < 0.02
    assert 0.8 < inner.std(0).min() < inner.std(0).max() < 1.25
    torch.testing.assert_close(found.restore(inner), x, rtol=1e-5, atol=1e-5)


def test_a_column_of_one_value_keeps_its_unit() -> None:
    assert Coordinates.fitted(["width"], torch.full((9, 1), 7.0)).scale == (1.0,)


@pytest.mark.parametrize("names", [["x0", "x1"], ["rooms", "size"]])
def test_whole_numbers_come_back_whole(names: list[str]) -> None:
    data = torch.stack([torch.arange(9.0) % 3, X[:9, 0]], 1)
    found = Coordinates.fitted(names, data)
    assert found.whole == (True, False)
    moved = found.restore(found.standardise(data + 0.2))
    torch.testing.assert_close(moved, data + torch.tensor([0.0, 0.2]))
    assert np.allclose(found.restore(found.standardise(data + 0.2).numpy()), moved)
    assert Coordinates.read(found.dump(), 2) == found
    assert Coordinates.fitted(names, X).whole == ()


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"names": ["a"]}, "each of 2 needs a name"),
        ({"whole": [True]}, "each of 2 needs a name"),
        ({"center": [0.0, float("inf")]}, "finite"),
        ({"scale": [1.0, 0.0]}, "no scale 0"),
        ({"scale": "wide"}, "cannot be read"),
    ],
)
def test_coordinates_that_give_no_values_are_refused(changes: dict[str, Any], part: str) -> None:
    content = {"names": ["a", "b"], "center": [0.0, 1.0], "scale": [1.0, 2.0], "whole": [True, False]}
    assert Coordinates.read(content, 2).dump() == {name: tuple(value) for name, value in content.items()}
    with pytest.raises(DataError, match=part):
        Coordinates.read(content | changes, 2)
