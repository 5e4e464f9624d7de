"""The table of all rows, in Markdown."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

Found = Mapping[str, Any]
COLUMNS = {
    "images/s": ("speed", ",.0f"),
    "images seen": ("images", ",.0f"),
    "as asked": ("obedience", ".1%"),
    "Fréchet / floor": ("ratio", ",.1f"),
    "recall": ("recall", ".2f"),
    "samples/s": ("rate", ",.1f"),
    "judged": ("samples", ",.0f"),
    "memory, MB": ("memory", ",.0f"),
    "lines": ("lines", ".0f"),
}

BEST: Mapping[str, Any] = {
    "images/s": max,
    "as asked": max,
    "Fréchet / floor": min,
    "recall": max,
    "samples/s": max,
    "memory, MB": min,
    "lines": min,
}


def shown(found: Found, key: str, form: str) -> str:
    """One figure, or a dash where there is none."""
    value = found.get(key)
    if value is None or math.isnan(value):
        return "–"
    return f"{value:{form}}"


def line(name: str, found: Found) -> str:
    """One row: its figures, or why there are none."""
    title = f"{name} {found.get('version', '')}".strip()
    if "reason" in found:
        return f"| {title} | {found['reason']} |" + " |" * (len(COLUMNS) - 1)
    return f"| {title} | {' | '.join(shown(found, key, form) for key, form in COLUMNS.values())} |"


def table(rows: Sequence[tuple[str, Found]]) -> str:
    """The table, rows in the order given."""
    head = f"| | {' | '.join(COLUMNS)} |\n|---{'|---:' * len(COLUMNS)}|"
    return "\n".join([head, *(line(name, found) for name, found in rows)])


def better(rows: Sequence[tuple[str, Found]]) -> list[str]:
    """A sentence for each figure in which another row is ahead of all of condgen's, with both."""
    sentences = []
    for title, best in BEST.items():
        key, form = COLUMNS[title]
        measured = [(found[key], name) for name, found in rows if shown(found, key, form) != "–"]
        own = [each for each in measured if each[1].startswith("condgen")]
        others = [each for each in measured if each not in own]
        if own and others and best(others)[0] != best(own)[0] and best([*own, *others]) in others:
            (theirs, name), (ours, _) = best(others), best(own)
            sentences.append(f"{title}: {name} is ahead, {theirs:{form}} against {ours:{form}}.")
    return sentences
