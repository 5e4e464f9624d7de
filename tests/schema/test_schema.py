from pathlib import Path

import pytest
import torch

from condgen.errors import DataError, RequestError
from condgen.schema import Categorical, Condition, Continuous, Flag, Schema, fold

ROWS = [{"color": "green", "Eyeglasses": "yes", "age": "30"}, {"color": None, "Eyeglasses": "no", "age": None}]


@pytest.fixture
def condition(people: Schema) -> Condition:
    return Condition.of(people, ROWS)


def test_json_round_trip_is_exact(people: Schema, tmp_path: Path) -> None:
    people["color"].parse("red")  # caches must not make a schema differ from its copy
    (tmp_path / "schema.json").write_text(people.dumps(), encoding="utf-8")
    assert Schema.loads(people.dumps()) == people
    assert Schema.load(tmp_path / "schema.json") == people


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("{", ["my.json", "JSON"]),
        ("[]", ["my.json"]),
        ('{"attributes": [{"kind": "flag"}]}', ["my.json", "attributes.0.flag.name"]),
        ('{"attributes": [{"kind": "colour", "name": "a"}]}', ["my.json", "attributes.0", "categorical"]),
        ('{"attributes": [{"kind": "flag", "name": "a", "wight": 1}]}', ["my.json", "wight"]),
        ('{"attributes": [{"kind": "continuous", "name": "age", "low": 3, "high": 3}]}', ["my.json", "'age'", "empty"]),
        ('{"attributes": [{"kind": "categorical", "name": "a", "values": []}]}', ["my.json", "values"]),
        ('{"classes": ["cat", "dog"]}', ["my.json", "classes"]),
    ],
)
def test_foreign_json_is_refused_naming_file_and_field(text: str, named: list[str]) -> None:
    with pytest.raises(DataError) as caught:
        Schema.loads(text, "my.json")
    for part in named:
        assert part in str(caught.value)
    assert "Value error" not in str(caught.value)


@pytest.mark.parametrize("content", [None, b"\xff\xfe{"])
def test_an_unreadable_schema_file_is_named(content: bytes | None, tmp_path: Path) -> None:
    file = tmp_path / "schema.json"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(DataError, match=r"schema\.json"):
        Schema.load(file)


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("color", "green", 1),
        ("COLOR", "Green", 1),
        ("color", "crimson", 0),
        ("color", "Crimson", 0),
        ("Eyeglasses", "yes", 1),
        ("eyeglasses", True, 1),
        ("glasses", "with", 1),
        ("Eyeglasses", 1.0, 1),
        ("Eyeglasses", "No", 0),
        ("Eyeglasses", False, 0),
        ("Eyeglasses", -1, 0),
        ("Eyeglasses", "-1", 0),
        ("Eyeglasses", -1.0, 0),
        ("age", 30, 30),
        ("age", "30.5", 30.5),
        ("Age", 0, 0),
    ],
)
def test_values_are_found_by_name_alias_and_any_spelling(people: Schema, name: str, value: object, code: float) -> None:
    assert people[name].parse(value) == code


@pytest.mark.parametrize("value", ["5", 5, 5.0, "5.0"])
def test_whole_numbers_name_the_same_category_however_a_table_stores_them(value: object) -> None:
    assert Categorical(name="digit", values=("4", "5")).parse(value) == 1


@pytest.mark.parametrize("value", ["Light-Blue", "light blue", "LIGHT_BLUE", " light  blue "])
def test_hyphens_underscores_and_spaces_do_not_matter(value: str) -> None:
    assert Categorical(name="color", values=("red", "light_blue")).parse(value) == 1


def test_the_minus_of_a_number_is_no_hyphen() -> None:
    steps = Categorical(name="step", values=("-1", "0", "2"))
    assert steps.parse("-1") == steps.parse(-1) == 0
    with pytest.raises(RequestError, match="'1'"):
        steps.parse("1")
    assert fold("well-known") == fold("Well_known")


