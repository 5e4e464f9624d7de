"""Ordinary tables of numbers: their columns are the vector, with names and units, from the file to the sample."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

import condgen
from condgen.data import load
from condgen.data.coordinates import Coordinates
from condgen.data.readers.table import Table, Undecided
from condgen.data.vectors import with_vectors
from condgen.errors import DataError
from condgen.progress import SILENT
from tests.conftest import Command

RNG = np.random.default_rng(0)


def wines(n: int = 300) -> pd.DataFrame:
    kind = RNG.integers(0, 3, n)
    return pd.DataFrame(
        {
            "alcohol": 12 + kind + 0.3 * RNG.normal(size=n),
            "proline": 500 + 250 * kind + 40 * RNG.normal(size=n),
            "ash": 2.4 + 0.2 * RNG.normal(size=n),
            "class": kind,
        }
    )


@pytest.fixture
def table(tmp_path: Path) -> Path:
    wines().to_csv(tmp_path / "wine.csv", index=False)
    return tmp_path / "wine.csv"


def test_numbers_that_are_no_attributes_are_the_vector(table: Path) -> None:
    data = load(table)
    assert data.schema.names == ["class"]
    assert data.shape == (3,)
    assert data.coordinates is not None
    assert data.coordinates.names == ("alcohol", "proline", "ash")
    x = data.train.floats
    assert (x.median(0).values.abs() < 0.2).all()
    assert ((x.std(0) > 0.5) & (x.std(0) < 2)).all()
    assert any("Vectors are the columns alcohol, proline, ash" in note for note in data.notes)


def test_attributes_choose_what_describes(table: Path) -> None:
    data = load(table, attributes=["proline"])
    assert data.schema.names == ["proline"]
    assert data.coordinates is not None
    assert data.coordinates.names == ("alcohol", "ash", "class")


def test_outliers_do_not_move_the_standardisation(table: Path) -> None:
    wild = wines()
    wild.loc[:1, "alcohol"] = 1e6
    wild.to_csv(table, index=False)
    coordinates = load(table).coordinates
    assert coordinates is not None
    assert 11 < coordinates.center[0] < 15
    assert coordinates.scale[0] < 3


def test_rows_with_missing_numbers_are_left_out_and_that_is_said(table: Path) -> None:
    frame = wines()
    frame.loc[[3, 8], "ash"] = np.nan
    frame.to_csv(table, index=False)
    data = load(table)
    assert len(data.train) + len(data.validation) + len(data.test) == 298
    assert any("2 of 300 rows" in note for note in data.notes)


def test_values_come_back_in_their_own_units(table: Path) -> None:
    data, x = load(table), torch.tensor(wines()[["alcohol", "proline", "ash"]].to_numpy(), dtype=torch.float32)
    assert data.coordinates is not None
    assert torch.allclose(data.coordinates.restore(data.coordinates.standardise(x)), x, rtol=1e-5)
    assert Coordinates.read(data.coordinates.dump(), 3) == data.coordinates


def test_coordinates_of_order_one_stay_as_they_are() -> None:
    x = torch.randn(100, 2)
    coordinates = Coordinates.fitted(["x0", "x1"], x)
    assert coordinates.plain
    assert torch.equal(coordinates.standardise(x), x)
    assert not Coordinates.fitted(["x0", "x1"], 100 * x).plain


def test_a_column_that_is_mostly_one_value_keeps_a_scale() -> None:
    x = torch.cat([torch.zeros(95, 1), torch.full((5, 1), 40.0)])
    assert Coordinates.fitted(["rain"], x).scale[0] > 1


def test_a_table_of_texts_alone_says_what_it_lacks(tmp_path: Path) -> None:
    pd.DataFrame({"a": list("xy") * 10, "b": list("uuvv") * 5}).to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(DataError, match="no column of numbers"):
        load(tmp_path / "t.csv")


def test_samples_are_a_table_like_the_one_that_was_trained_on(table: Path, command: Command, tmp_path: Path) -> None:
    settings: dict[str, Any] = {"images": 20_000, "channels": 8, "depth": 2, "previews": 0, "embedding": 8}
    run = condgen.train("flow", table, tmp_path / "run", **settings)
    assert command("sample", tmp_path / "run", "class=2", "-n", 200, "--out", tmp_path / "new").status == 0
    made, real = pd.read_csv(tmp_path / "new/metadata.csv"), wines()
    assert list(made.columns) == ["alcohol", "proline", "ash", "seed", "class"]
    assert abs(made["proline"].mean() - real[real["class"] == 2]["proline"].mean()) < 150
    again = load(tmp_path / "new")
    assert again.coordinates is not None
    assert again.coordinates.names == ("alcohol", "proline", "ash")
    assert run.data(str(tmp_path / "new")).coordinates == run.coordinates


def test_an_empty_column_is_no_coordinate() -> None:
    frame = wines().assign(nothing=[None] * 300)
    data = load(frame, attributes=["class"], progress=SILENT)
    assert data.coordinates is not None
    assert data.coordinates.names == ("alcohol", "proline", "ash")


def test_a_test_table_without_a_coordinate_is_named() -> None:
    train = Table("a table", Undecided(3), {"a": [1.5, 2.5, 3.0], "c": list("xyx")})
    test = Table("another", Undecided(1), {"c": ["x"]})
    with pytest.raises(DataError, match="another has no column 'a', which the training data has"):
        with_vectors([train, test], ["c"])
