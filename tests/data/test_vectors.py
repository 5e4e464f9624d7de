from pathlib import Path

import numpy as np
import pytest
import torch

from condgen.data import load
from condgen.data.coordinates import Coordinates
from condgen.errors import CondgenError


def written(folder: Path, text: str) -> str:
    path = folder / "points.csv"
    path.write_text(text)
    return str(path)


def points(folder: Path, scale: float = 1.0) -> str:
    rows = [f"{scale * (k % 7 - 3)},{scale * (k % 5 - 2)},{'ab'[k % 2]}" for k in range(100)]
    return written(folder, "\n".join(["x0,x1,side", *rows]))


def test_columns_x0_x1_are_the_coordinates_of_vectors(tmp_path: Path) -> None:
    data = load(points(tmp_path))
    assert data.shape == (2,)
    assert data.schema.names == ["side"]
    whole = torch.cat([data.train.x, data.validation.x, data.test.x])
    assert sorted(whole[:, 0].tolist()) == sorted(float(k % 7 - 3) for k in range(100))
    assert data.notes == ()


def test_vectors_far_from_order_one_are_standardised(tmp_path: Path) -> None:
    data = load(points(tmp_path, scale=100))
    assert data.coordinates is not None
    assert data.coordinates.restore(data.train.floats).std() > 30
    assert 0.5 < data.train.floats.std() < 2


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("x0,side\n1,a\nnan,b\n", ["row 2", "'x0'", "finite"]),
        ("x0,side\n1,a\n,b\n", ["row 2", "'x0'"]),
        ("x1,side\n1,a\n2,b\n", ["no column of numbers"]),
    ],
)
def test_what_is_no_vector_is_named(tmp_path: Path, text: str, parts: list[str]) -> None:
    source = written(tmp_path, text)
    with pytest.raises(CondgenError) as caught:
        load(source)
    for part in parts:
        assert part in str(caught.value)


def test_a_size_is_refused_for_vectors(tmp_path: Path) -> None:
    source = points(tmp_path)
    with pytest.raises(CondgenError, match="vectors"):
        load(source, size=8)


def test_coordinates_convert_arrays_of_either_library_alike() -> None:
    x = torch.randn(50, 2) * torch.tensor([1000.0, 0.01]) + 7
    fitted = Coordinates.fitted(["far", "near"], x)
    assert not fitted.plain
    standard = fitted.standardise(x)
    assert np.array_equal(fitted.standardise(x.numpy()), standard)
    assert np.array_equal(fitted.restore(standard.numpy()), fitted.restore(standard))