def test_a_number_asks_for_a_value_with_leading_zeros_unless_it_is_one_itself() -> None:
    assert Categorical(name="part", values=("006", "007")).parse(7) == 1
    assert Categorical(name="part", values=("007", "7")).parse("7") == 1


def test_values_that_differ_only_in_case_stay_apart() -> None:
    letters = Categorical(name="letter", values=("a", "A"))
    assert [letters.parse("a"), letters.parse("A")] == [0, 1]


@pytest.mark.parametrize(
    ("name", "value", "hint"),
    [
        ("color", "gren", "Did you mean green"),
        ("color", "crimsen", "crimson"),
        ("color", "42", "red, green, blue"),
        ("Eyeglasses", "yess", "Did you mean yes"),
        ("Eyeglasses", "2", "yes"),
        ("age", "old", "0 to 80"),
        ("age", "nan", "0 to 80"),
        ("age", 81, "extrapolate"),
        ("age", "-3", "extrapolate"),
    ],
)
def test_an_unknown_value_names_its_attribute_and_the_nearest_valid_ones(
    people: Schema, name: str, value: object, hint: str
) -> None:
    with pytest.raises(RequestError, match=name) as caught:
        people[name].parse(value)
    assert hint in str(caught.value)


def test_an_unknown_attribute_names_the_nearest(people: Schema) -> None:
    with pytest.raises(RequestError, match=r"'Eyeglases'.*Eyeglasses"):
        people["Eyeglases"]


def test_out_of_range_is_accepted_only_on_demand(people: Schema) -> None:
    assert people["age"].parse("120", extrapolate=True) == 120
    with pytest.raises(RequestError):
        people["age"].parse("inf", extrapolate=True)


def test_a_bound_that_was_rounded_for_people_is_still_in_range() -> None:
    height = Continuous(name="height", low=1.23456789, high=193.23456789)
    assert height.parse(height.format(height.high)) <= height.high
    assert height.parse(height.format(height.low)) >= height.low


@pytest.mark.parametrize(
    "attributes",
    [
        (Flag(name="a"), Flag(name="a")),
        (Flag(name="Big Nose"), Flag(name="big_nose")),
        (Flag(name="Eyeglasses", synonyms=("glasses",)), Flag(name="Glasses")),
    ],
)
def test_duplicated_names_are_refused(attributes: tuple[Flag, ...]) -> None:
    with pytest.raises(ValueError, match="two attributes are called"):
        Schema(attributes=attributes)


def test_nonsense_attributes_are_refused() -> None:
    with pytest.raises(ValueError, match="twice"):
        Categorical(name="color", values=("red", "red"))
    with pytest.raises(ValueError, match="rename"):
        Flag(name="a=b")
    with pytest.raises(ValueError, match="empty"):
        Continuous(name="age", low=5, high=4)
    with pytest.raises(ValueError, match="rde"):
        Categorical(name="color", values=("red", "blue"), aliases={"crimson": "rde"})


def test_encodings_are_one_hot_plus_minus_one_and_scaled(people: Schema) -> None:
    assert people["color"].encode(torch.tensor([2.0])).tolist() == [[0, 0, 1]]
    assert people["Eyeglasses"].encode(torch.tensor([0.0, 1.0])).tolist() == [[-1], [1]]
    assert people["age"].encode(torch.tensor([0.0, 40.0, 80.0])).tolist() == [[-1], [0], [1]]
    for attribute in people:
        assert attribute.encode(torch.zeros(1)).shape == (1, attribute.width)


def test_schema_select_orders_and_refuses_repeats(people: Schema) -> None:
    assert people.select(["age", "GLASSES"]).names == ["age", "Eyeglasses"]
    for repeated in (["age", "age"], ["glasses", "Eyeglasses"]):
        with pytest.raises(RequestError, match="twice"):
            people.select(repeated)


def test_condition_round_trip_through_rows(people: Schema, condition: Condition) -> None:
    assert condition.rows() == ROWS
    again = Condition.of(people, condition.rows())
    assert again.present.equal(condition.present)
    assert again.rows() == ROWS
    assert condition.describe() == ["color=green, Eyeglasses=yes, age=30", "Eyeglasses=no"]


