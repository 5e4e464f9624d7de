"""Runs that are trained on a stream: through the command line, resumed, killed, sampled, measured."""

import signal
from pathlib import Path
from typing import Any

import pytest
import torch

from condgen.data import StreamConfig, stream
from condgen.errors import RunError
from condgen.progress import Silent
from condgen.runs.resume import resume
from condgen.runs.run import Run
from condgen.runs.train import train
from condgen.schema import Categorical, Schema
from condgen.training import checkpoint
from tests.conftest import SMALL, Command
from tests.data.streaming.sources import COLORS, fields, tars
from tests.training.test_resume import start, stop

SETTINGS = {**SMALL, "embedding": 4, "previews": 0, "checkpoint_seconds": 0.1}
SET = [part for key, value in SETTINGS.items() for part in ("--set", f"{key}={value}")]


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONDGEN_CACHE", str(tmp_path / "cache"))


def weights(run: Path) -> dict[str, torch.Tensor]:
    return checkpoint.load(run / checkpoint.FILE)[1]


def training(source: Path, out: Path, images: int) -> list[Any]:
    return ["train", source, "--stream", "--sample", 200, "--buffer", 64, "--images", images, "--out", out, *SET]


@pytest.mark.slow
def test_a_streamed_run_is_killed_resumed_sampled_and_found_again(tmp_path: Path, command: Command) -> None:
    source, killed, whole = tars(tmp_path / "data"), tmp_path / "killed", tmp_path / "whole"
    status, _ = stop(start(*training(source, killed, 2_500)), killed, 500, signal.SIGKILL)
    assert status == -signal.SIGKILL
    assert 500 <= checkpoint.load(killed / checkpoint.FILE)[0].images < 2_500
    assert command("resume", killed).status == 0
    done = command(*training(source, whole, 2_500))
    assert done.status == 0, done.err
    assert "20 shards are streamed" in done.err
    for name, tensor in weights(whole).items():
        assert tensor.equal(weights(killed)[name]), name
    assert command("sample", killed, "color=*", "-n", 2, "--out", tmp_path / "samples").status == 0
    again = Run.open(killed).data()
    assert again.train.fingerprint == checkpoint.load(killed / checkpoint.FILE)[0].data["fingerprint"]
    assert len(again.test) == 30, "what evaluation measures on"


def test_a_run_is_not_resumed_on_other_shards(tmp_path: Path) -> None:
    def data(n: int) -> Any:
        return stream(str(tars(tmp_path / "data", n=n)), streaming=StreamConfig(64, 100))

    run = train("cvae", data(300), tmp_path / "run", images=128, **SETTINGS)
    with pytest.raises(RunError, match="not what"):
        resume(run.path, data(330))


def test_families_that_unlabelled_rows_harm_do_not_see_them(tmp_path: Path) -> None:
    class Notes(Silent):
        def __init__(self) -> None:
            self.said: list[str] = []

        def note(self, text: str) -> None:
            self.said.append(text)

    source = tars(tmp_path / "data", labels=lambda k: fields(k) if k % 2 else {})
    schema = Schema(attributes=(Categorical(name="color", values=COLORS),))
    data, progress = stream(str(source), streaming=StreamConfig(64, 100), schema=schema), Notes()
    train("cvae", data, tmp_path / "run", images=128, progress=progress, **SETTINGS)
    assert any("have no labels at all" in text for text in progress.said)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--set", "balance=color", "--stream"], "cannot be balanced"),
        (["--split", "group:color", "--stream"], "cannot be split by 'color'"),
        (["--buffer", "100"], "add --stream"),
        (["--stream", "--data-dir", "."], "--data-dir"),
    ],
)
def test_options_that_do_not_go_together_are_refused(
    tmp_path: Path, command: Command, arguments: list[str], words: str
) -> None:
    source = tars(tmp_path / "data")
    result = command("train", source, "--images", 128, "--out", tmp_path / "run", *SET, *arguments)
    assert result.status == 2
    assert words in " ".join(result.err.split())


def test_unreadable_images_are_counted_at_the_end(tmp_path: Path, command: Command) -> None:
    source = tars(tmp_path / "data", images={345: b"broken"})
    result = command(*training(source, tmp_path / "run", 1_200))
    assert result.status == 0
    assert "images that were read are unusable" in " ".join(result.err.split())
