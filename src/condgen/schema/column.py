"""A table's column, prepared once for all kinds of attributes that may recognise it."""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from condgen.schema.cells import missing, no_numbers, sentence


def text_of(value: Any) -> str:
    """A cell as the name of a category. 3.0 and 3 give the same name."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(list(value) if isinstance(value, tuple) else value).strip()


def hashable(values: Sequence[Any]) -> Iterator[tuple[type, Any]]:
    """Values with their types, so that 1 and True differ. One at a time, as there may be millions.

    Lists become tuples, and other unhashable values become text.
    """
    if any(kind.__hash__ is None for kind in set(map(type, values))):
        values = [_hashable(v) for v in values]
    return zip(map(type, values), values, strict=True)


def _hashable(value: Any) -> Any:
    if isinstance(value, list) and not any(type(v).__hash__ is None for v in value):
        return tuple(value)
    return str(value) if type(value).__hash__ is None else value


@dataclass(frozen=True)
class Column:
    """A column's name and cells.

    asked_for: the user named it, so it becomes an attribute even if it looks like an identifier.
    classes: its cells are known to be names or numbers of classes.
    """

    name: str
    values: Sequence[Any]
    asked_for: bool = False
    classes: bool = False

    @cached_property
    def counts(self) -> Counter[str]:
        """The number of times each text occurs. Each distinct cell is converted once, however often it occurs."""
        counts: Counter[str] = Counter()
        for (_, value), n in Counter(hashable(self.values)).items():
            if not missing(value):
                counts[text_of(value)] += n
        return counts

    @cached_property
    def distinct(self) -> set[str]:
        """The distinct texts."""
        return set(self.counts)

    @cached_property
    def numbers(self) -> list[float] | None:
        """All distinct texts as finite numbers, or None if one of them is not a finite number."""
        try:
            numbers = [float(t) for t in self.distinct]
        except ValueError:
            return None
        return numbers if all(map(math.isfinite, numbers)) else None

    @cached_property
    def mistakes(self) -> str:
        """A sentence on the cells that are no numbers, if the column is meant to hold numbers, else nothing."""
        return "" if self.classes else sentence(self.name, no_numbers(self.counts), map(text_of, self.values))

    @property
    def numbers_rows(self) -> bool:
        """Whether it holds consecutive integers, each in one row."""
        found, last = self.numbers or [0.5], len(self.values) - 1
        return len(found) == last + 1 and max(found) - min(found) == last and all(n.is_integer() for n in found)

    @cached_property
    def occurrences(self) -> dict[float, int]:
        """The number of times each number occurs. Empty if some text is not a finite number."""
        counts: Counter[float] = Counter()
        for text, n in self.counts.items() if self.numbers else ():
            counts[float(text)] += n
        return dict(counts)