def test_free_condition_asks_for_nothing(people: Schema) -> None:
    free = Condition.free(people, 3)
    assert len(free) == 3
    assert not free.present.any()
    assert free.describe() == ["anything"] * 3


@pytest.mark.parametrize(
    "row", [{"colour": "red"}, {"colour": None}, {"color": "pink"}, {"Eyeglasses": "yes", "glasses": "no"}]
)
def test_condition_refuses_what_the_schema_does_not_have(people: Schema, row: dict[str, str | None]) -> None:
    with pytest.raises(RequestError):
        Condition.of(people, [row])


@pytest.mark.parametrize(
    ("index", "chosen"),
    [
        (slice(1, None), [1]),
        (torch.tensor([1, 0, 1]), [1, 0, 1]),
        (torch.tensor([True, False]), [0]),
    ],
)
def test_indexing_keeps_values_and_presence_together(condition: Condition, index: object, chosen: list[int]) -> None:
    assert condition[index].rows() == [ROWS[i] for i in chosen]


def test_cat_repeat_and_to(condition: Condition) -> None:
    assert Condition.cat([condition, condition[:1]]).rows() == [*ROWS, ROWS[0]]
    assert condition.repeat(2).rows() == [ROWS[0], ROWS[0], ROWS[1], ROWS[1]]
    assert condition.to("cpu").rows() == ROWS
    assert condition.device == torch.device("cpu")


def test_update_prefers_the_other_only_where_it_asks(people: Schema, condition: Condition) -> None:
    other = Condition.of(people, [{"color": "blue"}, {"age": 7}])
    assert condition.update(other).rows() == [
        {"color": "blue", "Eyeglasses": "yes", "age": "30"},
        {"color": None, "Eyeglasses": "no", "age": "7"},
    ]
    assert condition.rows() == ROWS


def test_drop_frees_only_what_is_masked(condition: Condition) -> None:
    mask = torch.tensor([[True, False, False], [False, True, False]])
    assert condition.drop(mask).describe() == ["Eyeglasses=yes, age=30", "anything"]


def test_select_reorders_values_and_presence_alike(condition: Condition) -> None:
    chosen = condition.select(["glasses", "age"])
    assert chosen.rows() == [{"Eyeglasses": "yes", "age": "30"}, {"Eyeglasses": "no", "age": None}]
    assert chosen.given("age").tolist() == [True, False]


def test_with_codes_gives_one_attribute(condition: Condition) -> None:
    given = condition.with_codes("color", torch.tensor([2.0, 0.0]))
    assert [r["color"] for r in given.rows()] == ["blue", "red"]
    assert [r["age"] for r in given.rows()] == ["30", None]


def test_complete_means_nothing_is_free(condition: Condition) -> None:
    assert condition[:1].complete
    assert not condition.complete


def test_an_alias_may_stand_for_several_values() -> None:
    body = Categorical(name="body", values=("SUV", "Coupe", "Convertible"), aliases={"sports car": "Coupe|Convertible"})
    assert body.codes("Sports_Car") == (1, 2)
    assert body.codes("SUV | Coupe") == (0, 1)
    with pytest.raises(RequestError, match=r"several values of 'body'"):
        body.parse("sports car")


def test_an_alias_of_a_number_may_stand_for_a_range() -> None:
    age = Continuous(name="age", low=0, high=80, aliases={"teenager": "13..19", "newborn": "0"})
    assert age.ends("Teenager") == ["13", "19"]
    assert age.parse("newborn") == 0.0


@pytest.mark.parametrize("alias", ["13..", "19..13", "1..2..3", "young"])
def test_an_alias_of_a_number_that_stands_for_nothing_is_refused(alias: str) -> None:
    with pytest.raises(ValueError, match="age"):
        Continuous(name="age", low=0, high=80, aliases={"teenager": alias})


def test_an_alias_of_several_values_must_name_values() -> None:
    with pytest.raises(ValueError, match="Lorry"):
        Categorical(name="body", values=("SUV", "Coupe"), aliases={"big": "SUV|Lorry"})
