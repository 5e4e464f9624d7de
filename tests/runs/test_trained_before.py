"""Runs that an earlier condgen trained, and left interrupted, still open, sample and go on."""

import shutil
from pathlib import Path

import pytest
from safetensors.torch import load_file

from condgen.runs.resume import resume
from condgen.runs.run import Run

TRAINED = Path(__file__).with_name("trained")
SAME = 1e-3  # mean difference of pixels: other machines round otherwise


@pytest.fixture(params=["cvae", "projection"])
def before(request: pytest.FixtureRequest) -> Path:
    return TRAINED / request.param


def test_it_opens_and_samples_as_it_did(before: Path) -> None:
    then = load_file(before / "samples.safetensors")["interrupted"]
    now = Run.open(before).sample("digit=*", n=2, seed=5)
    assert (now.x - then).abs().mean() < SAME


def test_it_goes_on_as_it_would_have(before: Path, tmp_path: Path) -> None:
    then = load_file(before / "samples.safetensors")
    run = resume(shutil.copytree(before, tmp_path / "run"))
    assert run.info.images == run.info.total == 8_000
    now = run.sample("digit=*", n=2, seed=5).x
    way = (then["finished"] - then["interrupted"]).abs().mean()
    assert (now - then["finished"]).abs().mean() < 0.1 * way
