"""Slow tests take turns: each is in exactly one, together with those that it shares something with."""

from types import SimpleNamespace
from typing import Any

import pytest

from tests import turns
from tests.turns import Turn


def item(name: str, slow: bool = True, group: str = "") -> Any:
    marks = {"slow": slow, "xdist_group": group and SimpleNamespace(args=(group,))}
    return SimpleNamespace(nodeid=name, get_closest_marker=lambda mark: marks[mark] or None)


def those_of(turn: str | None, items: list[Any]) -> tuple[list[str], list[str]]:
    """The names of those that run in a turn, and of those that do not."""
    kept, left = [*items], []
    hook = SimpleNamespace(pytest_deselected=lambda items: left.extend(items))
    config: Any = SimpleNamespace(getoption=lambda name: turn and Turn.of(turn), hook=hook)
    turns.pytest_collection_modifyitems(config, kept)
    return [each.nodeid for each in kept], [each.nodeid for each in left]


def test_every_slow_test_runs_in_one_turn() -> None:
    names = [f"tests/test_a.py::test[{k}]" for k in range(100)]
    parts = [those_of(f"{k}/4", [item(name) for name in names]) for k in (1, 2, 3, 4)]
    assert sorted(name for kept, _ in parts for name in kept) == sorted(names)
    assert all(kept and sorted(kept + left) == sorted(names) for kept, left in parts)


def test_quick_tests_run_in_every_turn_and_all_run_without_turns() -> None:
    assert all(those_of(f"{k}/4", [item("quick", slow=False)])[0] == ["quick"] for k in (1, 2, 3, 4))
    assert those_of(None, [item("slow"), item("quick", slow=False)])[0] == ["slow", "quick"]


def test_tests_that_share_something_have_the_same_turn() -> None:
    group = [item(f"tests/test_a.py::test[{k}]", group="case") for k in range(20)]
    assert sorted(len(those_of(f"{k}/4", group)[0]) for k in (1, 2, 3, 4)) == [0, 0, 0, 20]


@pytest.mark.parametrize("wrong", ["0/4", "5/4", "2", "a/b"])
def test_a_turn_that_is_none_is_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match="a turn is K/N"):
        Turn.of(wrong)
