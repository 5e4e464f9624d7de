"""Variations of tests whose outcome depends on training or sampling, and a record of what they measured.

`python -m tests.robust` sets CONDGEN_TEST_SEED, CONDGEN_TEST_PRECISION and CONDGEN_TEST_RECORD; without them nothing
here acts.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from tests.robust.rooms import rooms

SEED = int(os.environ.get("CONDGEN_TEST_SEED", "0"))
RECORD = os.environ.get("CONDGEN_TEST_RECORD")
STRIDE = 1_000_003  # between the seeds of two variations, so that they have none in common


def vary(seed: int) -> None:
    """Shift every seed of training and of samples. Generators that draw a test's data keep theirs."""
    from condgen import rng

    plain, mixed = torch.manual_seed, rng._mixed
    torch.manual_seed = lambda n: plain(n + STRIDE * seed)  # type: ignore[assignment]
    rng._mixed = lambda n: mixed(n + STRIDE * seed)  # type: ignore[assignment]


def note(**entry: object) -> None:
    """Add a line to the record."""
    with Path(str(RECORD)).open("a") as file:
        file.write(json.dumps(entry) + "\n")


def note_rooms(test: str, source: str, explanation: str) -> None:
    """Add what an assertion compared to the record."""
    shown = explanation.strip().splitlines()[0]
    for number, room in enumerate(rooms(source, explanation)):
        note(test=test, source=f"{source} (first limit)" if number else source, shown=shown, room=room)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Seeds are shifted once every test is collected, whose parameters they must not change."""
    if SEED and not hasattr(session, "varied"):
        session.varied = True  # type: ignore[attr-defined]
        vary(SEED)


def pytest_assertion_pass(item: pytest.Item, lineno: int, orig: str, expl: str) -> None:
    """What a statistical test measured where it held."""
    if RECORD and item.get_closest_marker("statistical"):
        note_rooms(item.nodeid, orig, expl)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """The outcome of a statistical test, and what it measured where it failed."""
    report = yield
    if RECORD and item.get_closest_marker("statistical"):
        if call.when == "call":
            note(test=item.nodeid, held=call.excinfo is None)
        if call.excinfo is not None and call.excinfo.errisinstance(AssertionError):
            text = next((line for line in str(call.excinfo.value).splitlines() if line.startswith("assert ")), "")
            source = str(call.excinfo.traceback[-1].statement).strip().removeprefix("assert ")
            if text:
                note_rooms(item.nodeid, source, text)
    return report  # type: ignore[return-value]
