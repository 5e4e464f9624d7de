import json
from typing import Annotated, Literal

import pytest
from pydantic import Field

from condgen.arguments import keyword_arguments, validated
from condgen.errors import RequestError


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
