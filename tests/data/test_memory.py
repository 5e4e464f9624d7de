"""Data in memory is loaded, split and trained on like data on disk."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import condgen
from condgen.data import SplitConfig, Splits, load
from condgen.errors import RequestError


@pytest.fixture(scope="module")
def arrays() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (200, 8, 8), dtype=np.uint8), rng.integers(0, 3, 200)


def test_arrays_are_split_and_keep_their_pixels(arrays: tuple[np.ndarray, np.ndarray]) -> None:
    x, y = arrays
    data = load(x, labels={"digit": y})
    assert isinstance(data, Splits)
    assert (len(data.train) + len(data.validation) + len(data.test), data.shape) == (200, (1, 8, 8))
    together = np.concatenate([part.x.numpy() for part in (data.train, data.validation, data.test)])
    assert sorted(map(bytes, together)) == sorted(map(bytes, x))
    assert data.schema["digit"].choices == ("0", "1", "2")


def test_loading_options_apply_to_arrays(arrays: tuple[np.ndarray, np.ndarray]) -> None:
    x, y = arrays
    data = load(x, labels={"digit": y, "odd": y % 2}, attributes=["odd"], size=4)
    assert (data.schema.names, data.shape) == (["odd"], (1, 4, 4))


def test_paths_may_be_path_objects(tmp_path: Path) -> None:
    frame = pd.DataFrame({"x0": np.arange(50.0), "x1": np.ones(50), "side": ["left", "right"] * 25})
    frame.to_csv(tmp_path / "table.csv", index=False)
    one, other = load(tmp_path / "table.csv"), load(frame)
    assert one.train.fingerprint == load(str(tmp_path / "table.csv")).train.fingerprint == other.train.fingerprint


def test_training_takes_what_loading_takes(tmp_path: Path) -> None:
    frame = pd.DataFrame({"x0": np.arange(50.0) / 50, "x1": np.ones(50), "side": ["left", "right"] * 25})
    run = condgen.train("cvae", frame, tmp_path / "run", images=256, channels=4, previews=0)
    assert run.sample("side=left", n=2).x.shape == (2, 2)


def test_labels_beside_a_path_are_refused() -> None:
    with pytest.raises(RequestError, match="holds its own labels"):
        load("digits", labels={"digit": [1]})


def test_gaps_of_data_frames_are_missing_labels() -> None:
    n = 60
    cells = {
        "kind": ([k % 3 for k in range(n)], "Int64"),
        "old": ([k % 2 == 0 for k in range(n)], "boolean"),
        "age": ([k**1.1 for k in range(n)], "Float64"),
        "side": (["left" if k % 2 else "right" for k in range(n)], "string"),
        "day": ([f"2024-01-0{k % 2 + 1}" for k in range(n)], "datetime64[ns]"),
    }
    full = pd.DataFrame({name: pd.Series(column, dtype=kind) for name, (column, kind) in cells.items()})
    whole = {"x0": np.arange(n) ** 2.0, "x1": np.arange(n)[::-1] ** 2.0, "who": np.arange(n) // 3}
    frame = full.where(pd.Series(np.arange(n) % 7 != 3), axis=0).assign(**whole)
    data = load(frame)
    assert [(a.name, a.kind) for a in data.schema.attributes][:3] == [
        ("kind", "categorical"),
        ("old", "flag"),
        ("age", "continuous"),
    ]
    assert data.schema["kind"].choices == ("0", "1", "2")
    assert data.schema["side"].choices == ("left", "right")
    assert len(data.schema["day"].choices) == 2
    parts = (data.train, data.validation, data.test)
    assert [sum(int((~part.condition.given(name)).sum()) for part in parts) for name in cells] == [9] * 5


def test_data_frames_with_gaps_are_split_by_group() -> None:
    who = pd.Series([None if k % 5 == 0 else k // 3 for k in range(60)], dtype="Int64")
    frame = pd.DataFrame({"x0": np.arange(60.0), "x1": np.ones(60), "side": ["left", "right"] * 30, "who": who})
    data = load(frame, splitting=SplitConfig("group:who"))
    assert len(data.train) + len(data.validation) + len(data.test) == 60
