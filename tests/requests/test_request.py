import numpy as np
import pytest
import torch

from condgen.errors import RequestError
from condgen.requests.request import MOST_WORDS, parse_requests
from condgen.rng import Rng
from condgen.schema import Between, Categorical, Condition, Continuous, Flag, LabelDistribution, OneOf, Schema

SCHEMA = Schema(
    attributes=(
        Categorical(name="digit", values=tuple("0123456789")),
        Categorical(name="color", values=("red", "green", "light blue"), aliases={"crimson": "red"}),
        Categorical(name="hair color", values=("red", "black", "dark|light"), synonyms=("hair",)),
        Flag(name="Male"),
        Flag(name="Eyeglasses", synonyms=("glasses",), aliases={"bespectacled": "yes"}),
        Continuous(name="age", low=-10, high=80),
    )
)


def between(low: float, high: float) -> Between:
    return Between(float(low), float(high))


def one(asked: object, schema: Schema = SCHEMA) -> dict[str, object]:
    (request,) = parse_requests(asked, schema)  # type: ignore[arg-type]
    return dict(request.constraints)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("", {}),
        ("  ", {}),
        ("digit=7", {"digit": OneOf((7,))}),
        ("DIGIT = 7.0", {"digit": OneOf((7,))}),
        ("digit=3|5", {"digit": OneOf((3, 5))}),
        ("digit=3..5", {"digit": OneOf((3, 4, 5))}),
        ("digit=1 | 7.5..9", {"digit": OneOf((1, 8, 9))}),
        ("digit!=0..8", {"digit": OneOf((9,), negated=True)}),
        ("digit= 3 | 3 | 5 ", {"digit": OneOf((3, 5))}),
        ("color!=red", {"color": OneOf((1, 2), negated=True)}),
        ("color != red|green", {"color": OneOf((2,), negated=True)}),
        ("color=crimson", {"color": OneOf((0,))}),
        ("color=Light_Blue", {"color": OneOf((2,))}),
        ("Male!=yes", {"Male": OneOf((0,), negated=True)}),
        ("glasses=no", {"Eyeglasses": OneOf((0,))}),
        ("Male=-1", {"Male": OneOf((0,))}),
        ("age=30", {"age": between(30, 30)}),
        ("age=20..30", {"age": between(20, 30)}),
        ("age = 20 .. 30.5", {"age": between(20, 30.5)}),
        ("age=-5..-1", {"age": between(-5, -1)}),
        ("age>30", {"age": between(30, 80)}),
        ("age >= 30.5", {"age": between(30.5, 80)}),
        ("age≥-5 Male=yes", {"age": between(-5, 80), "Male": OneOf((1,))}),
        ("glasses AGE<30", {"Eyeglasses": OneOf((1,)), "age": between(-10, 30)}),
        ("age<=90", {"age": between(-10, 80)}),
        ("age ≤ .5", {"age": between(-10, 0.5)}),
        ("7", {"digit": OneOf((7,))}),
        ("Eyeglasses", {"Eyeglasses": OneOf((1,))}),
        ("glasses", {"Eyeglasses": OneOf((1,))}),
        ("bespectacled", {"Eyeglasses": OneOf((1,))}),
        ("light blue hair=black", {"color": OneOf((2,)), "hair color": OneOf((1,))}),
        ("7, glasses", {"digit": OneOf((7,)), "Eyeglasses": OneOf((1,))}),
        ("7; glasses\nage=3", {"digit": OneOf((7,)), "Eyeglasses": OneOf((1,)), "age": between(3, 3)}),
        ("Male=yes, glasses=no,age=1..2", {"Male": OneOf((1,)), "Eyeglasses": OneOf((0,)), "age": between(1, 2)}),
        ("Male=yes age=20", {"Male": OneOf((1,)), "age": between(20, 20)}),
        ("color=light blue age = 20", {"color": OneOf((2,)), "age": between(20, 20)}),
        ("glasses color!=red", {"Eyeglasses": OneOf((1,)), "color": OneOf((1, 2), negated=True)}),
        ("hair color=black", {"hair color": OneOf((1,))}),
        ("age=3 Hair_Color = black", {"age": between(3, 3), "hair color": OneOf((1,))}),
        ("glasses hair color=red age=3", {"Eyeglasses": OneOf((1,)), "hair color": OneOf((0,)), "age": between(3, 3)}),
        ("hair=dark|light", {"hair color": OneOf((2,))}),
        ({"digit": 7}, {"digit": OneOf((7,))}),
        ({"digit": 7.0, "Male": True}, {"digit": OneOf((7,)), "Male": OneOf((1,))}),
        ({"Male": -1}, {"Male": OneOf((0,))}),
        ({"digit": [3, "5"]}, {"digit": OneOf((3, 5))}),
        ({"digit": range(2)}, {"digit": OneOf((0, 1))}),
        ({"digit": "3|5", "age": None}, {"digit": OneOf((3, 5))}),
        ({"age": 30}, {"age": between(30, 30)}),
        ({"age": (20, 30)}, {"age": between(20, 30)}),
        ({"age": [20.5]}, {"age": between(20.5, 20.5)}),
        ({"age": "20..30"}, {"age": between(20, 30)}),
        ({"age": np.array([20, 30])}, {"age": between(20, 30)}),
        ({"age": np.float32(20)}, {"age": between(20, 20)}),
        ({"digit": np.array([3, 5])}, {"digit": OneOf((3, 5))}),
        ({"digit": {"not": torch.tensor([3, 5])}}, {"digit": OneOf((0, 1, 2, 4, 6, 7, 8, 9), negated=True)}),
        ({"Male": np.array(["yes"])}, {"Male": OneOf((1,))}),
        ({}, {}),
    ],
)  # fmt: skip
def test_what_a_person_types_or_passes(asked: object, expected: dict[str, object]) -> None:
    assert one(asked) == expected


