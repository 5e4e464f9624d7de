"""Runs that had finished, and runs that are given more time."""

from pathlib import Path

import pytest

import condgen
from condgen.data import Splits
from condgen.errors import RequestError, RunError
from condgen.progress import SILENT
from condgen.runs import resume
from condgen.runs.run import Run
from condgen.training.checkpoint import Info
from tests.conftest import Command, Shared
from tests.training.test_trainer import Notes


@pytest.fixture
def short(digits: Splits, shared: Shared) -> Run:
    """A tiny run of two steps."""

    def make(out: Path) -> object:
        return condgen.train("vae", digits, out, channels=4, latent=2, images=128, batch=64, previews=0)

    return Run.open(shared("short", make))


@pytest.fixture
def no_data(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        pytest.fail("the data was loaded for nothing")

    monkeypatch.setattr(resume, "load_again", refuse)


@pytest.mark.usefixtures("no_data")
def test_a_finished_run_says_so_and_stays_as_it_is(short: Run) -> None:
    progress, before = Notes(), (short.path / "checkpoint.safetensors").read_bytes()
    assert condgen.resume(short, progress=progress).info == short.info
    (note,) = progress.notes
    assert note.startswith(f"{short.path} is finished: 128 images in ")
    assert "budget='+10m'" in note
    assert (short.path / "checkpoint.safetensors").read_bytes() == before


@pytest.mark.usefixtures("no_data")
def test_the_command_says_so_too(short: Run, command: Command) -> None:
    result = command("resume", short.path)
    assert result.status == 0
    assert result.err.strip().endswith(f"condgen resume {short.path} --budget +10m")


def test_a_budget_adds_time_to_a_finished_run(short: Run, digits: Splits) -> None:
    spent, images = short.info.seconds, short.info.images
    info = condgen.resume(short, digits, SILENT, budget="+0.2s").info
    assert info.images > images
    assert info.finished
    assert info.training["images"] is None
    assert info.training["seconds"] == pytest.approx(spent + 0.2)
    assert info.plan[0].images == images
    assert 0 < info.plan[0].share < 1  # so that the learning rate rises again


@pytest.mark.parametrize("budget", ["10m", "+", "+10", "ten minutes", "-10m"])
def test_a_budget_is_time_to_add(short: Run, budget: str, command: Command) -> None:
    with pytest.raises(RequestError, match="10m"):
        condgen.resume(short, budget=budget)
    assert command("resume", short.path, "--budget", budget).status == 2


@pytest.mark.parametrize(
    ("info", "seconds"),
    [
        ({"images": 100, "total": 100, "seconds": 50.0, "training": {"images": 100}}, 60),  # ended
        ({"images": 50, "total": 100, "seconds": 50.0, "training": {"images": 100}}, 110),  # half way
        ({"images": 50, "total": 100, "seconds": 50.0, "training": {"seconds": 90.0}}, 100),
        ({"images": 100, "total": 100, "seconds": 91.0, "training": {"seconds": 90.0}}, 101),
        ({"images": 50, "total": 100, "seconds": 50.0, "training": {"images": 100, "seconds": 9.0}}, 110),  # of old
        ({"images": 0, "total": None, "seconds": 0.0, "training": {"seconds": 90.0}}, 100),
        ({"images": 0, "total": None, "seconds": 5.0, "training": {"seconds": 90.0}}, 100),
    ],
)
def test_time_is_added_to_what_a_run_has_or_would_take(info: dict[str, object], seconds: float) -> None:
    extended = Info(recipe={}, shape=(1,), schema={}, data={}, **info)  # type: ignore[arg-type]
    resume._extend(extended, 10.0)
    assert extended.training == {"images": None, "seconds": seconds}
    assert extended.share() == pytest.approx(extended.seconds / seconds, abs=0.01) or not extended.images


def test_only_steps_are_multiplied_by_the_images_to_come() -> None:
    """A run stopped after one of a thousand steps had taken as long as twenty to begin, and would have taken hours."""
    given = {"images": 64, "total": 64_000, "seconds": 21.0, "training": {"images": 64_000}}
    extended = Info(recipe={}, shape=(1,), schema={}, data={}, spent={"steps": 1.0}, **given)  # type: ignore[arg-type]
    resume._extend(extended, 10.0)
    assert extended.training["seconds"] == pytest.approx(21 + 999 + 10)
    assert extended.total == 64_000 + 640


def test_more_time_needs_a_step_that_was_timed() -> None:
    begun = Info(recipe={}, shape=(1,), schema={}, data={}, total=64, seconds=5.0, training={"images": 64})
    with pytest.raises(RunError, match="has not taken a step yet"):
        resume._extend(begun, 10.0)
    assert begun.training == {"images": 64}
