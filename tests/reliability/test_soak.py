from dataclasses import replace

from tests.reliability.soak import State, grown

FLAT = [State(memory=500 + k % 3, files=2, threads=1, left=1) for k in range(9)]


def test_what_stays_flat_is_not_blamed() -> None:
    assert grown(FLAT) == []
    assert grown([replace(FLAT[0], memory=100), *FLAT]) == []  # a start is no leak


def test_what_grows_is_named() -> None:
    leaking = [replace(state, memory=500 + 100 * k, files=2 + k) for k, state in enumerate(FLAT)]
    assert [text.split()[0] for text in grown(leaking)] == ["memory", "files"]
