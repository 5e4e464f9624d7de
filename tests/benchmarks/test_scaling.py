"""The simulator of workers, against cases that can be worked out."""

from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def scaling(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import scaling

    return scaling


def ring(parts: int, size: float, bandwidth: float, latency: float) -> float:
    """Seconds of an all-reduce, message by message: sums go round once, then what is summed goes round once."""
    sums = [[{worker} for _ in range(parts)] for worker in range(parts)]
    seconds, rounds = 0.0, 0
    while any(len(chunk) < parts for worker in sums for chunk in worker):
        before = [[set(chunk) for chunk in worker] for worker in sums]
        for worker in range(parts):
            chunk = (worker - rounds) % parts
            sums[(worker + 1) % parts][chunk] |= before[worker][chunk]
        rounds, seconds = rounds + 1, seconds + size / parts / bandwidth + latency
    return seconds


@pytest.mark.parametrize("workers", [1, 2, 3, 8])
def test_an_exchange_is_a_ring_of_messages(scaling: ModuleType, workers: int) -> None:
    found = scaling.Link(1e9, 1e-4).all_reduce(1e8, workers)
    assert found == pytest.approx(ring(workers, 1e8, 1e9, 1e-4))


def test_without_a_cost_of_exchange_growing_is_free_and_dividing_repeats_what_is_fixed(scaling: ModuleType) -> None:
    gradients = (scaling.Gradient(10**6),)
    link, step = scaling.Link(1e30, 0.0), scaling.Step(0.01, 0.2, 0.0, (gradients, gradients))
    assert step.growing(80, 64, link) == pytest.approx(1)
    assert step.dividing(80, 8, link) == pytest.approx((0.2 + 0.8) / (8 * (0.2 + 0.1)))


def test_the_fastest_worker_is_where_the_exchange_takes_a_tenth(scaling: ModuleType) -> None:
    link, step = scaling.LINKS["25 Gbit/s"], scaling.Step(0.01, 0.0, 0.0, ((scaling.Gradient(10**8),),))
    times = scaling.fastest(step, 100, 8, link)
    exchanging = link.all_reduce(10**8, 8) + link.all_reduce(24, 8)
    assert exchanging / (1.0 / times + exchanging) == pytest.approx(0.1, rel=1e-3)


def test_what_leaves_early_is_not_waited_for(scaling: ModuleType) -> None:
    link, size = scaling.Link(1e9, 0.0), scaling.EACH * 2  # a bucket of two workers, which goes in 1 ms for 1e6 bytes
    last, first = scaling.Gradient(size), scaling.Gradient(size, left=0.5)
    alone = link.all_reduce(size, 2)
    assert scaling.waited([last, first], 1.0, 2, link) == pytest.approx(alone)
    assert scaling.waited([last, last], 1.0, 2, link) == pytest.approx(2 * alone)
    assert scaling.waited([last, first], alone, 2, link) == pytest.approx(1.5 * alone)
    assert scaling.waited([first, first], 1.0, 2, link) == 0


def test_workers_that_generate_share_only_the_store(scaling: ModuleType) -> None:
    assert scaling.generated(1000.0, 500.0, 8, 1e9) == 8000
    assert scaling.generated(1000.0, 500.0, 8, 1e6) == 2000
