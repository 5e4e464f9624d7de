"""Normalisation of text for comparison: tokens, their stems, and the packaged vocabulary."""

import json
import re
import unicodedata
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any

Key = tuple[str, ...]
REMEMBERED = 10_000  # words of which the latest keep their stems; a server is sent ever new ones

_TOKEN = re.compile(r"-?\d+(?:\.\d+)?(?:\.\.-?\d+(?:\.\d+)?)?(?![^\W_])|[^\W_]+")
_NUMBER = r"((?:(?<!\w)-)?\b\d+(?:\.\d+)?)"  # a hyphen behind a word or a number is no minus
_TENS = ("twenties", "thirties", "forties", "fifties", "sixties", "seventies", "eighties", "nineties")
_REWRITTEN = [
    (re.compile(r"n['’]t\b"), " not"),
    (re.compile(r"\|"), " or "),
    (re.compile(rf"\bbetween\s+{_NUMBER}\s+and\s+{_NUMBER}"), r"\1..\2"),
    (re.compile(rf"{_NUMBER}(?:-|\s+-\s+|\s*–\s*|\s+to\s+){_NUMBER}\b"), r"\1..\2"),
    (re.compile(r"\b(\d*)0['’]?s\b"), r"\g<1>0..\g<1>9"),
    *((re.compile(rf"\b{word}\b"), f"{k}0..{k}9") for k, word in enumerate(_TENS, start=2)),
]


@cache
def vocabulary() -> dict[str, Any]:
    """The packaged words for common attributes and values, from `vocabulary.json`."""
    return json.loads((files("condgen.requests") / "vocabulary.json").read_text(encoding="utf-8"))


def tokens(text: str) -> list[str]:
    """The words and numbers of a text, without case and accents. `in their thirties` contains the range `30..39`."""
    text = "".join(c for c in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(c))
    for pattern, replacement in _REWRITTEN:
        text = pattern.sub(replacement, text)
    return _TOKEN.findall(text)


def bounds(token: str) -> tuple[float, float] | None:
    """The two ends of a number or range. None for a word."""
    try:
        low, *high = map(float, token.split(".."))
    except ValueError:
        return None
    return low, high[0] if high else low


@lru_cache(REMEMBERED)
def stem(word: str) -> str:
    """The common form of `smile`, `smiles` and `smiling`. In doubt a word is left as it is."""
    word = _spelled(_singular(_spelled(word)))
    if word.endswith("ss"):
        return word
    for ending in ("ing", "ed"):
        root = word.removesuffix(ending)
        if root != word and len(root) >= 4:
            return root[:-1] if root[-1] == root[-2] and root[-1] not in "lsz" else root
    return word[:-1] if len(word) > 4 and word.endswith("e") else word


def _spelled(word: str) -> str:
    return vocabulary()["spellings"].get(word, word)


def _singular(word: str) -> str:
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith("sses"):
        return word[:-2]
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")) else word


def stems(text: str) -> Key:
    """The stems of a text's tokens."""
    return tuple(map(stem, tokens(text)))


@cache
def role(kind: str) -> frozenset[Key]:
    """The stems of the vocabulary's words of one kind: negations, alternatives, degrees, function or nouns."""
    return frozenset(stems(word) for word in vocabulary()[kind])


@lru_cache(REMEMBERED)
def is_filler(word: str) -> bool:
    """Whether a word's stem adds nothing to a request, such as an article."""
    return (word,) in role("function") or (word,) in role("nouns")