@pytest.mark.parametrize("asked", ["digit=*", {"digit": "*"}])
def test_star_is_one_request_per_value(asked: object) -> None:
    several = parse_requests(asked, SCHEMA)  # type: ignore[arg-type]
    assert [r.constraints["digit"] for r in several] == [OneOf((k,)) for k in range(10)]
    assert [r.text for r in several][:2] == ["digit=0", "digit=1"]


def test_two_stars_are_every_combination() -> None:
    assert [r.text for r in parse_requests("Male=*, glasses=*, age=3", SCHEMA)] == [
        "Male=no, Eyeglasses=no, age=3",
        "Male=no, Eyeglasses=yes, age=3",
        "Male=yes, Eyeglasses=no, age=3",
        "Male=yes, Eyeglasses=yes, age=3",
    ]


@pytest.mark.parametrize(
    "text", ["anything", "digit=7", "digit=3|5", "color!=red", "color!=red|green", "age=20..30", "age=30", "Male=no"]
)
def test_a_requests_text_says_what_was_asked(text: str) -> None:
    (request,) = parse_requests("" if text == "anything" else text, SCHEMA)
    assert request.text == text


@pytest.mark.parametrize(
    ("asked", "parts"),
    [
        ("digt=7", ["digt", "Did you mean digit"]),
        ({"digt": 7}, ["digt", "Did you mean digit"]),
        ({"digt": None}, ["digt", "Did you mean digit"]),
        ("hair colr=red", ["Unknown attribute 'hair colr'. Did you mean hair color"]),
        ("shape kind=x", ["Unknown attribute 'shape kind'"]),
        ("with glases on=yes", ["Unknown attribute 'with glases on'"]),
        ("glasses digt=7", ["Unknown attribute 'digt'. Did you mean digit"]),
        ("digit=11", ["'digit'", "11"]),
        ("digit=", ["'digit'", "0, 1, 2"]),
        ("digit=5..3", ["'digit=5..3' is an empty range: 5 is above 3"]),
        ("digit=20..30", ["range of 'digit'", "'20..30'", "0, 1, 2"]),
        ("color=gren", ["'color'", "green"]),
        ("color=red|gren", ["'color'", "'gren'", "green"]),
        ("Male=maybe", ["'Male'", "yes"]),
        ("digit!=0|1|2|3|4|5|6|7|8|9", ["digit", "excludes every value"]),
        ("color!=*", ["color", "excludes every value"]),
        ({"digit": []}, ["digit", "digit=9"]),
        ("age=30..20", ["age=30..20", "30 is above 20"]),
        ({"age": (30, 20)}, ["age", "30 is above 20"]),
        ("age=90", ["age=90", "-10 to 80", "extrapolat"]),
        ("age=20..90", ["-10 to 80", "extrapolat"]),
        ("age=20..", ["age=20..", "range such as"]),
        ("age=1..2..3", ["1..2..3", "range such as"]),
        ("age=", ["age", "range such as"]),
        ("age=*", ["age", "range such as"]),
        ("age!=3", ["age!=3", "range such as"]),
        ("age=1|2", ["age=1|2", "range such as"]),
        ("age=young", ["young", "-10 to 80"]),
        ({"age": []}, ["age", "range such as"]),
        ({"age": (1, 2, 3)}, ["age", "range such as"]),
        ("age>90", ["age>90 is out of range", "-10 to 80"]),
        ("age>old", ["'old' is not a number"]),
        ("digit>5", ["'digit>5' cannot be asked", "digit=6..9."]),
        ("digit >= 9", ["digit=9."]),
        ("digit<=5", ["digit=0..5."]),
        ("digit>9", ["'digit>9'", "as in digit=1|2."]),
        ("color<red", ["'color<red'", "as in color=green|light blue."]),
        ("Male>0", ["as in Male=yes."]),
        ("digt>5", ["'digt'", "Did you mean digit"]),
        ("> 30", ["In '> 30', > must stand between the name of a number and a number"]),
        ("age>20, age<30", ["'age' is asked for twice", "give one number or range"]),
        ("digit=1, digit=2", ["'digit' is asked for twice", "|"]),
        ("3, digit=2", ["'digit' is asked for twice"]),
        ({"glasses": "yes", "Eyeglasses": "no"}, ["'Eyeglasses' is asked for twice"]),
        ("red", ["'red' could mean color=red or hair color=red"]),
        ("glases", ["glases", "glasses"]),
        ("gren", ["gren", "Did you mean green"]),
        ("age", ["'age' needs a value", "age=12.5..57.5"]),
        ("color", ["'color' needs a value", "color="]),
        ("xyzzy", ["xyzzy", "Valid:"]),
        ("Male=yes hair colr=red", ["'yes hair'", "a comma is missing: Male=yes, hair…"]),
        ("color=light blue Male", ["'light blue Male'", "a comma is missing: color=light blue, Male…"]),
        ("age>3 glasses", ["a comma is missing: age>3, glasses…"]),
    ],
)
def test_a_wrong_request_is_explained(asked: object, parts: list[str]) -> None:
    with pytest.raises(RequestError) as caught:
        parse_requests(asked, SCHEMA)  # type: ignore[arg-type]
    for part in parts:
        assert part in str(caught.value)
    assert caught.value.exit_status == 2


