"""Images in both forms, in both libraries."""

import numpy as np
import pytest
import torch

from condgen.pixels import as_float, as_uint8

LEVELS = np.arange(256, dtype=np.uint8).reshape(1, 1, 16, 16)


def test_every_level_comes_back_in_both_libraries() -> None:
    floats = as_float(torch.from_numpy(LEVELS))
    assert floats.equal(torch.from_numpy(as_float(LEVELS)))
    assert np.array_equal(as_uint8(floats), LEVELS)
    assert np.array_equal(as_uint8(as_float(LEVELS)), LEVELS)


@pytest.mark.parametrize("of", [np.asarray, torch.from_numpy], ids=["numpy", "torch"])
def test_levels_are_the_nearest_and_within_range(of: object) -> None:
    x = np.array([-0.1, 0.4 / 255, 0.6 / 255, 254.6 / 255, 1.1, np.nan, np.inf], np.float32)
    assert as_uint8(of(x)).tolist() == [0, 0, 1, 255, 255, 0, 255]  # type: ignore[operator]


def test_vectors_stay_as_they_are() -> None:
    x = torch.randn(3, 2)
    assert as_float(x) is x
    assert np.array_equal(as_float(x.numpy()), x)
