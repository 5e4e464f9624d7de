"""Data as it shows itself in a notebook."""

import numpy as np
import pandas as pd
import torch

from condgen.data import Dataset, Splits, load
from condgen.data.shown import PICTURES, ROWS
from condgen.schema import Categorical, Condition, Continuous, Flag, Schema

SCHEMA = Schema(
    attributes=(
        Categorical(name="<kind>", values=tuple(f"k{k}" for k in range(12))),
        Flag(name="big"),
        Continuous(name="age", low=0, high=80),
    )
)


def people(x: torch.Tensor) -> Dataset:
    n = len(x)
    present = torch.ones(n, 3, dtype=torch.bool)
    present[:2, 1] = False
    values = {"<kind>": torch.arange(n).float() % 2, "big": torch.full((n,), 0.9), "age": torch.arange(n).float()}
    return Dataset(x, Condition(SCHEMA, values, present))


def cells(html: str) -> list[str]:
    return [cell.partition(">")[2].partition("<")[0] for cell in html.split("<td")[1:]]


def test_attributes_are_shown_with_their_values_and_gaps() -> None:
    kind, big, age = (
        cells(people(torch.zeros(5, 1, 4, 4, dtype=torch.uint8))._repr_html_())[k : k + 4] for k in (0, 4, 8)
    )
    assert kind[0] == "&lt;kind&gt;"
    assert kind[2].startswith("k0 (3), k1 (2), k2 (0)")
    assert kind[2].endswith("and 2 more")
    assert big[2:] == ["no (0), yes (3)", "2"]  # a probability counts as the likelier value
    assert age[2:] == ["0 to 4, median 2", "0"]


def test_images_are_shown_as_one_grid(digits: Splits) -> None:
    html = digits._repr_html_()
    assert html.count("<img") == 1
    assert f"The first {PICTURES}" in html
    assert "1,439 training, 89 validation" in html
    assert "1,439 images of shape (1, 8, 8)" in digits.train._repr_html_()
    assert "<img" not in digits.train[torch.arange(0)]._repr_html_()


def test_vectors_are_shown_by_name_in_their_own_units() -> None:
    price = np.linspace(100_000, 900_000, 200)
    data = load(pd.DataFrame({"price": price, "area": price / 1000, "old": ["yes", "no"] * 100}), attributes=["old"])
    html = data._repr_html_()
    shown = cells(html)[4:]
    assert len(shown) == 3 * ROWS
    assert data.coordinates
    assert shown[0] == f"{data.coordinates.restore(data.train.x[:1])[0, 0]:.5g}"
    assert float(shown[0]) > 10_000
    assert all(f">{name}</th>" in html for name in ("price", "area", "old"))


def test_notes_are_part_of_it(digits: Splits) -> None:
    noted = Splits(digits.train, digits.validation, digits.test, notes=("guessed <this>",))
    assert "Note: guessed &lt;this&gt;" in noted._repr_html_()