def test_no_comma_is_missed_in_a_mapping_in_a_misspelt_value_and_among_many_words() -> None:
    for asked in ({"color": "red Male"}, "color=lite blue", "color=red" + " Male" * MOST_WORDS):
        with pytest.raises(RequestError, match="Unknown value") as caught:
            parse_requests(asked, SCHEMA)
        assert "comma" not in str(caught.value)


QUOTED = Schema(
    attributes=(
        Categorical(
            name="shape", values=("round, large", "a|b", '5" wide', '"so, called"', "see x=1", "plain", "two\nlines")
        ),
        Flag(name="big"),
        Continuous(name="age", low=0, high=100),
    )
)


@pytest.mark.parametrize(
    ("asked", "codes"),
    [
        ('shape="round, large"', (0,)),
        ('big=yes shape = "round, large" | plain, age=3', (0, 5)),
        ('shape!="round, large";big=yes', (1, 2, 3, 4, 5, 6)),
        ('shape="a|b" big=yes', (1,)),
        ('shape=5" wide', (2,)),
        ('shape="""so, called"""', (3,)),
        ('shape="see x=1"|"plain"', (4, 5)),
    ],
)
def test_values_in_quotes_are_read_as_they_stand(asked: str, codes: tuple[int, ...]) -> None:
    found = one(asked, QUOTED)["shape"]
    assert isinstance(found, OneOf)
    assert found.codes == codes


@pytest.mark.parametrize("value", QUOTED["shape"].choices)
@pytest.mark.parametrize("several", [False, True])
def test_the_text_of_any_value_can_be_asked_again(value: str, several: bool) -> None:
    for excluded in (False, True):
        names = [value, "plain"] if several else value
        (request,) = parse_requests({"shape": {"not": names} if excluded else names, "big": "yes"}, QUOTED)
        assert one(request.text, QUOTED) == request.constraints


def test_an_unknown_value_in_quotes_is_named_whole() -> None:
    with pytest.raises(RequestError, match=r"'round, lage'\. Did you mean round, large"):
        parse_requests('shape="round, lage"', QUOTED)


def test_extrapolation_is_allowed_on_demand() -> None:
    (request,) = parse_requests("age=90..100", SCHEMA, extrapolate=True)
    assert request.constraints == {"age": between(90, 100)}


def test_what_no_model_takes_is_never_in_range_and_a_bound_as_it_is_shown_always_is() -> None:
    for extrapolate in (False, True):
        with pytest.raises(RequestError, match=r"out of range: .*Ask within the range\.$"):
            parse_requests({"age": 1e39}, SCHEMA, extrapolate=extrapolate)
    sold = Schema(attributes=(Continuous(name="price", low=1_000, high=1_996_058),))
    (request,) = parse_requests("price>=1.99606e+06", sold)
    assert request.constraints == {"price": between(1_996_058, 1_996_058)}
    with pytest.raises(RequestError, match=r"age<=-20 is out of range.*give both ends"):
        parse_requests("younger than -20", SCHEMA, extrapolate=True)


def test_one_end_of_a_range_may_lie_beyond_the_data() -> None:
    (request,) = parse_requests("age<=90", SCHEMA, extrapolate=True)
    assert request.constraints == {"age": between(-10, 90)}
    with pytest.raises(RequestError, match="give both ends"):
        parse_requests("age>90", SCHEMA, extrapolate=True)


