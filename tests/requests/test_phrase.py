import pytest

from condgen.errors import RequestError
from condgen.requests import embedding, phrase
from condgen.requests.request import Request, parse_requests
from condgen.schema import Between, Categorical, Continuous, Flag, Schema

FACES = Schema(
    attributes=tuple(
        Flag(name=name)
        for name in (
            "5_o_Clock_Shadow", "Bald", "Blond_Hair", "Eyeglasses", "Gray_Hair", "Male", "Mouth_Slightly_Open",
            "Mustache", "No_Beard", "Smiling", "Wearing_Hat", "Young",
        )
    )
)  # fmt: skip
CARS = Schema(
    attributes=(
        Categorical(name="color", values=("blue", "green", "grey", "red")),
        Categorical(name="body", values=("Convertible", "Coupe", "SUV", "Wagon")),
        Categorical(name="make", values=("Land", "Mercedes-Benz", "smart")),
        Continuous(name="year", low=1991, high=2012),
    )
)
WEATHER = Schema(attributes=(Continuous(name="temperature", low=-30, high=40),))
DIGITS = Schema(attributes=(Categorical(name="digit", values=tuple("0123456789")),))
PEOPLE = Schema(
    attributes=(
        Categorical(name="gender", values=("female", "male")),
        Continuous(name="age", low=1, high=90, aliases={"student": "18..30"}),
        Categorical(name="hair color", synonyms=("hair",), values=("black", "gray", "red")),
        Categorical(name="shirt", values=("blue", "red"), aliases={"uniform": "blue|red"}),
        Flag(name="Eyeglasses", aliases={"sharp-eyed": "no"}),
    )
)


@pytest.fixture(autouse=True)
def _nothing_is_guessed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedding, "installed", lambda: False)


def one(asked: str, schema: Schema, extrapolate: bool = False) -> Request:
    (request,) = parse_requests(asked, schema, extrapolate)
    return request


@pytest.mark.parametrize(
    ("asked", "understood"),
    [
        ("temperature -10 to -5", "temperature=-10..-5"),
        ("temperature -10--5", "temperature=-10..-5"),
        ("temperature between -10 and 5", "temperature=-10..5"),
        ("temperature 10-5", "temperature=5..10"),
        ("a temperature of -5", "temperature=-5"),
    ],
)
def test_numbers_may_be_negative(asked: str, understood: str) -> None:
    assert one(asked, WEATHER).text == understood


@pytest.mark.parametrize(
    ("asked", "understood"),
    [
        ("old man with glasses", "Young=no, Male=yes, Eyeglasses=yes"),
        ("an old man wearing glasses", "Young=no, Male=yes, Eyeglasses=yes"),
        ("a young woman without glasses", "Young=yes, Male=no, Eyeglasses=no"),
        ("not smiling", "Smiling=no"),
        ("a woman who isn't smiling", "Male=no, Smiling=no"),
        ("a non-smiling lady", "Smiling=no, Male=no"),
        ("smiles", "Smiling=yes"),
        ("A photo of a SMILING girl with a hat", "Smiling=yes, Male=no, Wearing_Hat=yes"),
        ("men", "Male=yes"),
        ("bearded man", "No_Beard=no, Male=yes"),
        ("a man with no beard", "Male=yes, No_Beard=yes"),
        ("a man without a beard", "Male=yes, No_Beard=yes"),
        ("a clean-shaven man", "No_Beard=yes, Male=yes"),
        ("not clean-shaven", "No_Beard=no"),
        ("blonde-haired guy", "Blond_Hair=yes, Male=yes"),
        ("grey hair and a moustache", "Gray_Hair=yes, Mustache=yes"),
        ("with a five o'clock shadow", "5_o_Clock_Shadow=yes"),
        ("with her mouth open", "Mouth_Slightly_Open=yes"),
        ("mouth slightly open", "Mouth_Slightly_Open=yes"),
        ("neither smiling nor wearing a hat", "Smiling=no, Wearing_Hat=no"),
        ("without glasses or hat", "Eyeglasses=no, Wearing_Hat=no"),
        ("without glasses but with a hat", "Eyeglasses=no, Wearing_Hat=yes"),
        ("man or woman, smiling", "Male=yes|no, Smiling=yes"),
        ("old man, Smiling=no", "Young=no, Male=yes, Smiling=no"),
    ],
)
def test_words_about_faces(asked: str, understood: str) -> None:
    assert one(asked, FACES).text == understood


