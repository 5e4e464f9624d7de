"""Time budgets, by a clock that the test moves: a run ends in its time, whatever happens to its pace."""

import math
from collections.abc import Callable
from contextlib import nullcontext
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from torch import Tensor

from condgen.errors import RunError
from condgen.training import Interrupted, Trainer, learning_rate

from .test_trainer import StopsAt, Toy, data_once, equal, saved, trainer


class Work:
    """A clock, and a toy that it costs time to train, to look at and to save.

    pace: the seconds of a step, by the time on the clock. pauses: by step, the seconds that the machine sleeps in it.
    """

    def __init__(self, pace: Callable[[float], float], look: float = 0.0, save: float = 0.0, prepare: float = 0.0):
        self.now = 0.0
        self.pace, self.look, self.save, self.prepare = pace, look, save, prepare
        self.pauses: dict[int, float] = {}

    def trainer(self, folder: Path, seconds: float | None, **settings: Any) -> Trainer:
        settings = {"images": None, "seconds": seconds, "splits": data_once(), "checkpoint_seconds": 1e9, **settings}
        training = trainer(folder, Toy(), clock=lambda: self.now, **settings)
        self.now += self.prepare
        training.augment = self._step
        training.preview = lambda model, path: self._spend(self.look)
        save = training.save
        training.save = lambda: (self._spend(self.save), save())[1]  # type: ignore[method-assign]
        return training

    def _step(self, x: Tensor) -> Tensor:
        self._spend(self.pace(self.now) + self.pauses.pop(round(self.now), 0.0))
        return x

    def _spend(self, seconds: float) -> None:
        self.now += seconds


def slows_down(at: float, times: float = 3.0) -> Callable[[float], float]:
    return lambda now: 0.5 if now < at else 0.5 * times


def test_a_time_budget_becomes_a_recorded_number_of_images(tmp_path: Path) -> None:
    work = Work(lambda _: 0.5)
    work.trainer(tmp_path, 100.0).run()
    info, _ = saved(tmp_path)
    assert info.total == info.images == 200 * 32
    assert info.seconds == work.now == pytest.approx(100, abs=0.5)
    assert info.training["seconds"] == 100
    assert info.plan[0].total == info.total


@pytest.mark.parametrize(("times", "tolerance"), [(3.0, 3.0), (1 / 3, 3.0), (10.0, 5.0)])
def test_a_budget_is_kept_where_the_machine_slows_down_or_speeds_up(
    tmp_path: Path, times: float, tolerance: float
) -> None:
    """Before, the number of images was fixed after a twentieth of the time: under load 90 seconds took 186."""
    work = Work(slows_down(33, times))
    work.trainer(tmp_path, 100.0).run()
    assert work.now == pytest.approx(100, abs=tolerance)
    info = saved(tmp_path)[0]
    assert info.images == info.total
    assert info.total == pytest.approx(32 * (66 + 67 / (0.5 * times)), rel=0.1)


@pytest.mark.parametrize(
    "costs",
    [{"look": 5.0}, {"save": 2.0}, {"prepare": 20.0}, {"look": 5.0, "save": 1.0, "prepare": 10.0}],
    ids=lambda costs: ",".join(costs),
)
def test_a_budget_includes_preparing_looks_and_saves(tmp_path: Path, costs: dict[str, float]) -> None:
    work = Work(lambda _: 0.5, **costs)
    work.trainer(tmp_path, 100.0, previews=10, checkpoint_seconds=15.0).run()
    assert work.now == pytest.approx(100, abs=3)
    assert saved(tmp_path)[0].seconds == pytest.approx(work.now, abs=max(costs.get("save", 0), 0.01))


def test_the_learning_rate_falls_to_zero_without_jumps_whatever_the_pace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rates: list[float] = []

    def noted(*arguments: Any) -> float:
        rates.append(learning_rate(*arguments))
        return rates[-1]

    monkeypatch.setattr("condgen.training.trainer.learning_rate", noted)
    Work(slows_down(33)).trainer(tmp_path, 100.0, warmup=320).run()
    assert all(before - after < 0.05 * 0.1 for before, after in pairwise(rates))  # of the highest, a tenth a step
    assert all(before >= after for before, after in pairwise(rates[10:]))
    assert rates[-1] < 0.05 * 0.01


def test_a_machine_that_sleeps_neither_spends_a_budget_nor_counts_as_slow(tmp_path: Path) -> None:
    plain, slept = Work(lambda _: 1.0), Work(lambda _: 1.0)
    slept.pauses = {50: 360.0, 450: 8 * 3600.0}  # on the clock that has the first one
    for name, work in (("plain", plain), ("slept", slept)):
        (tmp_path / name).mkdir()
        work.trainer(tmp_path / name, 200.0).run()
    assert saved(tmp_path / "slept")[0].total == pytest.approx(saved(tmp_path / "plain")[0].total, abs=64)
    assert saved(tmp_path / "slept")[0].seconds == pytest.approx(200, abs=2)
    assert slept.now == pytest.approx(200 + 360 + 8 * 3600, abs=3)