SIGNED = Schema(
    attributes=(
        Continuous(name="age", low=0, high=90),
        Categorical(name="income", values=("<=50K", ">50K"), aliases={"a > b": "<=50K"}),
        Flag(name="age<5"),
        Categorical(name="p>q", values=("x<y", "z")),
    )
)


@pytest.mark.parametrize(
    ("asked", "text"),
    [
        ("income=>50K", "income=>50K"),
        ("income = <=50K", "income=<=50K"),
        (">50K", "income=>50K"),
        ("<=50K, age>60", "income=<=50K, age=60..90"),
        ("a > b", "income=<=50K"),
        ("age<5", "age<5=yes"),
        ("age<5=no age<50", "age<5=no, age=0..50"),
        ("p>q = x<y", "p>q=x<y"),
        ("p>q=z age>5", "p>q=z, age=5..90"),
        ("x<y", "p>q=x<y"),
        ("a person with x<y", "p>q=x<y"),
    ],
)
def test_names_with_signs_of_comparison_are_names(asked: str, text: str) -> None:
    assert [request.text for request in parse_requests(asked, SIGNED)] == [text]


def test_an_empty_schema_answers_only_the_empty_request() -> None:
    assert one("", Schema()) == {}
    with pytest.raises(RequestError):
        parse_requests("digit=7", Schema())


def flags_joint(n: int = 5) -> LabelDistribution:
    schema = Schema(attributes=tuple(Flag(name=f"f{k}") for k in range(n)))
    return LabelDistribution.of(Condition.of(schema, [dict.fromkeys(schema.names, "no")]))


@pytest.mark.parametrize("k", range(5))
def test_field_defect_1_asking_for_column_k_does_not_set_column_0(k: int) -> None:
    joint = flags_joint()
    (request,) = parse_requests(f"f{k}=yes", joint.schema)
    condition = request.draw(joint, Rng([0, 1]), fill=False)
    assert condition.rows() == [{f"f{j}": "yes" if j == k else None for j in range(5)}] * 2
    assert condition.present.nonzero()[:, 1].tolist() == [k, k]


def test_asking_for_several_flags_sets_just_those() -> None:
    joint = flags_joint()
    (request,) = parse_requests("f4, f1=yes, f2=no", joint.schema)
    (row,) = request.draw(joint, Rng([0]), fill=False).rows()
    assert row == {"f0": None, "f1": "yes", "f2": "no", "f3": None, "f4": "yes"}
    (row,) = request.draw(joint, Rng([0])).rows()
    assert row == {"f0": "no", "f1": "yes", "f2": "no", "f3": "no", "f4": "yes"}


def test_every_value_asked_for_by_name_gets_its_own_code() -> None:
    joint = LabelDistribution.of(
        Condition.of(SCHEMA, [{"digit": 0, "color": "red", "hair color": "red", "Male": 0, "glasses": 0}])
    )
    drawn = Condition.cat([r.draw(joint, Rng([0])) for r in parse_requests("digit=*", SCHEMA)])
    assert drawn.values["digit"].equal(torch.arange(10.0))


def test_an_alias_of_several_values_or_a_range_is_asked_for_precisely_too() -> None:
    schema = Schema(
        attributes=(
            Categorical(
                name="body", values=("SUV", "Coupe", "Convertible"), aliases={"sports car": "Coupe|Convertible"}
            ),
            Continuous(name="age", low=0, high=80, aliases={"teenager": "13..19"}),
        )
    )
    assert one("body=sports car, age=teenager", schema) == {"body": OneOf((1, 2)), "age": between(13, 19)}
    assert one("body!=sports car", schema) == {"body": OneOf((0,), negated=True)}
    assert one({"body": ["SUV", "sports car"]}, schema) == {"body": OneOf((0, 1, 2))}


def test_what_was_filled_in_can_be_told_from_what_was_asked() -> None:
    (request,) = parse_requests("digit=7, Male=yes", SCHEMA)
    row = {"digit": "7", "color": "red", "hair color": "black", "Male": True, "Eyeglasses": False, "age": 30}
    (asked,) = request.asked_of(Condition.of(SCHEMA, [row])).rows()
    assert {name for name, value in asked.items() if value is not None} == {"digit", "Male"}


def test_the_text_of_a_request_that_asks_for_nothing_is_one(people: Schema) -> None:
    (nothing,) = parse_requests({}, people)
    (again,) = parse_requests(nothing.text, people)
    assert (nothing.text, again.text, again.constraints) == ("anything", "anything", {})
    named = Schema(attributes=(Categorical(name="wish", values=("anything", "everything")),))
    assert parse_requests("anything", named)[0].text == "wish=anything"