@pytest.mark.parametrize(
    ("asked", "understood"),
    [
        ("a red sports car", "color=red, body=Convertible|Coupe"),
        ("not a sports car", "body!=Convertible|Coupe"),
        ("a blue or green car", "color=blue|green"),
        ("neither red nor blue", "color!=blue|red"),
        ("not red but blue", "color=blue"),
        ("a gray station wagon", "color=grey, body=Wagon"),
        ("grey coloured SUVs", "color=grey, body=SUV"),
        ("a mercedes-benz convertible", "make=Mercedes-Benz, body=Convertible"),
        ("convertible sports car", "body=Convertible"),
        ("a 2010 SUV", "year=2010, body=SUV"),
        ("built before 2000", "year=1991..2000"),
        ("a car older than 2000", "year=1991..2000"),
        ("newer than 2005", "year=2005..2012"),
        ("from between 1995 and 2000", "year=1995..2000"),
        ("a coupe from the 1990s", "body=Coupe, year=1991..1999"),
    ],
)
def test_words_about_cars(asked: str, understood: str) -> None:
    assert one(asked, CARS).text == understood


@pytest.mark.parametrize(
    ("asked", "understood"),
    [
        ("a 7", "digit=7"),
        ("the digit seven", "digit=7"),
        ("number 9", "digit=9"),
        ("a three or a five", "digit=3|5"),
        ("not a 7", "digit!=7"),
        ("not a 7 or 8", "digit!=7|8"),
    ],
)
def test_words_about_digits(asked: str, understood: str) -> None:
    assert one(asked, DIGITS).text == understood


@pytest.mark.parametrize(
    ("asked", "understood"),
    [
        ("a man aged 30", "gender=male, age=30"),
        ("30 years old", "age=30"),
        ("a 45-year-old woman", "age=45, gender=female"),
        ("a woman in her thirties", "gender=female, age=30..39"),
        ("a woman in her 30s", "gender=female, age=30..39"),
        ("over 60", "age=60..90"),
        ("age under 20", "age=1..20"),
        ("a man younger than 25", "gender=male, age=1..25"),
        ("between 20 and 30 years old", "age=20..30"),
        ("aged between 40 and 30", "age=30..40"),
        ("ages 20-30", "age=20..30"),
        ("a teenager", "age=13..19"),
        ("a student", "age=18..30"),
        ("an elderly man with black or grey hair", "age=65..90, gender=male, hair color=black|gray"),
        ("the hair is red", "hair color=red"),
        ("red shirt and gray hair", "shirt=red, hair color=gray"),
        ("a sharp-eyed woman in uniform", "Eyeglasses=no, gender=female, shirt=blue|red"),
    ],
)
def test_words_about_people(asked: str, understood: str) -> None:
    assert one(asked, PEOPLE).text == understood


def test_the_schemas_own_words_come_before_the_vocabulary() -> None:
    schema = Schema(
        attributes=(Flag(name="Young", aliases={"elderly": "yes"}), Categorical(name="title", values=("lady", "sir")))
    )
    assert one("an elderly lady", schema).text == "Young=yes, title=lady"
    with_both = Schema(attributes=(*schema, Flag(name="Male")))
    assert one("an elderly lady", with_both).text == "Young=yes, title=lady"
    assert one("an old woman", with_both).text == "Young=no, Male=no"


def test_what_was_understood_is_shown() -> None:
    assert one("an old man", FACES).understood == '"an old man" → Young=no, Male=yes'
    assert one("Smiling=no", FACES).understood == "Smiling=no"
    assert one("smiling", FACES).understood == '"smiling" → Smiling=yes'


def test_words_that_say_how_much_are_noted() -> None:
    request = one("a very old man", FACES)
    assert request.text == "Young=no, Male=yes"
    assert request.notes == ("'very' is a word of degree, which cannot be asked for",)
    assert one("not very old", FACES).text == "Young=yes"


