"""Requests: the user's text or mapping, parsed into constraints, with helpful errors.

digit=7                      a value            age=20..30      a range (also digit=3..5)
color!=red                   any other value    digit=3|5       one of several
age>=30, age<30              a part of the range, up to this number and with it
Male=yes, Young=no           several at once    digit=*         one request per value
7, Eyeglasses                a value or a flag whose name alone identifies the attribute
{"digit": {"not": 3}}        as a mapping, here any other value
shape="round, large"         a value with a comma in it; a quote within it is doubled
emb=faces.parquet#3          by example: the value in the third row of a table
an old man with glasses      words known to the schema or the vocabulary (see condgen.words)
anything                     nothing: every attribute is free
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from condgen.errors import RequestError, shorten
from condgen.requests.example import exemplified, is_example
from condgen.requests.phrase import understand
from condgen.requests.quotes import Literal, hidden, literal
from condgen.rng import NumpyRng
from condgen.schema import Attribute, Condition, Constraint, LabelDistribution, Schema, fold

Requestable = str | Mapping[str, Any]
MOST = 10_000  # requests that one text may stand for
ANYTHING = "anything"  # the text of a request that asks for nothing
MOST_WORDS = 12  # of a value in which a missing comma is looked for
LONGEST = 1_000_000  # characters of a text: vectors are long
_SEPARATOR = re.compile(r"[,;\n]+")
_COMPARISON = re.compile("[<>≤≥]")
_OPERATOR = "!?=|[<>]=?|[≤≥]"
_IN_NAMES = r"[\s_\-./'’]+"  # what may stand between the words of a name, any of it for any other


@dataclass(frozen=True)
class Request:
    """One request: constraints by attribute name. Attributes without one are free."""

    constraints: Mapping[str, Constraint]
    text: str
    asked: str = ""  # the original words, if it was asked in words
    notes: tuple[str, ...] = ()  # notes on words that were guessed or left out

    @property
    def understood(self) -> str:
        """The text of the request and its interpretation: `"an old man" → Young=no, Male=yes`."""
        return "; ".join([f'"{self.asked}" → {self.text}' if self.asked else self.text, *self.notes])

    def terms(self, schema: Schema) -> dict[str, Any]:
        """The request as a mapping in JSON, which stands for exactly this request."""
        return {name: constraint.value(schema[name]) for name, constraint in self.constraints.items()}

    def draw(self, joint: LabelDistribution, rng: NumpyRng, fill: bool = True) -> Condition:
        """One condition per stream of `rng` that satisfies the request (see LabelDistribution.draw)."""
        return joint.draw(self.constraints, rng, fill)

    def asked_of(self, condition: Condition) -> Condition:
        """The conditions reduced to the attributes that this request constrains. The others are left free."""
        return condition.about(self.constraints)


def parse_requests(asked: Requestable, schema: Schema, extrapolate: bool = False) -> list[Request]:
    """The requests that a text or a mapping of names to values stands for. A value of `*` gives several.

    Raises RequestError for an unknown attribute or value (with the nearest valid ones), an empty range, a number out of
    the data's range unless `extrapolate` is set, or an attribute that is given twice.
    """
    if not isinstance(asked, str | Mapping):
        example = schema.attributes[0].example if len(schema) else ANYTHING
        raise RequestError(f"A request is a text, such as '{example}', or a mapping of names to values, not {asked!r}.")
    if isinstance(asked, str) and len(asked) > LONGEST:
        raise RequestError(f"A request of {len(asked):,} characters is too long; condgen reads at most {LONGEST:,}.")
    terms = _terms(asked, schema) if isinstance(asked, str) else [(n, *_operated(v)) for n, v in asked.items()]
    alternatives: dict[str, list[Constraint]] = {}
    examples = {schema[name].name: f"{name}{operator}{value}" for name, operator, value in terms if is_example(value)}
    notes: list[str] = []
    for name, operator, value in terms:
        try:
            meant, said = _meant(name, operator, value, schema, extrapolate)
        except RequestError as error:
            if isinstance(asked, str) and (advice := _missing_comma(name, operator, value, schema)):
                raise RequestError(f"{error}{advice}") from None
            raise
        notes += said
        for attribute in meant:
            if attribute in alternatives:
                once = "join values with |, as in a|b" if schema[attribute].choices else "give one number or range"
                raise RequestError(f"'{attribute}' is asked for twice in '{shorten(str(asked), 200)}'; {once}.")
        alternatives |= meant
    count = math.prod(map(len, alternatives.values()))
    if count > MOST:
        raise RequestError(
            f"'{shorten(str(asked), 200)}' stands for {count:,} requests, one for every combination of its *; condgen "
            f"takes at most {MOST:,} at once. Ask for some of the values."
        )
    words = str(asked) if any(not operator for _, operator, _ in terms) else ""
    return [
        Request(chosen, _text(chosen, schema, examples), words, tuple(notes))
        for combination in product(*alternatives.values())
        for chosen in [dict(zip(alternatives, combination, strict=True))]
    ]


def _operated(value: Any) -> tuple[str, Any]:
    """The operator and the value that a mapping's value stands for. `{"not": value}` excludes it."""
    if isinstance(value, Mapping) and list(value) == ["not"]:
        return "!=", _plain(value["not"])
    return "=", _plain(value)


def _plain(value: Any) -> Any:
    """An array, or a number of its library, as numbers of Python."""
    return value.tolist() if hasattr(value, "tolist") else value


