"""A campaign: the same harm done again and again at random, and how often nothing was lost."""

import random
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Campaign:
    """A kind of harm.

    attempt: does it in an empty folder, raises AssertionError for what is lost, and returns how often it did harm; once
        by default.
    weight: of its share of the time.
    prepare: called before that time begins.
    """

    title: str
    attempt: Callable[[random.Random, Path], int | None]
    weight: float = 1.0
    prepare: Callable[[], object] = lambda: None
    tried: int = 0
    lost: list[str] = field(default_factory=list)

    def run(self, seed: int, seconds: float, folder: Path) -> None:
        """Attempt until the time is over, at least once."""
        self.prepare()
        ends, number = time.monotonic() + seconds, 0
        while number == 0 or time.monotonic() < ends:
            place = folder / f"{number}"
            place.mkdir(parents=True)
            try:
                times = self.attempt(random.Random(seed * 1_000_003 + number), place)
                self.tried += 1 if times is None else times
            except Exception as error:  # whatever went wrong is a loss
                self.tried += 1
                self.lost.append(f"seed {seed}, attempt {number}: {type(error).__name__}: {error}")
            shutil.rmtree(place)
            number += 1


def table(campaigns: list[Campaign]) -> str:
    """Tried, held and lost, in Markdown."""
    rows = [(c.title, c.tried, c.tried - len(c.lost), len(c.lost)) for c in campaigns]
    rows.append(("all", *(sum(row[k] for row in rows) for k in (1, 2, 3))))  # type: ignore[arg-type]
    lines = ["| harm | tried | held | lost |", "|---|---:|---:|---:|"]
    return "\n".join(lines + [f"| {title} | {tried:,} | {held:,} | {lost:,} |" for title, tried, held, lost in rows])
