"""Ordinary tables of numbers: their columns are the vector, with names and units, from the file to the sample."""

import json
from dataclasses import replace
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


def undecided(notes: tuple[str, ...] = (), validation: int = 0, **columns: list[Any]) -> Table:
    """A table as it is read, before its columns are divided."""
    content = Undecided(len(next(iter(columns.values()))))
    return Table("a table", content, columns, notes=list(notes), validation=validation)


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


def test_a_column_that_numbers_the_rows_is_not_generated(table: Path) -> None:
    wines().assign(nr=RNG.permutation(300) + 1).to_csv(table, index=False)
    data = load(table, attributes=["class"])
    assert data.coordinates is not None
    assert data.coordinates.names == ("alcohol", "proline", "ash")
    assert "The column 'nr' numbers the rows; it was left out." in data.notes
    assert load(table, attributes=["class", "nr"]).schema.names == ["class", "nr"]


@pytest.mark.parametrize("cells", [[1, 2, 4], [1, 2, 2], [1, 2, None], [0.5, 1.5, 2.5]])
def test_other_numbers_are_generated(cells: list[Any]) -> None:
    (made,) = with_vectors([undecided(a=cells, c=list("xyx"))], ["c"])
    assert made.names == ("a",)
    assert "Vectors are the columns a." in made.notes


@pytest.mark.parametrize("attributes", [None, ["c"]])
def test_rows_are_numbered_in_every_table_or_in_none(attributes: list[str] | None) -> None:
    def names(second: range) -> tuple[str, ...]:
        a, c = [k + 0.5 for k in range(20)], list("xy") * 10
        tables = [undecided(a=a, nr=list(numbers), c=c) for numbers in (range(20), second)]
        return with_vectors(tables, attributes)[0].names

    assert names(range(20)) == ("a",)
    assert names(range(40, 20, -1)) == ("a",)
    assert names(range(0, 40, 2)) == ("a", "nr")


def test_row_numbers_are_left_out_even_if_rows_are(table: Path) -> None:
    frame = wines().assign(nr=range(300))
    frame.loc[5, "ash"] = np.nan
    frame.to_csv(table, index=False)
    assert load(table).schema.names == ["class"]


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
    train = undecided(a=[1.5, 2.5, 3.0], c=list("xyx"))
    test = Table("another", Undecided(1), {"c": ["x"]})
    with pytest.raises(DataError, match="another has no column 'a', which the training data has"):
        with_vectors([train, test], ["c"])


# ---- the division of columns, without files


def test_columns_are_divided_over_all_tables_at_once() -> None:
    """A column of the training table looks like measured numbers; that of the test table does not."""
    plain = undecided(a=[1.5, 2.5, 3.0], b=[0.1, 0.2, 0.3], c=list("xyx"))
    other = undecided(a=[1.5, 2.5, 3.0], b=["low", 0.2, 0.3], c=list("xyx"))
    assert with_vectors([plain, plain], ["c"])[1].names == ("a", "b")
    assert with_vectors([plain, other], ["c"])[0].names == ("a",)


def test_tables_that_are_decided_stay_as_they_are() -> None:
    plain = undecided(a=[1.5, 2.5], c=list("xy"))
    decided = replace(plain, content=torch.zeros(2, 3))
    assert with_vectors([plain, decided], ["c"]) == [plain, decided]


def test_chosen_attributes_are_found_up_to_spelling_and_may_be_none() -> None:
    numbers = undecided(Petal_Length=[1.5, 2.5, 3.0], b=[0.1, 0.2, 0.3])
    assert with_vectors([numbers], ["petal length"])[0].names == ("b",)
    assert with_vectors([numbers], [])[0].names == ("Petal_Length", "b")


def test_columns_named_like_identifiers_and_texts_that_look_like_numbers_are_not_generated() -> None:
    made = with_vectors([undecided(**{" ID ": [0.5, 7.5, 9.0], "a": ["1.5", "2.5", "3"], "c": list("xyx")})], ["c"])
    assert made[0].names == ("a",)
    assert made[0].content.tolist() == [[1.5], [2.5], [3.0]]  # type: ignore[union-attr]


def test_a_column_of_numbers_and_words_is_not_generated_and_one_with_gaps_is() -> None:
    (made,) = with_vectors([undecided(a=[1.5, "tall", 3.0], b=[1.5, None, 3.5], c=list("xyx"))], ["c"])
    assert made.names == ("b",)
    assert made.columns == {"a": [1.5, 3.0], "c": ["x", "x"]}


@pytest.mark.parametrize("large", [1e39, 10**400])
def test_a_number_too_large_for_the_network_counts_as_missing(large: float) -> None:
    """The column is no coordinate, or the row is left out: nothing becomes infinite."""
    assert with_vectors([undecided(a=[1.5, large, 3.0], b=[0.1, 0.2, 0.3], c=list("xyx"))], ["c"])[0].names == ("b",)


