"""What a person types or passes, turned into conditions, with errors that help.

digit=7                      a value            age=20..30      a range
color!=red                   any other value    digit=3|5       one of several
Male=yes, Young=no           several at once    digit=*         one request per value
7, Eyeglasses                a value or a flag whose name alone says which attribute is meant
emb=faces.parquet#3          by example: the value that the third row of a table has
an old man with glasses      words, as far as the schema and the vocabulary know them; see condgen.words
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from condgen.errors import RequestError
from condgen.requests.example import exemplified, is_example
from condgen.requests.phrase import understand
from condgen.rng import Rng
from condgen.schema import Attribute, Condition, Constraint, LabelDistribution, Schema, fold

Requestable = str | Mapping[str, Any]

_SEPARATOR = re.compile(r"[,;\n]+")


@dataclass(frozen=True)
class Request:
    """One thing asked for: constraints by attribute name. Attributes without one are free."""

    constraints: Mapping[str, Constraint]
    text: str
    asked: str = ""  # the words that it was understood from, where it was not asked precisely
    notes: tuple[str, ...] = ()  # what was guessed or left out in understanding them

    @property
    def understood(self) -> str:
        """What was asked and how it was understood: `"an old man" → Young=no, Male=yes`."""
        return "; ".join([f'"{self.asked}" → {self.text}' if self.asked else self.text, *self.notes])

    def draw(self, joint: LabelDistribution, rng: Rng, fill: bool = True) -> Condition:
        """One condition per stream of `rng` that satisfies the request; see Joint.draw."""
        return joint.draw(self.constraints, rng, fill)

    def asked_of(self, condition: Condition) -> Condition:
        """What of conditions this request asked for; what it left free is free again."""
        return condition.about(self.constraints)


def parse_requests(asked: Requestable, schema: Schema, extrapolate: bool = False) -> list[Request]:
    """The requests that a text or a mapping of names to values stands for; more than one where a value is `*`.

    Raises RequestError for an unknown attribute or value (with the nearest valid ones), an empty range, a number out of
    the data's range unless `extrapolate`, or an attribute asked for twice.
    """
    terms = _terms(asked, schema) if isinstance(asked, str) else [(n, "=", v) for n, v in asked.items()]
    alternatives: dict[str, list[Constraint]] = {}
    examples = {schema[name].name: f"{name}{operator}{value}" for name, operator, value in terms if is_example(value)}
    notes: list[str] = []
    for name, operator, value in terms:
        meant, said = _meant(name, operator, value, schema, extrapolate)
        notes += said
        for attribute in meant:
            if attribute in alternatives:
                raise RequestError(f"'{attribute}' is asked for twice in '{asked}'; join values with |, as in a|b.")
        alternatives |= meant
    words = str(asked) if any(not operator for _, operator, _ in terms) else ""
    return [
        Request(chosen, _text(chosen, schema, examples), words, tuple(notes))
        for combination in product(*alternatives.values())
        for chosen in [dict(zip(alternatives, combination, strict=True))]
    ]


def _meant(
    name: str, operator: str, value: Any, schema: Schema, extrapolate: bool
) -> tuple[dict[str, list[Constraint]], Sequence[str]]:
    """The constraints of a term by attribute, one per request, and notes; None as a value asks for nothing."""
    if operator:
        attribute = schema[name]
        if value is None:
            return {}, ()
        value = exemplified(attribute, value) if is_example(value) else value
        return {attribute.name: attribute.constraints(operator, value, extrapolate)}, ()
    if known := _resolve(name, schema):
        attribute, value = known
        return {attribute.name: attribute.constraints("=", value, extrapolate)}, ()
    understood = understand(name, schema, extrapolate)
    return {n: [constraint] for n, constraint in understood.constraints.items()}, understood.notes


def _terms(text: str, schema: Schema) -> list[tuple[str, str, Any]]:
    """Split `a=1, b!=2 c=3` into (name, operator, value); a bare word has the empty operator."""
    term = _term(schema)
    found: list[tuple[str, str, Any]] = []
    for part in _SEPARATOR.split(text):
        starts = list(term.finditer(part))
        ends = [*(s.start() for s in starts[1:]), len(part)]
        word = part[: starts[0].start() if starts else None].strip()
        found += [(word, "", None)] if word else []
        found += [(s["name"], s["operator"], part[s.end() : e].strip()) for s, e in zip(starts, ends, strict=False)]
    return found


def _term(schema: Schema) -> re.Pattern[str]:
    """How a term starts: a name of the schema, which may hold spaces, or any single word, and then = or !=."""
    names = sorted((n for a in schema for n in a.names), key=len, reverse=True)
    known = "".join(r"[\s_-]+".join(map(re.escape, re.split(r"[\s_-]+", n))) + "|" for n in names)
    return re.compile(rf"(?:^|(?<=\s))\s*(?P<name>{known}[^\s=!]+)\s*(?P<operator>!?=)", re.IGNORECASE)


def _resolve(word: str, schema: Schema) -> tuple[Attribute, str] | None:
    """The attribute and value that a bare word means, such as a flag's name or a value of just one attribute.

    None for what the schema does not hold in these words.
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
    """The constraints as precise requests; as they were asked where that was by example."""
    return ", ".join(examples.get(n) or c.text(schema[n]) for n, c in constraints.items()) or "anything"
