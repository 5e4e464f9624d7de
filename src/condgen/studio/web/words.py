"""The lexicon of a schema as JSON, from which the browser understands phrases as `requests.phrase` does."""

import math
from typing import Any

from condgen.requests.lexicon import Entry, Lexicon
from condgen.requests.text import Key, role, vocabulary
from condgen.schema import Constraint, Schema

ROLES = ("negations", "alternatives", "degrees", "function", "nouns")


def words(schema: Schema) -> dict[str, Any]:
    """Every phrase that has a meaning under a schema, by its stems, and the vocabulary's other words."""
    lexicon = Lexicon(schema)
    return {
        "spellings": vocabulary()["spellings"],
        "roles": {kind: sorted(map(_spaced, role(kind))) for kind in ROLES},
        "known": lexicon.known,
        "examples": {a.name: a.example for a in schema},
        "entries": [[_spaced(key), [_entry(each) for each in entries]] for key, entries in lexicon.entries.items()],
        "units": {_spaced(key): sorted(names) for key, names in lexicon.units.items()},
        "comparisons": {
            _spaced(key): [[each.more, each.attributes and sorted(each.attributes)] for each in several]
            for key, several in lexicon.comparisons.items()
        },
    }


def _spaced(key: Key) -> str:
    return " ".join(key)


def _entry(entry: Entry) -> list[Any]:
    meaning = entry.meaning
    return [entry.phrase, entry.layer, meaning.attribute.name, meaning.constraint and _stored(meaning.constraint)]


def _stored(constraint: Constraint) -> dict[str, Any]:
    """A constraint's fields. An infinite end is null, since JSON has no word for it."""
    return {name: None if value in (math.inf, -math.inf) else value for name, value in vars(constraint).items()}
