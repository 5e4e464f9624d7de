"""Measurements that are kept for the next run on this machine."""

import json
from pathlib import Path

import pytest

from condgen.data import Splits
from condgen.models import Model, build
from condgen.training.arithmetic import Arithmetic
from condgen.training.tunings import Choice, kept

USUAL = Arithmetic("float32", 4)
CHOICE = Choice(Arithmetic("bf16", 2, "contiguous"), USUAL, (0.1, 0.21), 1.25)
OPEN = ["precision", "threads"]


@pytest.fixture(autouse=True)
def _quiet(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CONDGEN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("os.getloadavg", lambda: (0.0, 0.0, 0.0))


@pytest.fixture
def model(digits: Splits) -> Model:
    return build("cvae", digits.schema, digits.shape, channels=4, latent=2)


def files(tmp_path: Path) -> list[Path]:
    return sorted((tmp_path / "cache" / "arithmetic").iterdir())


def test_a_machine_is_measured_once_for_a_model_and_a_batch(
    digits: Splits, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []

    def measure() -> Choice:
        calls.append(1)
        return CHOICE

    other = build("cvae", digits.schema, digits.shape, channels=8, latent=2)
    assert kept(model, 64, USUAL, OPEN, measure) == kept(model, 64, USUAL, OPEN, measure) == CHOICE
    assert len(calls) == 1
    kept(other, 64, USUAL, OPEN, measure)
    kept(model, 32, USUAL, OPEN, measure)
    kept(model, 64, Arithmetic("float32", 2), OPEN, measure)
    kept(model, 64, USUAL, ["precision"], measure)
    assert len(calls) == 5
    for changed in ("torch.__version__", "condgen.training.tunings.processor"):
        with monkeypatch.context() as patch:
            patch.setattr(changed, "another" if "torch" in changed else lambda: "another")
            kept(model, 64, USUAL, OPEN, measure)
    assert len(calls) == 7


def test_a_person_can_read_the_file(model: Model, tmp_path: Path) -> None:
    kept(model, 64, USUAL, OPEN, lambda: CHOICE)
    (file,) = files(tmp_path)
    assert file.name.startswith("cvae-1x8x8-")
    told = json.loads(file.read_text())
    assert told["fastest"] == {"precision": "bf16", "threads": 2, "layout": "contiguous", "compiled": False}
    assert told["machine"].keys() >= {"processor", "cores", "torch"}
    assert told["took"] == 1.25


def test_what_is_measured_beside_other_work_is_not_kept(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.getloadavg", lambda: (1e3, 0.0, 0.0))
    assert kept(model, 64, USUAL, OPEN, lambda: CHOICE) == CHOICE
    assert kept(model, 64, USUAL, OPEN, lambda: None) is None


def test_two_that_measure_at_once_both_end(model: Model) -> None:
    """The second one finishes while the first still measures."""

    def slow() -> Choice:
        assert kept(model, 64, USUAL, OPEN, lambda: CHOICE) == CHOICE
        return CHOICE

    assert kept(model, 64, USUAL, OPEN, slow) == CHOICE
    assert kept(model, 64, USUAL, OPEN, lambda: pytest.fail("measured again")) == CHOICE


def test_a_damaged_or_unwritable_cache_means_measuring_again(model: Model, tmp_path: Path) -> None:
    kept(model, 64, USUAL, OPEN, lambda: CHOICE)
    (file,) = files(tmp_path)
    file.write_text('{"fastest": 3}')
    assert kept(model, 64, USUAL, OPEN, lambda: CHOICE) == CHOICE
    file.unlink()
    file.parent.rmdir()
    file.parent.write_text("no folder")
    assert kept(model, 64, USUAL, OPEN, lambda: CHOICE) == CHOICE
