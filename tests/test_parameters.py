import inspect
import json
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field

from condgen.errors import RequestError
from condgen.parameters import (
    Described,
    Listed,
    Needs,
    OfData,
    Part,
    Setting,
    composed,
    described,
    keyword_arguments,
    used,
    validated,
    values_of,
)
from condgen.runs.arguments import split_arguments


def train(
    data: str,
    *,
    lr: Annotated[float, Field(gt=0)] = 1e-3,
    widths: tuple[int, ...] = (8, 16),
    mode: Literal["plain", "fancy"] = "plain",
    budget: float | None = None,
    model_copy: bool = False,
) -> None:
    """Something with arguments."""


def strict(*, depth: int) -> None:
    """Something whose argument has no default."""


DEFAULTS = {"lr": 1e-3, "widths": (8, 16), "mode": "plain", "budget": None, "model_copy": False}


def test_keyword_only_arguments_are_the_configuration() -> None:
    assert keyword_arguments(train) == DEFAULTS


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, {}),
        ({"lr": "0.1"}, {"lr": 0.1}),
        ({"lr": 1}, {"lr": 1.0}),
        ({"widths": [1, "2"]}, {"widths": (1, 2)}),
        ({"budget": "3"}, {"budget": 3.0}),
        ({"budget": None}, {"budget": None}),
        ({"model_copy": "true"}, {"model_copy": True}),
        ({"mode": "fancy"}, {"mode": "fancy"}),
    ],
)
def test_given_values_are_converted_and_the_rest_defaulted(
    given: dict[str, object], expected: dict[str, object]
) -> None:
    assert validated(train, given) == DEFAULTS | expected


def test_arguments_survive_json() -> None:
    complete = validated(train, {"widths": (4,), "lr": 0.5})
    assert validated(train, json.loads(json.dumps(complete))) == complete


@pytest.mark.parametrize(
    ("given", "parts"),
    [
        ({"lrr": 1}, ["lrr", "Did you mean lr", "train"]),
        ({"data": "x"}, ["data", "train"]),
        ({"lr": -1}, ["lr=-1", "train", "greater than 0"]),
        ({"lr": "fast"}, ["lr='fast'", "train", "number"]),
        ({"mode": "plian"}, ["mode", "plian", "Did you mean plain"]),
        ({"widths": [1, "two"]}, ["widths.1='two'", "integer"]),
        ({"model_copy": "perhaps"}, ["model_copy='perhaps'"]),
    ],
)
def test_a_wrong_argument_is_named_and_explained(given: dict[str, object], parts: list[str]) -> None:
    with pytest.raises(RequestError) as caught:
        validated(train, given)
    for part in parts:
        assert part in str(caught.value)


def test_a_missing_argument_is_named() -> None:
    assert validated(strict, {"depth": "3"}) == {"depth": 3}
    with pytest.raises(RequestError, match=r"depth of strict is missing"):
        validated(strict, {})


class Engine:
    def __init__(
        self,
        fuel: str,
        power: Annotated[int, Field(ge=1), Setting("Its power.")] = 5,
        noise: Annotated[float, Setting("Its noise.", name="engine_noise")] = 0.1,
    ):
        self.fuel, self.power, self.noise = fuel, power, noise


@dataclass(frozen=True)
class Body:
    doors: Annotated[Literal["two", "four"], Setting("Its doors.")] = "two"
    roof: Annotated[bool, Setting("Whether it has a roof.", part="comfort")] = True
    sunroof: Annotated[bool, Setting("Whether the roof opens."), Needs(roof=True)] = False


class Roadster:
    def __init__(self, fuel: str, revs: Annotated[int, Setting("Its revolutions.")] = 9):
        self.fuel, self.revs = fuel, revs


def assembled(
    name: str, *, wheels: Annotated[int, Setting("Its wheels.")] = 4, body: Body, engine: Annotated[Any, Part(Engine)]
) -> dict[str, Any]:
    """A car."""
    return {"name": name, "wheels": wheels, "body": body, "engine": engine("petrol")}


car = composed("car", power=6)(assembled)


def test_a_function_takes_the_settings_of_its_parts_and_no_others() -> None:
    assert keyword_arguments(car) == {
        "wheels": 4,
        "doors": "two",
        "roof": True,
        "sunroof": False,
        "power": 6,  # as this car has it
        "engine_noise": 0.1,
    }
    kinds = {p.name: p.kind for p in inspect.signature(car).parameters.values()}
    assert kinds.pop("name") is inspect.Parameter.POSITIONAL_OR_KEYWORD
    assert set(kinds.values()) == {inspect.Parameter.KEYWORD_ONLY}


def test_parts_are_handed_over_ready_made_or_to_be_called() -> None:
    made = car("beetle", doors="four", engine_noise=0.7)
    assert (made["name"], made["wheels"], made["body"]) == ("beetle", 4, Body("four"))
    assert vars(made["engine"]) == {"fuel": "petrol", "power": 6, "noise": 0.7}
    assert (car.__name__, car.__qualname__, car.__doc__) == ("car", "car", "A car.")


def test_another_part_may_take_a_place() -> None:
    other = composed("roadster", "A fast car.", {"engine": Roadster})(assembled)
    assert {"revs"} == set(keyword_arguments(other)) - set(keyword_arguments(car))
    assert other("z4", revs=12)["engine"].revs == 12
    assert other.__doc__ == "A fast car.\n\nA car."


