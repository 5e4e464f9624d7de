import math
from typing import Any

import pytest

from condgen.data.infer import infer_attribute, infer_schema, parse_columns
from condgen.errors import DataError
from condgen.schema import Categorical, Continuous, Flag, Schema
from condgen.schema.cells import missing
from condgen.schema.column import Column


@pytest.mark.parametrize(
    "column",
    [
        [0, 1, 1],
        [0.0, 1.0],
        [-1, 1],
        ["-1", "1"],
        ["yes", "no"],
        ["Yes", "NO"],
        ["true", "false"],
        [True, False],
        [1.0, None, 0.0, math.nan],
        ["y", "n", ""],
        ["on", "off"],
    ],
)
def test_two_opposite_values_are_a_flag(column: list[Any]) -> None:
    attribute = infer_attribute("glasses", column)
    assert attribute == Flag(name="glasses")
    codes, present = parse_columns({"glasses": column}, Schema(attributes=(attribute,)), "table")
    positive = {"1", "1.0", "yes", "true", "y", "on"}
    assert codes["glasses"] == [float(str(v).casefold() in positive) for v in column]
    assert present["glasses"] == [not missing(v) for v in column]


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ([3, 1, 2, 10], ("1", "2", "3", "10")),
        ([1.0, 2.0, None, 3.0], ("1", "2", "3")),
        (["b", "a", "b"], ("a", "b")),
        (["10", "9", "many"], ("9", "10", "many")),
        ([1, 2], ("1", "2")),
        ([-1, 0, 1], ("-1", "0", "1")),
        (["rot", "grün", " rot "], ("grün", "rot")),
        (["Yes", "No", "Maybe"], ("Maybe", "No", "Yes")),
    ],
)
def test_few_values_are_categories_in_natural_order(column: list[Any], values: tuple[str, ...]) -> None:
    attribute = infer_attribute("kind", column)
    assert attribute == Categorical(name="kind", values=values)
    codes, _ = parse_columns({"kind": column}, Schema(attributes=(attribute,)), "table")
    expected = [0 if v is None else values.index(str(int(v) if isinstance(v, float) else v).strip()) for v in column]
    assert codes["kind"] == expected


AGES: list[Any] = [20 + k / 4 for k in range(60)]


@pytest.mark.parametrize(
    ("cell", "says"),
    [
        ("unknown", "'unknown' in row 31 is no number."),
        ("33,5", "'33,5' in row 31 has a decimal comma instead of a point."),
        ("inf", "'inf' in row 31 is no number."),
    ],
)
@pytest.mark.parametrize("asked_for", [False, True])
def test_a_text_among_numbers_is_named_with_its_row_and_makes_no_names_of_them(
    cell: str, says: str, asked_for: bool
) -> None:
    guess = infer_attribute("age", [*AGES[:30], cell, None, *AGES[30:]], asked_for)
    assert isinstance(guess, str)
    assert f"The column 'age' holds numbers, but {says}" in guess


def test_all_texts_among_numbers_are_counted() -> None:
    column = Column("age", [*AGES, "x", "y", "y"])
    assert column.mistakes.endswith("'x' in row 61 is no number, and so are 2 other cells.")
    assert not Column("age", [*AGES, "", "n/a"]).mistakes  # empty cells
    assert not Column("ticket", [*range(30), *(f"A{k}" for k in range(10))]).mistakes  # too many to be mistakes
    assert not Column("floor", [*range(10), "ground"] * 5).mistakes  # few numbers are names


def test_few_numbers_with_a_text_among_them_are_names_with_a_remark() -> None:
    schema, notes = infer_schema({"age": [*range(20, 40)] * 5 + ["unknown"]})
    assert isinstance(schema["age"], Categorical)
    assert any("'unknown' in row 101" in note and "read as names" in note for note in notes)


@pytest.mark.parametrize(
    ("column", "low", "high"),
    [
        ([0.5 * k for k in range(30)], 0, 14.5),
        ([str(k / 7) for k in range(30)], 0, 29 / 7),
        (list(range(20, 40)) * 2, 20, 39),
        ([*(0.1 * k for k in range(20)), None, math.nan], 0, 1.9),
    ],
)
def test_many_numbers_are_continuous_over_the_observed_range(column: list[Any], low: float, high: float) -> None:
    attribute = infer_attribute("age", column)
    assert isinstance(attribute, Continuous)
    assert (attribute.low, attribute.high) == (pytest.approx(low), pytest.approx(high))


