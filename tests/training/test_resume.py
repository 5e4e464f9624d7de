"""Runs that are killed at random moments, as real processes, end with the bits of a run that was left alone."""

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from condgen.errors import RunError
from condgen.training import checkpoint

IMAGES = 30_000
SETTINGS = {
    "channels": 8,
    "latent": 4,
    "embedding": 4,
    "condition_dropout": 0.3,
    "batch": 64,
    "checkpoint_seconds": 0.2,
}


def start(*arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "condgen.cli", *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def start_training(out: Path, model: str = "cvae", images: int = IMAGES, **changes: object) -> subprocess.Popen[str]:
    chosen = {key: value for key, value in (SETTINGS | changes).items() if value is not None}
    settings = [part for key, value in chosen.items() for part in ("--set", f"{key}={value}")]
    return start("train", "digits", "--model", model, "--images", images, "--out", out, *settings)


def stop(process: subprocess.Popen[str], out: Path, images: float, number: signal.Signals) -> tuple[int, str]:
    """Send the signal once a checkpoint holds that many images; the exit status and what was said."""
    while process.poll() is None and position(out) < images:
        time.sleep(0.005)
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    return process.returncode, err


def position(out: Path) -> int:
    try:
        return checkpoint.load(out / checkpoint.FILE)[0].images
    except RunError:
        return -1


def finish(process: subprocess.Popen[str]) -> None:
    _, err = process.communicate(timeout=120)
    assert process.returncode == 0, err


def assert_same_bits(one: Path, other: Path) -> None:
    (info, tensors), (info_other, tensors_other) = (checkpoint.load(p / checkpoint.FILE) for p in (one, other))
    assert info.images == info_other.images >= info.total
    assert tensors.keys() == tensors_other.keys()
    assert {name.split("/")[0] for name in tensors} == {"model", "ema", "optimiser", "joint", "ema_updates"}
    assert [name for name in tensors if not same_bits(tensors[name], tensors_other[name])] == []


def same_bits(a: Tensor, b: Tensor) -> bool:
    return a.dtype == b.dtype and torch.equal(a, b)


def assert_log_has_no_doubles(out: Path) -> None:
    entries = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    seen = [entry["images"] for entry in entries]
    assert seen == sorted(seen)
    assert len({tuple(e) for e in entries}) == 3  # losses, validation, the effect of the condition
    assert len({(e["images"], *e) for e in entries}) == len(entries)
    assert {e["images"] for e in entries if "validation/loss" in e} >= {seen[-1]}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nothing interrupted."""
    out = tmp_path_factory.mktemp("resume") / "whole"
    finish(start_training(out))
    return out


@pytest.mark.slow
def test_killed_again_and_again(whole: Path, tmp_path: Path) -> None:
    out, moments = tmp_path / "killed", random.Random(0)
    process = start_training(out)
    for low, high in ((0.0, 0.2), (0.25, 0.4), (0.45, 0.6)):
        status, err = stop(process, out, moments.uniform(low, high) * IMAGES, signal.SIGKILL)
        assert status == -signal.SIGKILL, err
        assert 0 <= position(out) < IMAGES
        process = start("resume", out)
    finish(process)
    assert_same_bits(whole, out)
    assert_log_has_no_doubles(out)
    assert not list(out.glob(".*"))


def test_ctrl_c_saves_says_how_to_go_on_and_goes_on(whole: Path, tmp_path: Path) -> None:
    out = tmp_path / "stopped"
    status, err = stop(start_training(out), out, 0.3 * IMAGES, signal.SIGINT)
    assert status == 130
    said = err.strip().splitlines()[-1]
    assert said.endswith(f"Go on with: condgen resume {out}")
    assert said.startswith(f"Note: Stopped by SIGINT after {position(out):,} images")
    assert "Traceback" not in err
    finish(start("resume", out))
    assert_same_bits(whole, out)
    assert_log_has_no_doubles(out)


@pytest.mark.slow
@pytest.mark.parametrize(
    "family",
    [
        {"model": "projection", "penalty_every": 7, "transition": "2000,6000", "spectral": True},
        {"model": "infogan", "discover": 5_000, "gallery": 500, "embedding": None, "condition_dropout": None},
        {"model": "flow", "latent": None, "depth": 1, "coupling": "optimal"},
    ],
    ids=lambda family: family["model"],
)
def test_a_run_with_all_that_depends_on_its_position_goes_on_alike(tmp_path: Path, family: dict[str, Any]) -> None:
    """The lazy penalty counts steps, the transition images, spectral norm keeps vectors, a gallery observations.

    And a flow's moments of the data are those of the first observations.
    """
    whole, out = tmp_path / "whole", tmp_path / "killed"
    finish(start_training(whole, images=8_000, **family))
    status, err = stop(start_training(out, images=8_000, **family), out, 3_000, signal.SIGKILL)
    assert status == -signal.SIGKILL, err
    assert 3_000 <= position(out) < 8_000
    finish(start("resume", out))
    assert_same_bits(whole, out)
