import inspect
import json
from collections.abc import Callable
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field

from condgen.errors import RequestError
from condgen.parameters import keyword_arguments, validated, with_signature_of
from condgen.runs.train import split_arguments


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
    def __init__(self, fuel: str, *, power: Annotated[int, Field(ge=1)] = 5, noise: float = 0.1):
        self.fuel, self.power, self.noise = fuel, power, noise


def body(*, doors: "Literal['two', 'four']" = "two", noise: float = 0.7) -> None:
    """A part that shares an argument with another and has its type in quotes."""


def car() -> Callable[..., dict[str, Any]]:
    def assembled(name: str, *, wheels: int = 4, **arguments: Any) -> dict[str, Any]:
        """A car."""
        return {"name": name, "wheels": wheels, **arguments}

    return with_signature_of("car", assembled, Engine, body)


def test_a_function_takes_the_keyword_arguments_of_its_parts_and_no_others() -> None:
    assert keyword_arguments(car()) == {"wheels": 4, "power": 5, "noise": 0.7, "doors": "two"}
    kinds = {p.name: p.kind for p in inspect.signature(car()).parameters.values()}
    assert list(kinds) == ["name", "wheels", "power", "noise", "doors"]
    assert kinds["name"] is inspect.Parameter.POSITIONAL_OR_KEYWORD
    assert {kinds[name] for name in kinds if name != "name"} == {inspect.Parameter.KEYWORD_ONLY}


def test_a_function_with_parts_is_named_and_does_what_it_did() -> None:
    assert car().__name__ == car().__qualname__ == "car"
    assert car().__doc__ == "A car."
    assert car()("beetle", doors="two") == {"name": "beetle", "wheels": 4, "doors": "two"}


def test_arguments_of_parts_are_validated_like_its_own() -> None:
    complete = validated(car(), {"power": "7", "doors": "four", "wheels": 3})
    assert complete == {"wheels": 3, "power": 7, "noise": 0.7, "doors": "four"}
    assert car()("beetle", **complete)["power"] == 7


@pytest.mark.parametrize(
    ("given", "parts"),
    [
        ({"power": 0}, ["power=0", "car", "greater than or equal to 1"]),
        ({"doors": "tow"}, ["doors", "tow", "Did you mean two"]),
        ({"dors": 2}, ["dors", "Did you mean doors", "car"]),
        ({"fuel": "wood"}, ["fuel", "car"]),
        ({"arguments": {}}, ["arguments", "car"]),
    ],
)
def test_a_wrong_argument_of_a_part_is_named_and_explained(given: dict[str, object], parts: list[str]) -> None:
    with pytest.raises(RequestError) as caught:
        validated(car(), given)
    for part in parts:
        assert part in str(caught.value)


@pytest.mark.parametrize(("parts", "noise"), [((body, Engine), 0.1), ((Engine, body), 0.7), ((Engine,), 0.1)])
def test_of_parts_that_share_an_argument_the_last_gives_its_default(
    parts: tuple[Callable[..., Any], ...], noise: float
) -> None:
    assert keyword_arguments(with_signature_of("car", lambda **arguments: None, *parts))["noise"] == noise


def test_a_function_without_parts_takes_only_its_own() -> None:
    assert keyword_arguments(with_signature_of("car", lambda name, *, wheels=4, **arguments: None)) == {"wheels": 4}


def test_several_values_in_a_text_are_separated_by_commas() -> None:
    chosen = split_arguments("projection", {"augment": " translation, cutout", "transition": "10,20", "embedding": 4})[
        0
    ]
    assert chosen["augment"] == ("translation", "cutout")
    assert chosen["transition"] == (10, 20)
    assert split_arguments("projection", {"augment": ["color"]})[0]["augment"] == ("color",)
    with pytest.raises(RequestError, match="Did you mean translation"):
        split_arguments("projection", {"augment": "tranlation"})
