"""Progress as bars with rate, time left and values, in a terminal or a notebook."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec

from rich import progress as rich
from rich.console import Console
from rich.table import Column
from rich.text import Text

from condgen.progress.lines import Lines
from condgen.progress.pace import Alarms, Pace
from condgen.progress.protocol import Progress, Task
from condgen.progress.rewritten import Rewritten

WIDTH = 20  # characters of a bar if there is room


def suitable(spell: Callable[[str], str]) -> Progress:
    """Bars in a terminal and in a notebook with widgets, bars of text in a notebook without them, lines elsewhere."""
    console = Console(stderr=True)
    if console.is_jupyter and find_spec("ipywidgets") is None:
        return Rewritten(spell)
    return Bars(spell) if console.is_terminal or console.is_jupyter else Lines(spell)


class Bars:
    """A bar per task, and lines above the bars. If a line is too short, values are cut first."""

    def __init__(self, spell: Callable[[str], str] = str, clock: Callable[[], float] = time.monotonic) -> None:
        self.console = Console(stderr=True, markup=False, emoji=False, highlight=False)
        self._spell = spell
        self._clock = clock
        self._alarms = Alarms()
        self._failing = False
        self._shown: rich.Progress | None = None

    def note(self, text: str) -> None:
        """Print a line above the bars."""
        self.console.print(self._spell(text), soft_wrap=True)

    def alarm(self, text: str) -> None:
        """Print a warning above the bars, and mark them as long as it holds."""
        if self._alarms.new(text):
            self.note(f"WARNING: {text}")
        self._failing = bool(text)
        for each in self._shown.tasks if self._shown else ():
            each.fields["failing"] = self._failing

    @contextmanager
    def task(self, title: str, total: int | None = None, *, done: int = 0, unit: str = "") -> Iterator[Task]:
        """A bar. That of the outermost task stays visible after its end."""
        outermost = self._shown is None
        bars = self._shown = self._shown or rich.Progress(*_columns(), console=self.console, refresh_per_second=4)
        if outermost:
            bars.start()
        bar = _Bar(bars, title, Pace(total, done, unit, self._clock), self._failing)
        try:
            yield bar
        finally:
            if outermost:
                bars.stop()
                self._shown = None
            else:
                bars.remove_task(bar.number)


class _Bar:
    """A task with a bar."""

    def __init__(self, bars: rich.Progress, title: str, pace: Pace, failing: bool) -> None:
        self._bars, self._pace = bars, pace
        self.number = bars.add_task(title, total=pace.total, completed=pace.done, pace=pace, failing=failing)

    def move(self, done: int, total: int | None = None, values: Mapping[str, float] | None = None) -> None:
        self._pace.move(done, total, values)
        self._bars.update(self.number, completed=done, total=self._pace.total)


class _Words(rich.ProgressColumn):
    """Text about a task. Text that may be cut leaves its room to the rest."""

    def __init__(self, words: Callable[[rich.Task], str], cut: bool = False) -> None:
        super().__init__(Column(no_wrap=not cut))
        self._words = words

    def render(self, task: rich.Task) -> Text:
        return Text(self._words(task), no_wrap=True, overflow="ellipsis")


def _columns() -> list[rich.ProgressColumn]:
    def pace(task: rich.Task) -> Pace:
        found: Pace = task.fields["pace"]
        return found

    return [
        _Words(lambda task: "FAILING" if task.fields["failing"] else task.description),
        _Words(lambda task: pace(task).seen),
        rich.BarColumn(WIDTH),
        _Words(lambda task: pace(task).left),
        _Words(lambda task: "  ".join(filter(None, [pace(task).speed, pace(task).numbers])), cut=True),
    ]