@pytest.mark.parametrize(
    ("asked", "schema", "parts"),
    [
        ("two kittens", DIGITS, ["'kittens'", "digit: 0, 1", "condgen[words]"]),
        ("two unicorns", FACES, ["'two', 'unicorns'", "Male: male"]),
        ("an old man with spectacels", FACES, ["'spectacels' (did you mean spectacles?)"]),
        ("a man in red", PEOPLE, ["'red' could mean hair color=red or shirt=red"]),
        ("a young old man", FACES, ["two values of 'Young'"]),
        ("a red blue car", CARS, ["two values of 'color'", "'or'"]),
        ("blue, red car", CARS, ["'color' is asked for twice"]),
        ("a man or glasses", FACES, ["'or' must join values of one attribute", "Male and Eyeglasses"]),
        ("a man not", FACES, ["negation has nothing to negate"]),
        ("the", FACES, ["asks for nothing"]),
        ("a photo of a car", CARS, ["asks for nothing", "color: blue"]),
        ("a car of any make", CARS, ["'make' needs a value"]),
        ("100 years old", PEOPLE, ["age=100", "1 to 90", "extrapolat"]),
        ("a 100", PEOPLE, ["'100' fits nothing"]),
        ("not over 60", PEOPLE, ["cannot be negated"]),
        ("neither blue nor red nor green nor grey", CARS, ["two values of 'color'"]),
    ],
)
def test_words_that_are_not_understood_are_named(asked: str, schema: Schema, parts: list[str]) -> None:
    with pytest.raises(RequestError) as caught:
        parse_requests(asked, schema)
    for part in parts:
        assert part in str(caught.value)


def test_numbers_in_words_may_extrapolate_too() -> None:
    assert one("100 years old", PEOPLE, extrapolate=True).constraints == {"age": Between(100.0, 100.0)}


def test_unknown_words_are_taken_for_their_nearest_meaning(monkeypatch: pytest.MonkeyPatch) -> None:
    from condgen.requests.lexicon import Meaning

    def nearest(said: str, phrases: dict[str, Meaning]) -> Meaning | None:
        return phrases["Eyeglasses"] if said == "huge eyewear" else None

    monkeypatch.setattr(embedding, "nearest", nearest)
    request = one("a man without huge eyewear", FACES)
    assert request.text == "Male=yes, Eyeglasses=no"
    assert request.notes == ("'huge eyewear' was taken for Eyeglasses=yes",)
    with pytest.raises(RequestError, match="'dragon'"):
        parse_requests("a dragon with glasses", FACES)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ("a purple Márs rover with glasses", ("purple", "mars", "rover")),
        ("elephant", ("elephant",)),
        ("Eyeglasses=maybe", ()),
    ],
)
def test_an_error_holds_the_unknown_words(asked: str, words: tuple[str, ...]) -> None:
    with pytest.raises(RequestError) as refused:
        one(asked, FACES)
    assert refused.value.words == words


def test_a_phrase_of_many_unknown_words_is_refused_without_a_long_search(monkeypatch: pytest.MonkeyPatch) -> None:
    searched: list[str] = []
    monkeypatch.setattr(phrase, "get_close_matches", lambda word, *_, **__: searched.append(word) or [])
    words = [f"qx{chr(97 + k // 26)}{chr(97 + k % 26)}" for k in range(200)]
    with pytest.raises(RequestError) as caught:
        parse_requests(" old ".join(words), FACES)
    assert len(searched) == len(set(searched)) <= phrase.HINTED
    assert [*caught.value.words] == words
    assert words[-1] in str(caught.value)


def test_units_without_a_number_take_no_more_time_a_word_in_a_long_phrase(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[int] = []
    longest = phrase._longest
    monkeypatch.setattr(phrase, "_longest", lambda words, at, known: looked.append(at) or longest(words, at, known))

    def looks(words: int) -> int:
        looked.clear()
        with pytest.raises(RequestError):
            parse_requests("years " * words, PEOPLE)
        return len(looked)

    assert looks(400) < 2.5 * looks(200)
