"""Names of attributes are completed where they are keywords."""

import inspect
from dataclasses import dataclass
from typing import Any, Literal

from condgen.requests.completion import Completing
from condgen.schema import Categorical, Continuous, Flag, Schema


@dataclass
class Answering:
    schema: Schema

    @Completing
    def ask(self, /, n: int = 1, *, steps: int = 2, **attributes: Any) -> tuple[int, int, dict[str, Any]]:
        """What was asked."""
        return n, steps, attributes


def answering(*attributes: Any) -> Answering:
    return Answering(Schema(attributes=attributes))


def keywords(asked: Answering) -> list[str]:
    return list(inspect.signature(asked.ask).parameters)


def test_attributes_stand_among_the_keywords_of_a_bound_method(people: Schema) -> None:
    asked = Answering(people)
    assert keywords(asked) == ["n", "color", "Eyeglasses", "age", "steps", "attributes"]
    assert keywords(answering(Flag(name="happy"))) == ["n", "happy", "steps", "attributes"]
    assert list(inspect.signature(Answering.ask).parameters) == ["self", "n", "steps", "attributes"]


def test_a_signature_says_which_values_there_are(people: Schema) -> None:
    asked = inspect.signature(Answering(people).ask).parameters
    assert asked["color"].annotation == Literal["red", "green", "blue"]
    assert asked["Eyeglasses"].annotation == Literal["no", "yes"]
    assert ".." in asked["age"].annotation
    many = answering(Categorical(name="street", values=tuple(f"s{k}" for k in range(50))))
    assert inspect.signature(many.ask).parameters["street"].annotation == "s49"


def test_the_method_itself_is_unchanged(people: Schema) -> None:
    asked = Answering(people)
    assert asked.ask(3, color="red") == (3, 2, {"color": "red"})
    assert (asked.ask.__name__, asked.ask.__doc__) == ("ask", "What was asked.")


def test_names_that_are_no_keywords_get_one_that_means_the_same_or_are_left_out() -> None:
    odd = (Flag(name="5_o_Clock_Shadow"), Continuous(name="pH level", low=0, high=14), Flag(name="a+b"))
    assert keywords(answering(*odd)) == ["n", "_5_o_Clock_Shadow", "pH_level", "steps", "attributes"]


def test_attributes_named_as_words_of_python_can_be_asked_for() -> None:
    asked = answering(Flag(name="class"), Flag(name="attributes"), Flag(name="lambda"))
    assert keywords(asked) == ["n", "steps", "attributes"]
    assert asked.ask(**{"class": "yes", "attributes": "no"}) == (1, 2, {"class": "yes", "attributes": "no"})


def test_a_method_keeps_its_own_keywords() -> None:
    assert keywords(answering(Continuous(name="steps", low=0, high=9))) == ["n", "steps", "attributes"]
