"""Progress in a notebook without widgets: a bar of text that is written over."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from condgen.progress.lines import Line, Lines
from condgen.progress.protocol import Task

LENGTH = 20  # characters of a bar
WIDEST = 110  # characters of bar and text


class Rewritten(Lines):
    """Notes and alarms as lines, and the current task as a bar of text in one line, four times a second."""

    every = 0.25

    def __init__(self, spell: Callable[[str], str] = str, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(spell, clock)
        self._shown = ""
        self._tasks = 0

    def note(self, text: str) -> None:
        """Print a line in place of the bar, which then goes on below."""
        self._write("")
        super().note(text)

    @contextmanager
    def task(self, title: str, total: int | None = None, *, done: int = 0, unit: str = "") -> Iterator[Task]:
        """A task with a bar. That of the outermost task stays visible after its end."""
        self._tasks += 1
        line = Line(self, title, total, done, unit)
        try:
            yield line
        finally:
            self._tasks -= 1
            self.show(line)
            if not self._tasks:
                print(file=sys.stderr, flush=True)
                self._shown = ""

    def show(self, line: Line) -> None:
        """Write the state of a task over the last one."""
        self._write(_cut(f"{_bar(line.pace.done, line.pace.total)}{line.text}"))

    def _write(self, text: str) -> None:
        over = f"\r{text.ljust(len(self._shown))}" if self._shown else text
        print(over, end="" if text else "\r" * bool(self._shown), file=sys.stderr, flush=True)
        self._shown = text


def _bar(done: int, total: int | None) -> str:
    """A bar and a space. Empty if the total is unknown."""
    filled = LENGTH * min(done, total) // total if total else 0
    return f"{'━' * filled}{'─' * (LENGTH - filled)} " if total else ""


def _cut(text: str) -> str:
    return text if len(text) <= WIDEST else f"{text[: WIDEST - 1]}…"