def test_notes_of_the_reader_stay_and_the_validation_rows_that_remain_are_counted() -> None:
    first = undecided(("read well",), validation=2, a=[1.5, 2.5, None, 3.5], b=[1, None, 3, 4.5], c=list("xyxy"))
    second = undecided(("read badly",), a=[1.5, 2.5], b=[1, 4.5], c=list("xy"))
    one, other = with_vectors([first, second], ["c"])
    assert one.validation == 1
    assert one.notes == [
        "read well",
        "2 of 4 rows of a table were left out, since a number is missing in them.",
        "Vectors are the columns a, b.",
    ]
    assert (other.notes, other.validation) == (["read badly"], 0)


def test_a_table_without_a_whole_row_is_named() -> None:
    with pytest.raises(DataError, match="No row of a table has a number in each of the columns a, b"):
        with_vectors([undecided(a=[1.5, None], b=[None, 2.5], c=list("xy"))], ["c"])


# ---- numbers far from the others


def priced(wrong: int, n: int = 300) -> pd.DataFrame:
    table = wines(n).assign(price=RNG.normal(300, 50, n).round(2))
    table.loc[: wrong - 1, "price"] = 999_999
    return table


def test_numbers_that_flatten_a_coordinate_are_said() -> None:
    """A model would generate prices of −10,000 and say nothing."""
    said = [note for note in load(priced(8), attributes=["class"], progress=SILENT).notes if "far outside" in note]
    assert len(said) == 1
    assert said[0].startswith("8 of 300 values of 'price' lie far outside of the others")
    heavy = wines().assign(price=RNG.standard_t(3, 300))
    assert not any("far outside" in note for note in load(heavy, attributes=["class"], progress=SILENT).notes)


def test_attributes_that_were_chosen_have_the_notes_that_others_have(capsys: pytest.CaptureFixture[str]) -> None:
    clipped = load(priced(8, 1_500), attributes=["class", "price"])
    assert any("8 of 1,500 values of 'price' lie far outside" in note for note in clipped.notes)
    assert "they count as the nearest end" in capsys.readouterr().err
    again = load(priced(8, 1_500), attributes=["price"], schema=clipped.schema, progress=SILENT)
    assert not any("far outside" in note for note in again.notes)  # whoever gives a schema knows


def test_loading_says_that_a_range_is_stretched(capsys: pytest.CaptureFixture[str]) -> None:
    load(priced(8), attributes=["class", "price"])
    assert "of the values of 'price' lie within 0.0" in capsys.readouterr().err


def test_numbers_of_a_frame_that_may_not_be_written_are_copied() -> None:
    array = wines()[["alcohol", "ash"]].to_numpy()
    array.setflags(write=False)
    assert load(array, labels={"class": wines()["class"].to_numpy()}, progress=SILENT).shape == (2,)


def test_a_text_in_a_column_of_the_vector_stops_and_names_row_and_column(table: Path) -> None:
    lines = table.read_text().splitlines()
    lines[18] = lines[18].replace(lines[18].split(",")[1], "n.a. mg")
    table.write_text("\n".join(lines))
    with pytest.raises(DataError, match=r"wine\.csv: The column 'proline' holds numbers, but 'n\.a\. mg' in row 18"):
        load(table)


@pytest.mark.parametrize(
    ("cell", "says"),
    [([1.0, 2.0], "holds 2 numbers, and not 3 numbers"), ([1, "x", 2], r"holds \[1, 'x', 2\], and not")],
)
def test_a_vector_of_another_length_stops_and_names_row_and_column(cell: Any, says: str, tmp_path: Path) -> None:
    rows = [{"x0": k / 7, "emb": [k, k / 2, 1.0], "kind": k % 2} for k in range(40)]
    path = tmp_path / "table.jsonl"
    path.write_text("\n".join(json.dumps(row | ({"emb": cell} if k == 9 else {})) for k, row in enumerate(rows)))
    with pytest.raises(DataError, match=rf"table\.jsonl, row 10, column 'emb' {says}"):
        load(path)
    path.write_text("\n".join(json.dumps(row | ({"emb": None} if k == 9 else {})) for k, row in enumerate(rows)))
    assert load(path).schema.names == ["emb", "kind"]


def test_a_text_in_one_of_the_columns_of_a_vector_stops_and_names_row_and_column(tmp_path: Path) -> None:
    made = pd.DataFrame({"x0": np.arange(40) / 7, "emb.0": RNG.normal(size=40), "emb.1": RNG.normal(size=40)})
    made["kind"] = ["a", "b"] * 20
    made["emb.1"] = [*made["emb.1"][:5].tolist(), "oops", *made["emb.1"][6:].tolist()]
    made.to_csv(tmp_path / "table.csv", index=False)
    with pytest.raises(DataError, match=r"table\.csv, row 6, column 'emb\.1' holds 'oops', which is no number"):
        load(tmp_path / "table.csv")