def _meant(
    name: str, operator: str, value: Any, schema: Schema, extrapolate: bool
) -> tuple[dict[str, list[Constraint]], Sequence[str]]:
    """The constraints of a term by attribute, one per request, and notes. A value of None gives no constraint."""
    if operator:
        attribute = schema[name]
        if value is None:
            return {}, ()
        value = str(value) if isinstance(value, Literal) and not attribute.choices else value
        value = exemplified(attribute, value) if is_example(value) else value
        return {attribute.name: attribute.constraints(operator, value, extrapolate)}, ()
    if known := _resolve(name, schema):
        attribute, value = known
        return {attribute.name: attribute.constraints("=", value, extrapolate)}, ()
    if fold(name) == ANYTHING:
        return {}, ()
    _must_compare_nothing(name, schema)
    understood = understand(name, schema, extrapolate)
    return {n: [constraint] for n, constraint in understood.constraints.items()}, understood.notes


def _missing_comma(name: str, operator: str, value: Any, schema: Schema) -> str:
    """Advice on a refused term whose value begins with one that its attribute takes. Empty for any other.

    Every beginning is tried, so values of many words get none.
    """
    words = value.split() if operator and isinstance(value, str) else []
    if len(words) > MOST_WORDS:
        return ""
    for end in range(len(words) - 1, 0, -1):
        begin, rest = " ".join(words[:end]), " ".join(words[end:])
        if _is_taken(name, operator, begin, schema):
            return f" If another term begins with '{rest}', a comma is missing: {name}{operator}{begin}, {rest}…"
    return ""


def _is_taken(name: str, operator: str, value: Any, schema: Schema) -> bool:
    try:
        _meant(name, operator, value, schema, extrapolate=True)
    except RequestError:
        return False
    return True


def _terms(text: str, schema: Schema) -> list[tuple[str, str, Any]]:
    """The parts (name, operator, value) of a text `a=1, b!=2 c=3`. A bare word has the empty operator."""
    term = _term(schema)
    found: list[tuple[str, str, Any]] = []
    for part in _parts(text):
        starts = list(term.finditer(hidden(part)))
        ends = [*(s.start() for s in starts[1:]), len(part)]
        word = part[: starts[0].start() if starts else None].strip()
        names = [s["name"] for s in starts]
        if word and names and not _is_name(names[0], schema) and not _is_taken(word, "", None, schema):
            word, names[0] = "", f"{word} {names[0]}"  # a misspelt name of several words
        found += [(word, "", None)] if word else []
        spans = zip(names, starts, ends, strict=False)
        found += [(name, s["operator"], literal(part[s.end() : end].strip())) for name, s, end in spans]
    return found


def _parts(text: str) -> list[str]:
    """The parts of a text between separators outside of quotes, with single spaces there."""
    text = re.sub(r"[^\S\n]+", " ", text)
    ends = [0, *(at for found in _SEPARATOR.finditer(hidden(text)) for at in found.span()), len(text)]
    return [text[a:b] for a, b in zip(ends[::2], ends[1::2], strict=True)]


def _is_name(name: str, schema: Schema) -> bool:
    return fold(name) in (fold(known) for a in schema for known in a.names)


def _term(schema: Schema) -> re.Pattern[str]:
    """A pattern for the start of a term: a name of the schema, which may contain spaces, or any single word, and an
    operator. No names or values of the schema are taken apart.
    """
    names = sorted((n for a in schema for n in a.names), key=len, reverse=True)
    known = "".join(_IN_NAMES.join(map(re.escape, re.split(_IN_NAMES, n))) + "|" for n in names)
    whole = "|".join(map(re.escape, _like_comparisons(schema)))
    apart = rf"(?!(?:{whole})(?:$|\s(?!{_OPERATOR})))" if whole else ""
    term = rf"(?:^|(?<=\s))\s*{apart}(?P<name>{known}[^\s=!<>≤≥]+)\s*(?P<operator>{_OPERATOR})"
    return re.compile(term, re.IGNORECASE)


def _like_comparisons(schema: Schema) -> list[str]:
    """The names and values of a schema that contain signs of comparison."""
    return [word for a in schema for word in (*a.names, *a.choices, *a.aliases) if _COMPARISON.search(word)]


def _must_compare_nothing(phrase: str, schema: Schema) -> None:
    """Raise RequestError for a sign of comparison among words, where it would be passed over."""
    rest = phrase.casefold()
    for word in _like_comparisons(schema):
        rest = rest.replace(word.casefold(), "")
    if sign := _COMPARISON.search(rest):
        raise RequestError(
            f"In '{phrase}', {sign[0]} must stand between the name of a number and a number, as in age>30."
        )


def _resolve(word: str, schema: Schema) -> tuple[Attribute, str] | None:
    """The attribute and value of a bare word, such as a flag's name or a value of exactly one attribute.

    None for words that the schema does not contain.
    """
    meanings = [(a, value) for a in schema if (value := a.bare(word)) is not None]
    if len(meanings) == 1:
        return meanings[0]
    if meanings:
        choices = " or ".join(f"{a.name}={v}" for a, v in meanings)
        raise RequestError(f"'{word}' could mean {choices}; say which.")
    for a in schema:
        if fold(word) in map(fold, a.names):
            raise RequestError(f"'{word}' needs a value, as in {a.example}.")
    return None


def _text(constraints: Mapping[str, Constraint], schema: Schema, examples: Mapping[str, str]) -> str:
    """The constraints as precise requests. Requests by example keep their text."""
    return ", ".join(examples.get(n) or c.text(schema[n]) for n, c in constraints.items()) or ANYTHING
