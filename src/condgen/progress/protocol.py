"""The protocols of progress and tasks, and progress that is not shown."""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol, runtime_checkable

Values = dict[str, float]


@runtime_checkable
class Task(Protocol):
    """Work in progress."""

    def move(self, done: int, total: int | None = None, values: Mapping[str, float] | None = None) -> None:
        """The task has reached `done`. total: if it is known by now. values: numbers to show beside it."""


@runtime_checkable
class Progress(Protocol):
    """Receives reports about long work."""

    def note(self, text: str) -> None:
        """Report something that the user should know."""

    def alarm(self, text: str) -> None:
        """Report a failure that holds at present, or an empty text when it is over."""

    def task(
        self, title: str, total: int | None = None, *, done: int = 0, unit: str = ""
    ) -> AbstractContextManager[Task]:
        """A task, shown until the context ends. Tasks may be nested.

        total: number of units of work, or None if unknown.
        done: units that were done earlier.
        """


class Silent:
    """Progress that is not shown."""

    def note(self, text: str) -> None:
        """Do nothing."""

    def alarm(self, text: str) -> None:
        """Do nothing."""

    @contextmanager
    def task(self, title: str, total: int | None = None, *, done: int = 0, unit: str = "") -> Iterator[Task]:
        """A task that is not shown."""
        yield self

    def move(self, done: int, total: int | None = None, values: Mapping[str, float] | None = None) -> None:
        """Do nothing."""


SILENT = Silent()
