"""A short slice of the campaigns; `make torture` runs them for longer."""

import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from condgen.runs.run import Run

from .campaign import Campaign, table
from .faults import Faults
from .flips import Flips
from .kills import all_or_nothing, gallery, parts
from .power import Power
from .world import World


@pytest.fixture
def world(run: Run, tmp_path: Path) -> World:
    """A world with a run that is there already; no commands are started in it."""
    return World(Path(shutil.copytree(run.path, tmp_path / "run")), tmp_path / "none", {})


def hold(attempt: str, harm: object, folder: Path, times: int) -> None:
    for number in range(times):
        place = folder / f"{number}"
        place.mkdir()
        getattr(harm, attempt)(random.Random(number), place)


@pytest.mark.parametrize("attempt", ["checkpoint", "weights"])
def test_a_bit_that_flips_is_found(world: World, tmp_path: Path, attempt: str) -> None:
    hold(attempt, Flips(world), tmp_path, 5)


@pytest.mark.parametrize("attempt", ["calls", "full", "interruptions"])
def test_a_disk_that_fails_loses_nothing(world: World, tmp_path: Path, attempt: str) -> None:
    hold(attempt, Faults(world), tmp_path, 5)


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc to see which file is flushed")
@pytest.mark.parametrize(("attempt", "times"), [("checkpoints", 1), ("texts", 1), ("samples", 2)])
def test_a_power_failure_loses_nothing(world: World, tmp_path: Path, attempt: str, times: int) -> None:
    hold(attempt, Power(world), tmp_path, times)


def test_what_is_lost_is_counted_and_told(tmp_path: Path) -> None:
    def attempt(chance: random.Random, place: Path) -> None:
        assert chance.random() < 0.5, "gone"

    campaign = Campaign("try", attempt)
    campaign.run(0, 0.2, tmp_path)
    assert 0 < len(campaign.lost) < campaign.tried
    assert "AssertionError: gone" in campaign.lost[0]
    held = campaign.tried - len(campaign.lost)
    assert table([campaign]).splitlines()[-1] == f"| all | {campaign.tried:,} | {held:,} | {len(campaign.lost):,} |"


def test_an_attempt_without_harm_is_not_counted_and_what_precedes_takes_none_of_the_time(tmp_path: Path) -> None:
    harms, done = iter([3, 0, *[None] * 1000]), []
    campaign = Campaign("try", lambda chance, place: next(harms), prepare=lambda: done.append(1))
    campaign.run(0, 0.0, tmp_path / "a")
    assert (campaign.tried, done) == (3, [1])
    campaign.run(0, 0.0, tmp_path / "b")
    assert campaign.tried == 3
    campaign.run(0, 0.0, tmp_path / "c")
    assert campaign.tried == 4


def test_files_that_are_there_in_part_are_a_loss(tmp_path: Path) -> None:
    whole, out = tmp_path / "whole", tmp_path / "out"
    for folder in (whole, out):
        (folder / "png").mkdir(parents=True)
        for name in ("page.html", "png/1.png", "png/2.png"):
            (folder / name).write_text("all of it")
    for check in (all_or_nothing, parts, gallery):
        check(out / "png", whole / "png")
        check(tmp_path / "nothing", whole)
    (out / ".page.html.partial").mkdir()
    (out / ".page.html.partial" / "page.html").write_text("all")
    parts(out, whole)
    (out / "png" / "2.png").unlink()
    parts(out, whole)
    for check, folders in ((all_or_nothing, (out / "png", whole / "png")), (gallery, (out, whole))):
        with pytest.raises(AssertionError, match=r"2\.png"):
            check(*folders)
    (out / "page.html").write_text("all of")
    with pytest.raises(AssertionError, match=r"page\.html"):
        parts(out, whole)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="forks")
def test_nothing_is_lost_when_commands_are_killed_or_run_together() -> None:
    words = ["kill", "while samples", "open"]
    command = [sys.executable, "-m", "tests.reliability", "--seconds", "20", "--only", *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, cwd=Path(__file__).parents[2])
    assert done.returncode == 0, done.stderr
