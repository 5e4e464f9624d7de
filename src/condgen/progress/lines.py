"""Progress as plain lines, for a log file."""

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from condgen.progress.pace import EVERY, Alarms, Pace
from condgen.progress.protocol import Task


class Lines:
    """Plain lines on standard error: notes, alarms, and a line about the current task every 30 seconds."""

    every = EVERY  # seconds between two states of a task

    def __init__(self, spell: Callable[[str], str] = str, clock: Callable[[], float] = time.monotonic) -> None:
        self._spell = spell
        self.clock = clock
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
        yield Line(self, title, total, done, unit)

    def due(self) -> bool:
        """Whether it is time for another line of a task."""
        if self.clock() - self._printed < self.every:
            return False
        self._printed = self.clock()
        return True

    def show(self, line: "Line") -> None:
        """Print the state of a task."""
        print(line.text, file=sys.stderr, flush=True)


class Line:
    """A task whose state is a line."""

    def __init__(self, lines: Lines, title: str, total: int | None, done: int, unit: str) -> None:
        self._lines, self._title, self.pace = lines, title, Pace(total, done, unit, lines.clock)

    def move(self, done: int, total: int | None = None, values: Mapping[str, float] | None = None) -> None:
        """The task has reached `done` (see `Task`)."""
        self.pace.move(done, total, values)
        if self._lines.due():
            self._lines.show(self)

    @property
    def text(self) -> str:
        """The state of the task in one line."""
        pace = self.pace
        parts = [f"{self._title}: {pace.seen}", pace.share, pace.left, pace.speed, pace.numbers]
        return "  ".join(filter(None, parts))
