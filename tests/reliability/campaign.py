"""A campaign: the same harm done again and again at random, and how often nothing was lost."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Campaign:
    """A kind of harm. attempt: does it once, in an empty folder, and raises AssertionError for what is lost."""

    title: str
    attempt: Callable[[random.Random, Path], int | None]
    tried: int = 0
    lost: list[str] = field(default_factory=list)

    def run(self, seed: int, seconds: float, folder: Path) -> None:
        """Attempt until the time is over, at least once. An attempt returns how often it did harm; once by default."""
        ends, number = time.monotonic() + seconds, 0
        while number == 0 or time.monotonic() < ends:
            place = folder / f"{number}"
            place.mkdir(parents=True)
            try:
                self.tried += self.attempt(random.Random(seed * 1_000_003 + number), place) or 1
            except Exception as error:  # whatever went wrong is a loss
                self.tried += 1
                self.lost.append(f"seed {seed}, attempt {number}: {type(error).__name__}: {error}")
            number += 1


def table(campaigns: list[Campaign]) -> str:
    """Tried, held and lost, in Markdown."""
    rows = [(c.title, c.tried, c.tried - len(c.lost), len(c.lost)) for c in campaigns]
    rows.append(("all", *(sum(row[k] for row in rows) for k in (1, 2, 3))))  # type: ignore[arg-type]
    lines = ["| harm | tried | held | lost |", "|---|---:|---:|---:|"]
    return "\n".join(lines + [f"| {title} | {tried:,} | {held:,} | {lost:,} |" for title, tried, held, lost in rows])
