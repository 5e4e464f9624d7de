"""Parsing of phrases such as `an old man without glasses` into constraints, from left to right.

At every position the longest phrase in the lexicon wins. A negation reverses the next meaning, `or` joins values of one
attribute, and fillers are skipped. Words of degree are noted. All other words are errors.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import TypeVar

from condgen.errors import RequestError, unknown
from condgen.requests import embedding
from condgen.requests.lexicon import Comparison, Lexicon, Meaning, lexicon
from condgen.requests.text import bounds, is_filler, role, stem, tokens
from condgen.schema import Attribute, Constraint, Schema

T = TypeVar("T")
SPELLING = 0.8  # smallest similarity at which an unknown word counts as misspelt
NUMBER_WORDS = 12  # most words of one number; more would be read anew from each of them
HINTED = 10  # unknown words for which near ones are looked for, which takes time with many phrases


@dataclass(frozen=True)
class Understood:
    """The constraints of a phrase by attribute name, and notes on words that were guessed or left out."""

    constraints: dict[str, Constraint]
    notes: tuple[str, ...] = ()


def understand(text: str, schema: Schema, extrapolate: bool = False) -> Understood:
    """The constraints that a phrase stands for under a schema.

    Raises RequestError for unknown words (with near ones and the schema's own), ambiguous words, contradictions,
    negations of nothing, and numbers out of the data's range unless `extrapolate` is set.
    """
    reader = _Reader(text, tokens(text), lexicon(schema), extrapolate)
    reader.read()
    return Understood(reader.constraints, tuple(reader.notes))


@dataclass
class _Reader:
    """The state of parsing a phrase: the position, and the constraints found so far."""

    text: str
    words: list[str]
    lexicon: Lexicon
    extrapolate: bool
    at: int = 0
    negated: bool = False  # whether the next meaning is negated
    joined: bool = False  # whether the next meaning is an alternative to the last
    last: tuple[str, bool] | None = None  # the last attribute, and whether it was negated
    constraints: dict[str, Constraint] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    near: dict[str, list[str]] = field(default_factory=dict)  # known phrases, by the word that they resemble

    def read(self) -> None:
        """Read to the end. Raises RequestError as `understand` does."""
        while self.at < len(self.words):
            self._next()
        if self.unknown:
            raise self._not_understood()
        if self.negated:
            raise RequestError(
                f"In '{self.text}', the negation has nothing to negate. Name the unwanted value after it."
            )
        if not self.constraints:
            raise RequestError(f"'{self.text}' asks for nothing. Valid: {self.lexicon.known}.")

    def _next(self) -> None:
        """Read the phrase at the current position and move behind it."""
        meanings, length = self.lexicon.find(self.words, self.at)
        number = _number(self.words, self.at, self.lexicon)
        if number and (number.length > length or number.certain):
            self._take(self._of(number))
            length = number.length
        elif meanings:
            self._take(self._only(meanings, length))
        else:
            length = self._without_meaning()
        self.at += length

    def _without_meaning(self) -> int:
        """Skip words without a meaning of their own, and return their number."""
        word = (stem(self.words[self.at]),)
        pair = tuple(map(stem, self.words[self.at : self.at + 2]))
        if word in role("negations") or word in role("alternatives"):
            self.negated |= word in role("negations")
            self.joined |= word in role("alternatives")
        elif pair in role("degrees") or word in role("degrees"):
            length = len(pair) if pair in role("degrees") else 1
            said = " ".join(self.words[self.at : self.at + length])
            self.notes.append(f"'{said}' is a word of degree, which cannot be asked for")
            return length
        elif not is_filler(word[0]):
            return self._guess()
        return 1

    def _guess(self) -> int:
        """Replace the unknown words from here on by their nearest meaning, or record them as unknown. Returns their
        number.
        """
        end = self.at + 1
        while end < len(self.words) and _means_nothing(self.words, end, self.lexicon):
            end += 1
        said = " ".join(self.words[self.at : end])
        near = self._nearest(said)
        if near is None:
            self.unknown += self.words[self.at : end]
        else:
            self.notes.append(f"'{said}' was taken for {near.text}")
            self._take(near)
        return end - self.at

    def _nearest(self, said: str) -> Meaning | None:
        """The meaning nearest to unknown words. None if they are misspelt, and in a phrase that is refused anyway."""
        if len(self.unknown) >= HINTED or self._misspelt(said):
            return None
        return embedding.nearest(said, self.lexicon.phrases)

    def _misspelt(self, word: str) -> list[str]:
        """Known phrases with nearly the same spelling."""
        if word not in self.near:
            known = {p.casefold() for p in self.lexicon.phrases}
            self.near[word] = get_close_matches(word, known, n=3, cutoff=SPELLING)
        return self.near[word]

    def _only(self, meanings: list[Meaning], length: int) -> Meaning:
        """The single meaning of some words. Raises RequestError if they have several, or lack a value."""
        said = " ".join(self.words[self.at : self.at + length])
        if len(meanings) > 1:
            choices = " or ".join(m.text for m in meanings)
            raise RequestError(f"In '{self.text}', '{said}' could mean {choices}; say which.")
        if meanings[0].constraint is None:
            raise RequestError(f"In '{self.text}', '{said}' needs a value. Valid: {self.lexicon.known}.")
        return meanings[0]

    def _of(self, number: "_Number") -> Meaning:
        """The attribute of a number, and the range that it asks for."""
        said = " ".join(self.words[self.at : self.at + number.length])
        meanings = []
        for name, low, high in number.readings:
            a, certain = self.lexicon.schema[name], number.certain and len(number.readings) == 1
            if constraint := a.between(low, high, self.extrapolate, certain):
                meanings.append(Meaning(a, constraint))
        if not meanings:
            raise RequestError(f"In '{self.text}', '{said}' fits nothing. Valid: {self.lexicon.known}.")
        return self._only(meanings, number.length)

    def _take(self, meaning: Meaning) -> None:
        """Add a meaning to the constraints, as an alternative or a further condition, reversed if it was negated."""
        a, constraint = meaning.attribute, meaning.constraint
        assert constraint is not None
        alternative, self.joined = self.joined and self.last is not None, False
        negated = self.negated or (alternative and self.last == (self.last and self.last[0], True))
        if alternative and not negated and self.last != (a.name, False):
            raise RequestError(
                f"In '{self.text}', 'or' must join values of one attribute, not {self.last and self.last[0]} and "
                f"{a.name}; ask for one after the other."
            )
        constraint = _turned(a, constraint, self.text) if negated else constraint
        if a.name in self.constraints:
            before = self.constraints[a.name]
            constraint = before.either(constraint) if alternative and not negated else before.both(constraint)
            if constraint is None:
                raise RequestError(
                    f"'{self.text}' asks for two values of '{a.name}' at once; join alternatives with 'or'."
                )
        self.constraints[a.name] = constraint
        self.last, self.negated = (a.name, negated), False

    def _not_understood(self) -> RequestError:
        """The error that names every unknown word, with near ones and the known words."""
        error = self._of_unknown()
        error.words = tuple(dict.fromkeys(self.unknown))
        return error

    def _of_unknown(self) -> RequestError:
        if not self.lexicon.phrases:
            return RequestError(f"'{self.text}' cannot be asked for: there are no attributes. Ask without a request.")
        if self.unknown == [self.text.strip().casefold()]:
            return unknown("request", self.text, self.lexicon.phrases, embedding.advice())
        words = [*dict.fromkeys(self.unknown)]
        named = [_hinted(word, self._misspelt(word)) for word in words[:HINTED]]
        named += [_hinted(word, []) for word in words[HINTED:]]
        return RequestError(
            f"Unknown in '{self.text}': {', '.join(named)}. Valid: {self.lexicon.known}. Other words can be added "
            f"to the schema as synonyms and aliases.{embedding.advice()}"
        )


def _hinted(word: str, near: list[str]) -> str:
    return f"'{word}' (did you mean {' or '.join(near)}?)" if near else f"'{word}'"


def _means_nothing(words: list[str], at: int, lexicon: Lexicon) -> bool:
    """Whether the word at a position is neither known nor has a role in a phrase."""
    word = (stem(words[at]),)
    useful = any(word in role(kind) for kind in ("negations", "alternatives", "degrees", "function", "nouns"))
    return not useful and not lexicon.find(words, at)[1] and _number(words, at, lexicon) is None


@dataclass(frozen=True)
class _Number:
    """A number among words: its length in words, and per attribute the range that it may mean.

    certain: words beside it confirm that it is a number, or name its attribute.
    """

    length: int
    readings: tuple[tuple[str, float, float], ...]
    certain: bool


def _number(words: list[str], start: int, lexicon: Lexicon) -> _Number | None:
    """The number at a position with its units and comparison, such as `aged over 30` and `30 years old`."""
    at, end, ends = start, start, None
    names = set().union(*lexicon.units.values())
    comparisons: list[Comparison] = []
    while at < min(len(words), start + NUMBER_WORDS):
        unit, wide = _longest(words, at, lexicon.units)
        compared, wider = _longest(words, at, lexicon.comparisons)
        if ends is None and compared and not comparisons:
            comparisons, at = compared, at + wider
        elif unit:
            names, at = names & unit, at + wide
        elif ends is None and bounds(words[at]):
            ends, at = bounds(words[at]), at + 1
        elif is_filler(stem(words[at])) and at > start:
            at += 1
            continue
        else:
            break
        end = at
    if ends is None:
        return None
    readings = _readings(sorted(names), ends, comparisons)
    return _Number(end - start, tuple(readings), certain=end - start > 1) if readings else None


def _longest(words: list[str], at: int, known: Mapping[tuple[str, ...], T]) -> tuple[T | None, int]:
    """The entry of the longest phrase at a position, and its length."""
    for length in range(min(4, len(words) - at), 0, -1):
        key = tuple(map(stem, words[at : at + length]))
        if key in known:
            return known[key], length
    return None, 0


def _readings(
    names: list[str], ends: tuple[float, float], comparisons: list[Comparison]
) -> Iterable[tuple[str, float, float]]:
    """The range that a number means for each attribute, after words such as `over`."""
    if not comparisons:
        return [(name, *ends) for name in names]
    return [
        (name, ends[0], float("inf")) if c.more else (name, float("-inf"), ends[1])
        for name in names
        for c in comparisons
        if c.attributes is None or name in c.attributes
    ]


def _turned(attribute: Attribute, constraint: Constraint, text: str) -> Constraint:
    """The opposite of a constraint. Raises RequestError if it has none."""
    try:
        return attribute.opposite(constraint)
    except RequestError as error:
        raise RequestError(f"In '{text}', {error}") from None
