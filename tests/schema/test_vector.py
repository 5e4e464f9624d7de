"""Vectors: from a table through requests to samples, and what becomes of rows that are odd."""

import csv
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from condgen.data import load
from condgen.data.infer import infer_attribute
from condgen.errors import DataError, RequestError
from condgen.requests import parse_requests
from condgen.rng import Rng
from condgen.runs.samples import Samples, save_samples
from condgen.schema import Attribute, Categorical, Condition, Continuous, LabelDistribution, Schema
from condgen.schema.vector import LIMIT, Vector

PLACE = Vector(name="place", mean=(0, 10, -1), scale=(1, 5, 0.1))
SCHEMA = Schema(attributes=(Categorical(name="kind", values=("near", "far")), PLACE))


def rows(n: int = 80) -> list[list[float]]:
    generator = torch.Generator().manual_seed(0)
    return (torch.randn(n, 3, generator=generator) * torch.tensor([1, 5, 0.1]) + torch.tensor([0, 10, -1.0])).tolist()


@pytest.fixture(params=["parquet", "jsonl", "csv", "columns.csv", "columns.parquet"])
def table(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The same points with vectors, in every spelling; the fifth row has none."""
    path = tmp_path / f"table.{request.param}"
    numbers = [None if k == 4 else row for k, row in enumerate(rows())]
    points = [{"x0": 0.1 * k, "x1": -0.1 * k, "place": row} for k, row in enumerate(numbers)]
    if "columns" in request.param:
        empty: list[Any] = [None] * 3
        points = [
            {"x0": p["x0"], "x1": p["x1"]} | {f"place.{k}": v for k, v in enumerate(p["place"] or empty)}
            for p in points
        ]
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(points), path)
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(p) + "\n" for p in points))
    else:
        texts = [{n: " ".join(map(str, v)) if isinstance(v, list) else v for n, v in p.items()} for p in points]
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(points[0]))
            writer.writeheader()
            writer.writerows(texts)
    return path


def test_a_table_of_them_is_recognised_read_and_asked_for_by_example(table: Path) -> None:
    data = load(str(table))
    (a,) = data.schema
    assert isinstance(a, Vector)
    assert a.mean == pytest.approx((0, 10, -1), abs=2)
    assert a.scale == pytest.approx((1, 5, 0.1), rel=0.4)
    parts = (data.train, data.validation, data.test)
    found = {tuple(map(float, row["place"].split())) for p in parts for row in p.condition.rows() if row["place"]}
    expected = {tuple(float(f"{v:.6g}") for v in np.float32(row).tolist()) for k, row in enumerate(rows()) if k != 4}
    assert found == expected
    assert sum(int((~p.condition.present).sum()) for p in parts) == 1
    (request,) = parse_requests(f"place={table}#3", data.schema)
    drawn = request.draw(LabelDistribution.of(data.train.condition), Rng([0]))
    torch.testing.assert_close(drawn.values["place"], torch.tensor([rows()[2]]))
    with pytest.raises(RequestError, match="has no value for 'place'"):
        parse_requests(f"place={table}#5", data.schema)


@pytest.mark.parametrize(
    "value",
    [
        "0.5 11 -1.1",
        "[0.5, 11, -1.1]",
        [0.5, 11, -1.1],
        (0.5, 11, -1.1),
        np.array([0.5, 11, -1.1]),
        torch.tensor([0.5, 11, -1.1]),
    ],
)
def test_it_is_asked_for_by_value(value: object) -> None:
    (request,) = parse_requests({"place": value}, SCHEMA)
    (drawn,) = request.draw(LabelDistribution.of(Condition.of(SCHEMA, [{"kind": "near"}])), Rng([0])).values["place"]
    torch.testing.assert_close(drawn, torch.tensor([0.5, 11, -1.1]))
    assert request.text == "place=[0.5 11 -1.1]"


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("1 2", "3 finite numbers, not 2 numbers"),
        ([1, 2, math.nan], "3 finite numbers"),
        ([1, 2, math.inf], "3 finite numbers"),
        ("here", "not 'here'"),
        (5, "not '5'"),
        ("*", "cannot be asked"),
    ],
)
def test_what_is_no_such_row_is_refused(value: object, says: str) -> None:
    with pytest.raises(RequestError, match="place") as caught:
        parse_requests({"place": value}, SCHEMA)
    assert says in str(caught.value)
    assert "FILE.parquet#1" in str(caught.value)


def test_what_a_request_leaves_free_comes_from_the_rows_nearest_by() -> None:
    """Distances are those of standardised coordinates: the second one, as it is, would outweigh the first."""
    n = 200
    schema = Schema(attributes=(SCHEMA.attributes[0], Vector(name="place", mean=(0, 0, 0), scale=(1, 500, 1))))
    x = torch.randn(n, 3, generator=torch.Generator().manual_seed(0))
    far = (x[:, 0] > 0).float()
    codes = x * torch.tensor([1, 500, 1])
    joint = LabelDistribution.of(Condition(schema, {"kind": far, "place": codes}, torch.ones(n, 2).bool()))
    for wanted, expected in (("2 0 0", 1.0), ("-2 0 0", 0.0)):
        (request,) = parse_requests(f"place={wanted}", schema)
        assert request.draw(joint, Rng(range(50))).values["kind"].mean() == expected
    (request,) = parse_requests("kind=far", schema)
    drawn = request.draw(joint, Rng(range(50))).values["place"]
    assert (drawn[:, 0] > 0).all()
    assert (drawn[:, None] == codes).all(2).any(1).all()


def test_samples_are_written_and_read_again(tmp_path: Path) -> None:
    condition = Condition.of(SCHEMA, [{"kind": "near", "place": row} for row in rows(30)] + [{"kind": "far"}] * 2)
    samples = Samples(torch.randn(32, 2), condition, torch.arange(32), torch.zeros(32, dtype=torch.long))
    save_samples(iter([samples]), SCHEMA, ["all"], tmp_path / "out")
    again = load(str(tmp_path / "out"))
    assert again.schema == SCHEMA
    given = torch.cat([p.condition.codes("place") for p in (again.train, again.validation, again.test)])
    assert given.sum(0) == pytest.approx(condition.codes("place").sum(0), rel=1e-4)


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        ([[1.0, 2.0], [2.0, 1.0]] * 3, Vector),
        ([f"{k} {k / 2}" for k in range(20)], Vector),
        ([f"[{k}, {k / 2}]" for k in range(20)], Vector),
        (["1 2", "2 1"] * 10, Categorical),  # few texts: names of categories
        ([f"{k},{100 + k}" for k in range(20)], Categorical),  # a number with a comma is no row
        (list(range(20, 0, -2)) * 2 + [0.5] * 4 + [3, 5, 7], Continuous),
    ],
)
def test_rows_of_numbers_are_vectors_and_nothing_else_is(cells: list[Any], expected: type[Attribute]) -> None:
    assert type(infer_attribute("thing", cells, asked_for=True)) is expected


@pytest.mark.parametrize(
    ("cells", "says"),
    [
        ([[1.0, 2.0]] * 5, "same numbers in every row"),
        ([[1.0, math.nan], [1.0, 2.0]], "not finite"),
        ([[1.0, 1e38], [1.0, 2.0]], "huge"),
    ],
)
def test_rows_that_say_nothing_are_left_out_with_the_reason(cells: list[Any], says: str) -> None:
    assert says in str(infer_attribute("thing", cells))


@pytest.mark.parametrize("cells", [[[1, 2], [1, 2, 3]], [[1, None], [1, 2]], [["a", "b"], ["c", "d"]], [{"a": 1}] * 2])
def test_other_nested_columns_are_left_out_with_a_note(cells: list[Any], tmp_path: Path) -> None:
    path = tmp_path / "table.jsonl"
    path.write_text("".join(json.dumps({"x0": k, "odd": c, "flag": k % 2}) + "\n" for k, c in enumerate(cells * 10)))
    data = load(str(path))
    assert data.schema.names == ["flag"]
    assert any("'odd' holds lists or nested values" in note for note in data.notes)


@pytest.mark.parametrize(
    ("names", "kept"),
    [
        (["e.0", "e.1", "e.2"], ["e"]),
        (["e.0", "e.2"], ["e.0", "e.2"]),  # one is missing
        (["e.0"], ["e.0"]),
        (["e.0", "e.1", "e"], ["e.0", "e.1", "e"]),  # the name is taken
        (["v1.0", "v1.1", "b", "c.d.0", "c.d.1"], ["v1", "b", "c.d"]),
        ([".0", ".1"], [".0", ".1"]),
    ],
)
def test_columns_with_numbers_at_their_ends_are_joined(names: list[str], kept: list[str]) -> None:
    columns = {name: [1.0, "2", None] for name in names}
    assert list(Vector.gathered(columns)) == kept
    words = {name: ["a", "2", None] for name in names}
    assert list(Vector.gathered(words)) == names


def test_an_outlier_and_a_flat_coordinate_do_not_flatten_or_blow_up_the_others() -> None:
    x = torch.randn(500, 3, generator=torch.Generator().manual_seed(0))
    x[:, 2] = 7.0
    x[3, 0] = 1e9
    a = infer_attribute("thing", x.tolist())
    assert isinstance(a, Vector)
    encoded = a.encode(x)
    assert encoded[:, :2].std(0).tolist() == pytest.approx([1, 1], abs=0.5)
    assert encoded[3, 0] == LIMIT
    assert encoded[:, 2].abs().max() < 0.1


def test_a_long_vector_is_standardised_row_by_row_of_a_sample_and_its_schema_is_short() -> None:
    x = torch.randn(300, 64, generator=torch.Generator().manual_seed(0)) * 3 + 1
    a = infer_attribute("emb", x.tolist())
    assert isinstance(a, Vector)
    assert len(Schema(attributes=(a,)).dumps()) < 64 * 2 * 24
    features = a.features(x)
    assert features.norm(dim=1).mean().item() == pytest.approx(1, abs=0.1)
    shuffled = x[torch.randperm(300)]
    assert a.error(x, shuffled).mean().item() == pytest.approx(1, abs=0.1)  # the typical distance


@settings(max_examples=30, deadline=None)
@given(numbers=st.lists(st.floats(-1e6, 1e6, width=32), min_size=2, max_size=6))
def test_every_spelling_of_a_row_is_read_alike(numbers: list[float]) -> None:
    a = Vector(name="thing", mean=(0.0,) * len(numbers), scale=(1.0,) * len(numbers))
    text = a.format(numbers)
    assert a.parse(text) == a.parse(text.split()) == a.parse(f"[{', '.join(text.split())}]")
    assert a.parse(numbers) == tuple(numbers)


@pytest.mark.parametrize(
    "fields",
    [
        {"mean": (0.0,), "scale": (1.0,)},
        {"mean": (0.0, 1.0), "scale": (1.0,)},
        {"mean": (0.0, 1.0), "scale": (1.0, 0.0)},
        {"mean": (0.0, math.inf), "scale": (1.0, 1.0)},
    ],
)
def test_a_schema_that_cannot_standardise_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"scale|mean"):
        Vector(name="thing", **fields)


def test_a_cell_that_does_not_fit_is_named_with_its_row(tmp_path: Path) -> None:
    (tmp_path / "schema.json").write_text(SCHEMA.dumps())
    (tmp_path / "table.csv").write_text("x0,x1,kind,place\n1,2,near,1 2 3\n1,2,far,1 2\n")
    with pytest.raises(DataError, match=r"row 2, column 'place'.*not 2 numbers"):
        load(str(tmp_path / "table.csv"))
