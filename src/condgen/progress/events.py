"""Progress as lines of JSON, for a program that runs a command and shows its progress itself."""

import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from condgen.progress.pace import Alarms, Pace
from condgen.progress.protocol import Task

APART = 0.5  # seconds between two lines about a task, except for its first and last


class Events:
    """Lines of JSON on standard error: `{"note": …}`, `{"alarm": …}` and `{"task": …}` with its state. The command line
    adds `{"error": …}`.

    A task has `done`, `total`, `unit`, `left` (seconds, null if unknown) and `values`. Its last line has `ended`.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._alarms = Alarms()
        self._failing = False

    def note(self, text: str) -> None:
        """Print a note."""
        emit({"note": text})

    def alarm(self, text: str) -> None:
        """Print an alarm, or an empty one when it is over."""
        if self._alarms.new(text) or (self._failing and not text):
            emit({"alarm": text})
        self._failing = bool(text)

    @contextmanager
    def task(self, title: str, total: int | None = None, *, done: int = 0, unit: str = "") -> Iterator[Task]:
        """A task that prints its state at both ends, and at most every half second between."""
        state = _State(title, Pace(total, done, unit, self._clock), self._clock)
        state.print()
        try:
            yield state
        finally:
            state.print(ended=True)


class _State:
    """A task and the moment of its last line."""

    def __init__(self, title: str, pace: Pace, clock: Callable[[], float]) -> None:
        self._title, self._pace, self._clock = title, pace, clock
        self._printed = clock()

    def move(self, done: int, total: int | None = None, values: Mapping[str, float] | None = None) -> None:
        self._pace.move(done, total, values)
        if self._clock() - self._printed >= APART:
            self.print()

    def print(self, ended: bool = False) -> None:
        pace, self._printed = self._pace, self._clock()
        state = {"done": pace.done, "total": pace.total, "unit": pace.unit, "left": pace.seconds_left}
        emit({"task": self._title, **state, "values": dict(pace.values), **({"ended": True} if ended else {})})


def emit(event: Mapping[str, Any]) -> None:
    """Print one of these lines."""
    print(json.dumps(event, ensure_ascii=False), file=sys.stderr, flush=True)
