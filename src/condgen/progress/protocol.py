"""Progress, tasks, and silence."""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol, runtime_checkable

Values = dict[str, float]


@runtime_checkable
class Task(Protocol):
    """Work that is under way."""

    def move(self, done: int, total: int | None = None, values: Mapping[str, float] | None = None) -> None:
        """The task stands at `done`. total: where it is known by now. values: numbers to show beside it."""


@runtime_checkable
class Progress(Protocol):
    """Told about work by whoever does it."""

    def note(self, text: str) -> None:
        """Something a person should know."""

    def alarm(self, text: str) -> None:
        """A failure that holds at the moment; empty when there is none."""

    def task(
        self, title: str, total: int | None = None, *, done: int = 0, unit: str = ""
    ) -> AbstractContextManager[Task]:
        """A task, shown until the context ends; tasks may be nested.

        total: how many units of work there are; None while that is unknown. done: units that were done earlier.
        """


class Silent:
    """Progress that is not shown."""

    def note(self, text: str) -> None:
        """Nothing."""

    def alarm(self, text: str) -> None:
        """Nothing."""

    @contextmanager
    def task(self, title: str, total: int | None = None, *, done: int = 0, unit: str = "") -> Iterator[Task]:
        """A task that nobody sees."""
        yield self

    def move(self, done: int, total: int | None = None, values: Mapping[str, float] | None = None) -> None:
        """Nothing."""


SILENT = Silent()
