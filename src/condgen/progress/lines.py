"""Progress as plain lines, for a log file."""

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from condgen.progress.pace import EVERY, Alarms, Pace
from condgen.progress.protocol import Task


class Lines:
    """Plain lines on standard error: notes, alarms, and a line about the current task every 30 seconds."""

    def __init__(self, spell: Callable[[str], str] = str, clock: Callable[[], float] = time.monotonic) -> None:
        self._spell = spell
        self._clock = clock
        self._alarms = Alarms()
        self._printed = clock()

    def note(self, text: str) -> None:
        """Print a line."""
        print(self._spell(text), file=sys.stderr, flush=True)

    def alarm(self, text: str) -> None:
        """Print a warning."""
        if self._alarms.new(text):
            self.note(f"WARNING: {text}")

    @contextmanager
    def task(self, title: str, total: int | None = None, *, done: int = 0, unit: str = "") -> Iterator[Task]:
        """A task that prints its state if 30 seconds have passed since the last such line."""
        yield _Line(self, title, Pace(total, done, unit, self._clock))

    def due(self) -> bool:
        """Whether it is time for another line of a task."""
        if self._clock() - self._printed < EVERY:
            return False
        self._printed = self._clock()
        return True


class _Line:
    """A task in a log."""

    def __init__(self, lines: Lines, title: str, pace: Pace) -> None:
        self._lines, self._title, self._pace = lines, title, pace

    def move(self, done: int, total: int | None = None, values: Mapping[str, float] | None = None) -> None:
        pace = self._pace
        pace.move(done, total, values)
        if self._lines.due():
            parts = [f"{self._title}: {pace.seen}", pace.share, pace.left, pace.speed, pace.numbers]
            print("  ".join(filter(None, parts)), file=sys.stderr, flush=True)
