import pytest

from condgen.requests.request import parse_requests
from condgen.requests.text import stem, tokens, vocabulary
from condgen.schema import Categorical, Continuous, Flag, Schema

FLAGS = [
    (entry["names"][0], side, word)
    for entry in vocabulary()["flags"]
    for side in ("yes", "no")
    for word in entry.get(side, [])
]


@pytest.mark.parametrize(("name", "side", "word"), FLAGS)
def test_every_word_for_a_flag_asks_for_its_side(name: str, side: str, word: str) -> None:
    (request,) = parse_requests(f"a photo with {word}", Schema(attributes=(Flag(name=name),)))
    assert request.text == f"{name}={side}"


@pytest.mark.parametrize(("word", "values"), vocabulary()["values"].items())
def test_every_word_for_values_asks_for_them(word: str, values: list[str]) -> None:
    schema = Schema(attributes=(Categorical(name="kind", values=("something else", *values)),))
    (request,) = parse_requests(f"the {word}", schema)
    assert request.text == f"kind={'|'.join(values)}" or word in values


def test_every_word_for_a_range_asks_for_a_part_of_it() -> None:
    age = Schema(attributes=(Continuous(name="age", low=0, high=100),))
    for word in vocabulary()["numbers"][0]["words"]:
        (request,) = parse_requests(f"a {word}", age)
        assert request.text.startswith("age=")


@pytest.mark.parametrize(
    ("words", "root"),
    [
        (("smile", "smiles", "smiling", "smiled"), "smil"),
        (("beard", "beards", "bearded"), "beard"),
        (("grin", "grinning"), "grin"),
        (("lady", "ladies"), "lady"),
        (("dress", "dresses"), "dress"),
        (("gray", "grey"), "gray"),
        (("man", "men"), "man"),
        (("king",), "king"),
        (("red",), "red"),
        (("bus",), "bus"),
    ],
)
def test_inflections_share_a_stem(words: tuple[str, ...], root: str) -> None:
    assert {stem(word) for word in words} == {root}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A blue-eyed Café", ["a", "blue", "eyed", "cafe"]),
        ("isn't 5_o_Clock", ["is", "not", "5", "o", "clock"]),
        ("20..30 -5 1.5", ["20..30", "-5", "1.5"]),
        ("20-30, 20 to 30", ["20..30", "20..30"]),
        ("in his 40s or the 1990s", ["in", "his", "40..49", "or", "the", "1990..1999"]),
        ("3|5", ["3", "or", "5"]),
        ("4x4", ["4x4"]),
    ],
)
def test_texts_are_taken_apart(text: str, expected: list[str]) -> None:
    assert tokens(text) == expected