def test_settings_of_parts_are_validated_like_its_own() -> None:
    complete = validated(car, {"power": "7", "doors": "four", "wheels": 3})
    assert (complete["power"], complete["doors"], complete["wheels"]) == (7, "four", 3)
    assert car("beetle", **complete)["engine"].power == 7


@pytest.mark.parametrize(
    ("given", "parts"),
    [
        ({"power": 0}, ["power=0", "car", "greater than or equal to 1"]),
        ({"doors": "tow"}, ["doors", "tow", "Did you mean two"]),
        ({"dors": 2}, ["dors", "Did you mean doors", "car"]),
        ({"noise": 2}, ["noise", "engine_noise", "car"]),
        ({"fuel": "wood"}, ["fuel", "car"]),
        ({"body": {}}, ["body", "car"]),
    ],
)
def test_a_wrong_setting_of_a_part_is_named_and_explained(given: dict[str, object], parts: list[str]) -> None:
    with pytest.raises(RequestError) as caught:
        validated(car, given)
    for part in parts:
        assert part in str(caught.value)


# ---- none is swallowed

SMALL = OfData("much data", "there is little", lambda schema, shape: shape[0] > 10)


def needy(
    *,
    mode: Literal["plain", "fancy"] = "plain",
    frills: Annotated[int, Needs(mode="fancy")] = 3,
    r1: float = 0.0,
    r2: float = 0.0,
    every: Annotated[int, Needs(r1=0.5, r2=0.5)] = 8,
    left: str | None = None,
    both: Annotated[str, Needs(left=None)] = "x",
    size: Annotated[int, SMALL] = 2,
) -> None:
    """Something with arguments that need others."""


@pytest.mark.parametrize(
    ("given", "counting"),
    [
        ({}, {"r1", "r2", "mode", "left", "both", "size"}),
        ({"mode": "fancy", "frills": "5"}, {"r1", "r2", "mode", "frills", "left", "both", "size"}),
        ({"r2": 0.1}, {"r1", "r2", "every", "mode", "left", "both", "size"}),
        ({"left": "y"}, {"r1", "r2", "mode", "left", "size"}),
    ],
)
def test_arguments_that_count_are_kept(given: dict[str, object], counting: set[str]) -> None:
    assert set(used(needy, given)) == counting


@pytest.mark.parametrize(
    ("given", "parts"),
    [
        ({"frills": 3}, ["frills of needy", "mode=fancy", "mode=plain", "set `mode='fancy'`", "leave out `frills`"]),
        ({"every": 2}, ["every of needy", "r1 or r2", "r1=0 and r2=0", "set `r1=0.5` or set `r2=0.5`"]),
        ({"left": "y", "both": "z"}, ["both of needy", "no left", "left=y", "leave out `left`"]),
    ],
)
def test_an_argument_that_would_change_nothing_is_an_error_even_at_its_default(
    given: dict[str, object], parts: list[str]
) -> None:
    with pytest.raises(RequestError) as caught:
        used(needy, given)
    for part in parts:
        assert part in str(caught.value)
    culprit = list(given)[-1]
    assert culprit not in used(needy, given, strict=False)


def test_what_only_the_data_tells_is_judged_when_it_is_known() -> None:
    assert used(needy, {"size": 3})["size"] == 3
    assert used(needy, {"size": 3}, (None, (11,)))["size"] == 3
    assert "size" not in used(needy, {}, (None, (5,)))
    with pytest.raises(RequestError, match="size of needy is for much data, and there is little; leave out `size`"):
        used(needy, {"size": 3}, (None, (5,)))


# ---- described


def test_settings_are_described_part_by_part() -> None:
    found = {each.name: each for each in described(car)}
    assert [(each.name, each.part) for each in found.values()] == [
        ("wheels", "car"),
        ("doors", "body"),
        ("sunroof", "body"),
        ("roof", "comfort"),
        ("power", "engine"),
        ("engine_noise", "engine"),
    ]
    assert found["power"] == Described("power", "engine", 6, "a whole number at least 1", "Its power.", ())
    assert (found["doors"].values, found["sunroof"].needs) == ("two, four", ("roof",))


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (int, "a whole number"),
        (Annotated[float, Field(gt=0, le=1)], "a number above 0 and at most 1"),
        (Annotated[int, Field(ge=1)] | None, "a whole number at least 1"),
        (bool, "true, false"),
        (str | None, "a text"),
        (Literal["a", "b"] | None, "a, b"),
        (Annotated[tuple[Literal["a", "b"], ...], Listed], "any of: a, b"),
        (tuple[int, int], "2 of: a whole number"),
    ],
)
def test_the_values_of_a_type_are_said_in_words(kind: Any, words: str) -> None:
    assert values_of(kind) == words


def test_several_values_in_a_text_are_separated_by_commas() -> None:
    chosen = split_arguments("projection", {"augment": " translation, cutout", "transition": "10,20", "embedding": 4})[
        0
    ]
    assert chosen["augment"] == ("translation", "cutout")
    assert chosen["transition"] == (10, 20)
    assert split_arguments("projection", {"augment": ["color"]})[0]["augment"] == ("color",)
    with pytest.raises(RequestError, match="Did you mean translation"):
        split_arguments("projection", {"augment": "tranlation"})
