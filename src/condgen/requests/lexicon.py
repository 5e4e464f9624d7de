"""The meaning of words under a schema: its own names, values, synonyms and aliases first, then the packaged
vocabulary.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache

from condgen.requests.text import Key, is_filler, role, stem, stems, tokens, vocabulary
from condgen.schema import Attribute, Constraint, Schema

OWN, GENERAL = 0, 1
SHOWN = 8  # largest number of attributes in an error
SLACK = 3  # largest number of fillers within a known phrase: `the hair is a red one`


@dataclass(frozen=True)
class Meaning:
    """The constraint that a phrase puts on an attribute. None if the phrase is only the attribute's name."""

    attribute: Attribute
    constraint: Constraint | None

    @property
    def text(self) -> str:
        """The meaning as a precise request: `color=red`."""
        return self.attribute.name if self.constraint is None else self.constraint.text(self.attribute)


@dataclass(frozen=True)
class Entry:
    """A phrase, its origin (OWN or GENERAL), and its meaning."""

    phrase: str
    layer: int
    meaning: Meaning


@dataclass(frozen=True)
class Comparison:
    """Words such as `over` and `younger than`: whether they ask for more, and the attributes they apply to
    (None: any).
    """

    more: bool
    attributes: frozenset[str] | None = None


class Lexicon:
    """All phrases that have a meaning under a schema."""

    def __init__(self, schema: Schema):
        self.schema = schema
        self.entries: dict[Key, list[Entry]] = {}
        for layer, known in ((OWN, _own(schema)), (GENERAL, _general(schema))):
            for phrase, meaning in known:
                self._add(Entry(phrase, layer, meaning))
        self.first = {key[0] for key in self.entries}
        self.units = _units(schema)
        self.comparisons = _comparisons(schema)
        self.longest = max(map(len, [*self.entries, *self.units, *self.comparisons]), default=0)

    def _add(self, entry: Entry) -> None:
        key = stems(entry.phrase)
        for form in {key, _without_fillers(key)}:
            if form and not (len(form) == 1 and (form in role("function") or form in role("negations"))):
                self.entries.setdefault(form, []).append(entry)

    def find(self, words: list[str], start: int) -> tuple[list[Meaning], int]:
        """The meanings of the longest known phrase at a position, and its length. Empty if none is known."""
        if stem(words[start]) not in self.first:  # so for most words, and quicker than all lengths
            return [], 0
        for length in range(min(self.longest + SLACK, len(words) - start), 0, -1):
            span = words[start : start + length]
            key = tuple(map(stem, span))
            entries = self.entries.get(key)
            if entries is None and not is_filler(key[0]) and not is_filler(key[-1]):
                entries = self.entries.get(_without_fillers(key))
            if entries:
                return _best(entries, span), length
        return [], 0

    @cached_property
    def phrases(self) -> dict[str, Meaning]:
        """All phrases with exactly one meaning, for finding near ones."""
        unique = {key: _best(entries, []) for key, entries in self.entries.items()}
        return {
            e.phrase: m[0] for key, m in unique.items() if len(m) == 1 and m[0].constraint for e in self.entries[key]
        }

    @property
    def known(self) -> str:
        """A short text of everything that can be asked for."""
        several = [f"{a.name}: {_ways(a)}" for a in self.schema]
        rest = f"; … ({len(several)} attributes in all)" if len(several) > SHOWN else ""
        return "; ".join(several[:SHOWN]) + rest or "nothing"


@lru_cache(maxsize=8)
def _cached(schema_json: str) -> Lexicon:
    return Lexicon(Schema.loads(schema_json))


def lexicon(schema: Schema) -> Lexicon:
    """The lexicon of a schema. The latest ones are cached."""
    return _cached(schema.dumps())


def _best(entries: list[Entry], span: list[str]) -> list[Meaning]:
    """The meanings of the best entries: the schema's own before the vocabulary's, exact before inflected."""

    def rank(entry: Entry) -> tuple[bool, int]:
        return tokens(entry.phrase) != span, entry.layer

    first = min(map(rank, entries))
    meanings = {e.meaning.text: e.meaning for e in entries if rank(e) == first}
    return list(meanings.values())


def _without_fillers(key: Key) -> Key:
    return tuple(word for word in key if not is_filler(word))


def _own(schema: Schema) -> Iterator[tuple[str, Meaning]]:
    """The schema's own phrases: names, synonyms, values and aliases."""
    return ((phrase, Meaning(a, constraint)) for a in schema for phrase, constraint in a.phrases())


def _general(schema: Schema) -> Iterator[tuple[str, Meaning]]:
    """The vocabulary's phrases for the schema's attributes and values."""
    return ((phrase, Meaning(a, constraint)) for a in schema for phrase, constraint in a.meanings(vocabulary()))


def _units(schema: Schema) -> dict[Key, set[str]]:
    """Phrases beside a number that name its attribute: `age`, `years old`."""
    found: dict[Key, set[str]] = {}
    for a in schema:
        for word in a.units(vocabulary()):
            found.setdefault(stems(word), set()).add(a.name)
    return found


def _comparisons(schema: Schema) -> dict[Key, list[Comparison]]:
    """Phrases before a number that ask for more or less than it. Some apply to one attribute only."""
    found: dict[Key, list[Comparison]] = {}
    for side in ("more", "less"):
        for word in vocabulary()[side]:
            found.setdefault(stems(word), []).append(Comparison(side == "more"))
        for a in schema:
            for word in a.comparisons(side, vocabulary()):
                found.setdefault(stems(word), []).append(Comparison(side == "more", frozenset({a.name})))
    return found


def _ways(attribute: Attribute) -> str:
    """A few words that ask for values of an attribute."""
    words = attribute.ways(vocabulary())
    return ", ".join(words[:6]) + (", …" if len(words) > 6 else "")
