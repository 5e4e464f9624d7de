"""Requests by example: the value that a row of a table has."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from condgen.errors import RequestError
from condgen.requests import parse_requests
from condgen.schema import Between, Categorical, Constraint, Continuous, OneOf, Schema

SCHEMA = Schema(attributes=(Categorical(name="color", values=("red", "blue")), Continuous(name="age", low=0, high=80)))
ROWS = [{"color": "red", "age": 30.5}, {"color": "blue", "age": None}, {"color": "blue", "age": 7.0}]


@pytest.fixture(params=["csv", "tsv", "jsonl", "parquet"])
def table(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / f"my faces.{request.param}"
    if request.param == "parquet":
        pq.write_table(pa.Table.from_pylist(ROWS), path, row_group_size=2)
    elif request.param == "jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    else:
        mark = "," if request.param == "csv" else "\t"
        lines = [("color", "age"), *((r["color"], "" if r["age"] is None else r["age"]) for r in ROWS)]
        path.write_text("".join(mark.join(map(str, line)) + "\n" for line in lines))
    return path


def one(asked: str) -> dict[str, Constraint]:
    (request,) = parse_requests(asked, SCHEMA)
    assert request.text == asked
    return dict(request.constraints)


def test_a_rows_value_is_asked_for_and_rows_are_counted_from_one(table: Path) -> None:
    assert one(f"color={table}#1, age={table}#3") == {"color": OneOf((0,)), "age": Between(7.0, 7.0)}
    assert one(f"color!={table}#2") == {"color": OneOf((0,), negated=True)}


@pytest.mark.parametrize(("row", "says"), [("2", "has no value for 'age'"), ("4", "has no row 4"), ("0", "no row 0")])
def test_a_row_without_a_value_is_named(table: Path, row: str, says: str) -> None:
    with pytest.raises(RequestError, match=says):
        one(f"age={table}#{row}")


def test_a_file_that_is_missing_damaged_or_has_no_such_column_is_named(tmp_path: Path) -> None:
    (tmp_path / "other.csv").write_text("colour,x\nred,1\n")
    (tmp_path / "bad.jsonl").write_text("{\n")
    (tmp_path / "bad.parquet").write_text("{\n")
    for name, says in [
        ("no.csv", "No such file"),
        ("other.csv", "colour"),
        ("bad.jsonl", "cannot be read"),
        ("bad.parquet", "cannot be read"),
    ]:
        with pytest.raises(RequestError, match=says):
            one(f"color={tmp_path / name}#1")
