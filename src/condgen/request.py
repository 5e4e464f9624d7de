"""What a person types or passes, turned into conditions, with errors that help.

digit=7                      a value            age=20..30      a range
color!=red                   any other value    digit=3|5       one of several
Male=yes, Young=no           several at once    digit=*         one request per value
7, Eyeglasses                a value or a flag whose name alone says which attribute is meant
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from condgen.errors import RequestError, unknown
from condgen.joint import Between, Constraint, Joint, OneOf
from condgen.rng import Rng
from condgen.schema import Attribute, Condition, Continuous, Flag, Schema, fold

Requestable = str | Mapping[str, Any]

_SEPARATOR = re.compile(r"[,;\n]+|\s+(?=[^\s=!]+\s*!?=)")
_TERM = re.compile(r"^(?P<name>[^=!]+?)\s*(?P<operator>!?=)\s*(?P<value>.*)$", re.DOTALL)


@dataclass(frozen=True)
class Request:
    """One thing asked for: constraints by attribute name. Attributes without one are free."""

    constraints: Mapping[str, Constraint]
    text: str

    def draw(self, joint: Joint, rng: Rng, fill: bool = True) -> Condition:
        """One condition per stream of `rng` that satisfies the request; see Joint.draw."""
        return joint.draw(self.constraints, rng, fill)


def requests(asked: Requestable, schema: Schema, extrapolate: bool = False) -> list[Request]:
    """The requests that a text or a mapping of names to values stands for; more than one where a value is `*`.

    Raises RequestError for an unknown attribute or value (with the nearest valid ones), an empty range, a number out of
    the data's range unless `extrapolate`, or an attribute asked for twice.
    """
    terms = _terms(asked) if isinstance(asked, str) else [(n, "=", v) for n, v in asked.items() if v is not None]
    alternatives: dict[str, list[Constraint]] = {}
    for name, operator, value in terms:
        attribute, value = _resolve(name, value, schema)
        if attribute.name in alternatives:
            raise RequestError(f"'{attribute.name}' is asked for twice in '{asked}'; join values with |, as in a|b.")
        alternatives[attribute.name] = _constraints(attribute, operator, value, extrapolate)
    combinations = product(*alternatives.values())
    return [_request(dict(zip(alternatives, chosen, strict=True)), schema) for chosen in combinations]


def _terms(text: str) -> list[tuple[str, str, Any]]:
    """Split `a=1, b!=2` into (name, operator, value); a bare word has the empty operator."""
    found: list[tuple[str, str, Any]] = []
    for part in filter(None, (p.strip() for p in _SEPARATOR.split(text))):
        match = _TERM.match(part)
        found.append((match["name"].strip(), match["operator"], match["value"].strip()) if match else (part, "", None))
    return found


def _resolve(name: str, value: Any, schema: Schema) -> tuple[Attribute, Any]:
    """The attribute of a term, and its value; a bare word may be a flag's name or a value of just one attribute."""
    if value is not None:
        return schema[name], value
    meanings: list[tuple[Attribute, str]] = [
        (a, "yes") for a in schema if isinstance(a, Flag) and fold(name) in map(fold, (a.name, *a.synonyms))
    ]
    meanings += [(a, name) for a in schema if fold(name) in {fold(w) for w in (*_bare_values(a), *a.aliases)}]
    if len(meanings) == 1:
        return meanings[0]
    if meanings:
        choices = " or ".join(f"{a.name}={v}" for a, v in meanings)
        raise RequestError(f"'{name}' could mean {choices}; say which.")
    known = [f"{a.name}={v}" for a in schema for v in _bare_values(a)] + schema.names
    bare = {fold(k.split("=")[-1]): k for k in known}
    raise unknown("request", name, [*bare.values()] if fold(name) in bare else known) from None


def _bare_values(attribute: Attribute) -> tuple[str, ...]:
    return () if isinstance(attribute, Continuous | Flag) else attribute.choices


def _constraints(attribute: Attribute, operator: str, value: Any, extrapolate: bool) -> list[Constraint]:
    """What a term asks of its attribute: one constraint, or one per value for `*`."""
    if isinstance(attribute, Continuous):
        return [_between(attribute, operator, value, extrapolate)]
    everything = range(len(attribute.choices))
    if value == "*":
        return [OneOf((code,)) for code in everything]
    codes = tuple(int(attribute.parse(v)) for v in _several(value))
    if operator != "!=":
        return [OneOf(codes)]
    rest = tuple(code for code in everything if code not in codes)
    if not rest:
        raise RequestError(f"'{attribute.name}!={value}' excludes every value of '{attribute.name}'.")
    return [OneOf(rest, negated=True)]


def _several(value: Any) -> Sequence[Any]:
    if isinstance(value, str):
        return [v.strip() for v in value.split("|")]
    return list(value) if isinstance(value, list | tuple | set) else [value]


def _between(attribute: Continuous, operator: str, value: Any, extrapolate: bool) -> Between:
    shown = f"'{attribute.name}{operator}{value}'"
    advice = f"'{attribute.name}' is a number: ask for one, or for a range such as {_example(attribute)}."
    if operator == "!=" or value == "*" or (isinstance(value, str) and "|" in value):
        raise RequestError(f"{shown} cannot be asked. {advice}")
    ends = [v.strip() for v in value.split("..")] if isinstance(value, str) else value
    if not isinstance(ends, list | tuple):
        ends = [ends]
    if len(ends) > 2 or not all(str(e) for e in ends):
        raise RequestError(f"{shown} is not a range. {advice}")
    low, high = (attribute.parse(e, extrapolate) for e in (ends[0], ends[-1]))
    if low > high:
        raise RequestError(f"{shown} is an empty range: {low:g} is above {high:g}.")
    return Between(low, high)


def _example(attribute: Continuous) -> str:
    quarter = (attribute.high - attribute.low) / 4
    return f"{attribute.name}={attribute.low + quarter:.4g}..{attribute.high - quarter:.4g}"


def _request(constraints: Mapping[str, Constraint], schema: Schema) -> Request:
    return Request(constraints, ", ".join(_text(schema[n], c) for n, c in constraints.items()) or "anything")


def _text(attribute: Attribute, constraint: Constraint) -> str:
    if isinstance(constraint, Between):
        ends = dict.fromkeys((attribute.format(constraint.low), attribute.format(constraint.high)))
        return f"{attribute.name}=" + "..".join(ends)
    if constraint.negated:
        others = (c for c in range(len(attribute.choices)) if c not in constraint.codes)  # type: ignore[union-attr]
        return f"{attribute.name}!=" + "|".join(map(attribute.format, others))
    return f"{attribute.name}=" + "|".join(map(attribute.format, constraint.codes))
