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
@pytest.mark.parametrize("attempt", ["checkpoints", "texts"])
def test_a_power_failure_loses_nothing(world: World, tmp_path: Path, attempt: str) -> None:
    hold(attempt, Power(world), tmp_path, 1)


def test_what_is_lost_is_counted_and_told(tmp_path: Path) -> None:
    def attempt(chance: random.Random, place: Path) -> None:
        assert chance.random() < 0.5, "gone"

    campaign = Campaign("try", attempt)
    campaign.run(0, 0.2, tmp_path)
    assert 0 < len(campaign.lost) < campaign.tried
    assert "AssertionError: gone" in campaign.lost[0]
    held = campaign.tried - len(campaign.lost)
    assert table([campaign]).splitlines()[-1] == f"| all | {campaign.tried:,} | {held:,} | {len(campaign.lost):,} |"


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="forks")
def test_nothing_is_lost_when_commands_are_killed_or_run_together() -> None:
    words = ["`train`", "`sample`", "while samples", "open"]
    command = [sys.executable, "-m", "tests.reliability", "--seconds", "20", "--only", *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, cwd=Path(__file__).parents[2])
    assert done.returncode == 0, done.stderr
