"""Slow tests by turns: `--turn 2/8` runs the second of eight parts of them, and all that is not slow.

Continuous integration takes another part in every hour, so it ends sooner and sees everything within a few runs. Tests
that share something trained are in one part.
"""

import re
import zlib
from dataclasses import dataclass

import pytest


@dataclass(frozen=True)
class Turn:
    """Part `part` of `parts`, counted from 1."""

    part: int
    parts: int

    @classmethod
    def of(cls, text: str) -> "Turn":
        """The turn that an option names. Raises ValueError."""
        found = re.fullmatch(r"(\d+)/(\d+)", text)
        part, parts = map(int, found.groups()) if found else (0, 0)
        if not 1 <= part <= parts:
            raise ValueError(f"a turn is K/N, such as 2/8, not '{text}'")
        return cls(part, parts)

    def has(self, item: pytest.Item) -> bool:
        """Whether a test runs in this turn."""
        if item.get_closest_marker("slow") is None:
            return True
        group = item.get_closest_marker("xdist_group")
        return zlib.crc32((group.args[0] if group else item.nodeid).encode()) % self.parts == self.part - 1


def pytest_addoption(parser: pytest.Parser) -> None:
    """The option of pytest."""
    parser.addoption("--turn", type=Turn.of, metavar="K/N", help="of the slow tests, the K-th of N parts alone")


@pytest.hookimpl(trylast=True)  # once conftest.py has named the groups
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out slow tests of other turns."""
    turn: Turn | None = config.getoption("turn")
    if turn:
        later = [item for item in items if not turn.has(item)]
        items[:] = [item for item in items if turn.has(item)]
        config.hook.pytest_deselected(items=later)