@pytest.mark.parametrize(
    ("column", "reason"),
    [
        (["same"] * 5, "always 'same'"),
        ([None, "", math.nan, "N/A"], "empty"),
        ([], "empty"),
        (list(range(50)), "numbers the rows"),
        ([f"user {k}" for k in range(30)], "identifier"),
        ([f"caption {k % 201}" for k in range(1000)], "identifier"),
    ],
)
def test_what_cannot_be_asked_for_is_left_out_with_a_note(column: list[Any], reason: str) -> None:
    schema, notes = infer_schema({"thing": column, "flag": ["yes", "no"]})
    assert schema.names == ["flag"]
    assert len(notes) == 1
    assert "'thing'" in notes[0]
    assert reason in notes[0]


def test_a_column_named_by_a_person_is_used_even_if_it_looks_like_an_identifier() -> None:
    assert isinstance(infer_attribute("user", [f"u{k}" for k in range(30)], asked_for=True), Categorical)
    assert isinstance(infer_attribute("user", list(range(30)), asked_for=True), Continuous)


@pytest.mark.parametrize("name", ["file_name", "Image", "id", "seed", "index", "", "__index_level_0__"])
def test_bookkeeping_columns_are_no_attributes(name: str) -> None:
    assert infer_schema({name: ["a", "b"], "kind": ["a", "b"]})[0].names == ["kind"]


@pytest.mark.parametrize("name", ["a=b", "size, cm", "what!", "a|b", "two\nlines"])
def test_a_column_that_requests_cannot_name_is_left_out_with_a_note(name: str) -> None:
    schema, notes = infer_schema({name: ["a", "b"], "kind": ["a", "b"]})
    assert schema.names == ["kind"]
    assert "rename" in notes[0]


def test_columns_that_requests_cannot_tell_apart_are_an_error() -> None:
    with pytest.raises(DataError, match=r"Big_Nose|big nose"):
        infer_schema({"big nose": [0, 1], "Big_Nose": [0, 1]})


@pytest.mark.parametrize("value", [None, math.nan, "", "  ", "NaN", "none", "NULL", "n/a"])
def test_missing_cells(value: Any) -> None:
    assert missing(value)


@pytest.mark.parametrize("value", [0, 0.0, False, "0", "no", "unknown"])
def test_zero_and_no_are_not_missing(value: Any) -> None:
    assert not missing(value)


def test_missing_labels_are_absent_never_zero() -> None:
    schema = Schema(attributes=(Categorical(name="kind", values=("a", "b")), Flag(name="male")))
    codes, present = parse_columns({"kind": ["b", None, ""], "male": [math.nan, 1, "no"]}, schema, "table")
    assert present == {"kind": [True, False, False], "male": [False, True, True]}
    assert codes["kind"][0] == 1
    assert codes["male"][1:] == [1, 0]


def test_none_is_a_value_where_the_schema_lists_it() -> None:
    schema = Schema(attributes=(Categorical(name="hat", values=("cap", "none")),))
    codes, present = parse_columns({"hat": ["none", "cap", None, ""]}, schema, "table")
    assert codes["hat"][:2] == [1, 0]
    assert present["hat"] == [True, True, False, False]


@pytest.mark.parametrize(
    ("columns", "parts"),
    [
        ({"kind": ["a", "z"], "age": [1, 2]}, ["my.csv", "row 2", "'kind'", "'z'"]),
        ({"kind": ["a", "b"], "age": [1, 99]}, ["my.csv", "row 2", "'age'", "99"]),
        ({"kind": ["a", "b"], "age": ["old", 1]}, ["my.csv", "row 1", "'age'", "'old'"]),
        ({"kind": ["a", [1]], "age": [1, 2]}, ["my.csv", "row 2", "'kind'", "[1]"]),
        ({"kind": ["a", "b"], "Alter": [1, 2]}, ["my.csv", "'age'", "Alter"]),
    ],
)
def test_a_value_that_does_not_fit_names_source_row_and_column(columns: dict[str, Any], parts: list[str]) -> None:
    schema = Schema(attributes=(Categorical(name="kind", values=("a", "b")), Continuous(name="age", low=0, high=9)))
    with pytest.raises(DataError) as caught:
        parse_columns(columns, schema, "my.csv")
    for part in parts:
        assert part in str(caught.value)
