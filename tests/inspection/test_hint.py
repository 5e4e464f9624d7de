"""The Python that `inspect` suggests can be run as it is."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import condgen
from condgen.data import Splits, load
from condgen.inspection import inspect
from condgen.progress import SILENT
from condgen.runs.run import Run
from tests.inspection.test_inspect import folder

SHORT = ", images=32, batch=16, channels=8, previews=0, progress=condgen.progress.SILENT)"
COLORS: list[object] = ["red", "green", "blue"]


def suggested(source: str | Splits, **how: Any) -> str:
    """The suggested call."""
    return inspect(source, **how).advice[0].split("`")[-2]


def trained(code: str, data: Splits | None = None) -> Run:
    """The run that the code makes, trained for two steps."""
    return eval(code.removesuffix(")") + SHORT, {"condgen": condgen, "data": data})


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def pictures(side: int, n: int = 120, **more: list[object]) -> str:
    return str(folder(Path("it's mine"), n, side, color=COLORS * (n // 3), **more))


def test_of_a_built_in_dataset() -> None:
    assert trained(suggested("digits")).schema.names == ["digit"]
    assert Path("digits-run/config.json").is_file()


def test_of_a_table_of_numbers_with_a_schema_of_its_own() -> None:
    x = np.random.default_rng(0).normal(100, 20, (120, 3))
    pd.DataFrame(x, columns=["a", "b", "c"]).assign(old=["yes", "no"] * 60, kind=COLORS * 40).to_csv("houses.csv")
    Path("my.json").write_text(load("houses.csv", attributes=["old"], progress=SILENT).schema.dumps())
    assert inspect("houses.csv", schema="my.json").schema.names == ["old"]
    run = trained(suggested("houses.csv", schema="my.json"))
    assert run.schema.names == ["old"]
    assert run.coordinates
    assert run.coordinates.names == ("a", "b", "c")


def test_of_photographs_with_some_columns_left_out() -> None:
    code = suggested(pictures(100, number=[1000003 * k % 999983 for k in range(120)]))
    run = trained(code)
    assert run.schema.names == ["color"]
    assert run.model.shape == (3, 64, 64)


def test_a_size_that_was_chosen_is_recommended_and_suggested() -> None:
    name = pictures(128, n=39)
    at_ease, chosen = inspect(name), inspect(name, size=128)
    assert at_ease.recommendation is not None
    assert chosen.recommendation is not None
    assert (at_ease.recommendation.size, at_ease.recommendation.shape) == (64, (3, 64, 64))
    assert (chosen.recommendation.size, chosen.recommendation.shape) == (None, (3, 128, 128))
    assert "size=64" in at_ease.advice[0]
    assert "size=128" in chosen.advice[0]


def test_of_data_in_memory() -> None:
    data = load(pictures(16, twin=COLORS * 40), progress=SILENT)
    code = suggested(data)
    assert "data.select" in code
    assert len(trained(code, data).schema) == 1


def test_large_pictures_in_memory_are_to_be_loaded_smaller() -> None:
    data = load(pictures(100), progress=SILENT)
    assert "loaded at `size=64`" in inspect(data).advice[0]
    assert "size" not in inspect(load("it's mine", size=64, progress=SILENT)).advice[0]