@pytest.mark.parametrize("stops", [(640,), (1600, 2500), (320, 340, 3000)])
def test_an_interrupted_run_of_a_time_goes_on_to_the_same_bits_where_the_time_goes_on_alike(
    tmp_path: Path, stops: tuple[int, ...]
) -> None:
    """All that plans depend on is in the checkpoint; so is every plan."""
    for name in ("whole", "parts"):
        (tmp_path / name).mkdir()
    Work(slows_down(33)).trainer(tmp_path / "whole", 100.0).run()
    work = Work(slows_down(33))
    for k, stop in enumerate((*stops, 10**9)):
        parts = work.trainer(tmp_path / "parts", 100.0, progress=StopsAt(stop))
        if k:
            parts.restore(*saved(tmp_path / "parts"))
        with pytest.raises(Interrupted) if stop < 10**9 else nullcontext():
            parts.run()
    (whole, weights), (pieced, others) = saved(tmp_path / "whole"), saved(tmp_path / "parts")
    assert whole.plan == pieced.plan
    assert equal(weights, others)


def test_a_plan_on_file_is_followed_to_the_same_bits(tmp_path: Path) -> None:
    """The learning rates of a run of a time are those of its recorded plan, whatever the clock says later."""
    for name in ("measured", "followed"):
        (tmp_path / name).mkdir()
    Work(slows_down(33)).trainer(tmp_path / "measured", 100.0).run()
    info, weights = saved(tmp_path / "measured")
    training = trainer(tmp_path / "followed", splits=data_once(), images=info.total)
    training.augment = lambda x: x
    training.info.plan = info.plan
    training.run()
    assert equal(weights, saved(tmp_path / "followed")[1])


def test_a_budget_is_kept_when_training_resumes_on_a_slower_machine(tmp_path: Path) -> None:
    with pytest.raises(Interrupted):
        Work(lambda _: 0.5).trainer(tmp_path, 100.0, progress=StopsAt(3200)).run()
    assert saved(tmp_path)[0].seconds == pytest.approx(50, abs=10)
    before, slower = saved(tmp_path)[0].seconds, Work(lambda _: 1.5)
    again = slower.trainer(tmp_path, 100.0)
    again.restore(*saved(tmp_path))
    again.run()
    assert before + slower.now == pytest.approx(100, abs=3)
    assert saved(tmp_path)[0].plan[-1].total < 200 * 32


def test_a_time_too_short_for_a_step_takes_one(tmp_path: Path) -> None:
    Work(lambda _: 10.0).trainer(tmp_path, 1.0).run()
    assert saved(tmp_path)[0].images == 32


def test_looks_come_as_often_as_asked_however_often_a_run_is_planned(tmp_path: Path) -> None:
    work = Work(slows_down(33))
    seen: list[float] = []
    training = work.trainer(tmp_path, 100.0, previews=10)
    training.preview = lambda model, path: seen.append(work.now)
    training.run()
    assert seen == pytest.approx(range(10, 101, 10), abs=6)


@pytest.mark.parametrize("look", [2.0, 7.0, 15.0])
def test_looks_leave_most_of_a_short_budget_to_training(tmp_path: Path, look: float) -> None:
    """Ten looks of two seconds each left three seconds of twenty for steps."""
    work = Work(lambda _: 0.1, look=look)
    work.trainer(tmp_path, 20.0 if look == 2 else 100.0, previews=10).run()
    info, _ = saved(tmp_path)
    assert info.seconds == pytest.approx(work.now, abs=0.01)
    assert work.now == pytest.approx(info.training["seconds"], rel=0.05)
    assert info.spent["steps"] > 0.6 * work.now


def test_a_run_that_diverges_early_has_kept_at_least_half_of_its_work(tmp_path: Path) -> None:
    """Checkpoints come every 30 seconds; before, one that diverged sooner left the untrained model as its last good."""
    work = Work(lambda _: 1.0)
    training = work.trainer(tmp_path, None, images=32_000)
    assert isinstance(training.raw, Toy)
    training.raw.loss = lambda step, loss: loss * math.nan if step > 300 else loss
    with pytest.raises(RunError, match=r"(?s)diverged after [\d,]+ rows .* is that after ([\d,]+) rows") as caught:
        training.run()
    kept = saved(tmp_path)[0].images
    assert kept > 150 * 32
    assert f"{kept:,} rows" in str(caught.value)
