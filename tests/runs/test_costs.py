import re
from pathlib import Path

import pytest
import torch

from condgen.data import Splits, as_float
from condgen.errors import RequestError
from condgen.models import Model
from condgen.models.registry import build
from condgen.progress import SILENT
from condgen.room import Room
from condgen.runs import costs
from condgen.runs.limits import must_hold_samples
from condgen.runs.resume import resume
from condgen.runs.run import Run
from condgen.runs.train import train
from condgen.training import TrainingConfig
from condgen.training.checkpoint import FILE
from tests.conftest import SMALL, Command


@pytest.fixture(autouse=True)
def _little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(costs, "memory", lambda device="cpu": Room("the memory", 100 * 2**20))


def refusal(digits: Splits, out: Path, **arguments: object) -> str:
    with pytest.raises(RequestError) as caught:
        train("cvae", digits, out, images=1000, progress=SILENT, **arguments)
    assert not out.exists()
    return str(caught.value)


def test_a_model_that_cannot_fit_is_refused_with_a_size_that_does(digits: Splits, tmp_path: Path) -> None:
    told = refusal(digits, tmp_path / "run", latent=1_000_000, channels=8)
    assert "more than 104.9 MB" in told
    fits = int(told.rpartition("`latent=")[2].partition("`")[0])
    costs.must_have_room_for("cvae", digits.schema, digits.shape, {"latent": fits, "channels": 8})
    with pytest.raises(RequestError):
        costs.must_have_room_for("cvae", digits.schema, digits.shape, {"latent": 2 * fits + 1, "channels": 8})


@pytest.mark.parametrize("error", [OverflowError("int too large"), RuntimeError("Storage size calculation overflowed")])
def test_numbers_beyond_all_counting_are_too_large(
    digits: Splits, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """As in a family from outside, whose settings have no bounds."""

    def unbounded(*given: object, latent: int, **arguments: object) -> object:
        if latent > 1_000:
            raise error
        return build("cvae", digits.schema, digits.shape, latent=latent, channels=8)

    monkeypatch.setattr(costs, "build", unbounded)
    with pytest.raises(RequestError, match="`latent=625` fits"):
        costs.must_have_room_for("cvae", digits.schema, digits.shape, {"latent": 10_000})


def test_other_errors_of_building_are_not_taken_for_size(digits: Splits, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*given: object, **arguments: object) -> object:
        raise RuntimeError("a defect")

    monkeypatch.setattr(costs, "build", failing)
    with pytest.raises(RuntimeError, match="a defect"):
        costs.must_have_room_for("cvae", digits.schema, digits.shape, {"latent": 8})


def test_a_batch_that_cannot_fit_is_refused_with_the_largest_power_of_two_that_does(
    digits: Splits, tmp_path: Path
) -> None:
    told = refusal(digits, tmp_path / "run", batch=1_000_000)
    assert "batches of 1,000,000 would take" in told
    fits = int(told.split("`batch=")[1].partition("`")[0])
    assert fits & (fits - 1) == 0
    assert 256 <= fits <= 100 * 2**20 // costs.bytes_per_example(build("cvae", digits.schema, digits.shape), digits)


def test_a_batch_that_cannot_fit_may_fit_with_checkpointing(digits: Splits, tmp_path: Path) -> None:
    told = refusal(digits, tmp_path / "run", batch=1_000_000, channels=8, depth=3)
    plain, more = (int(part.partition("`")[0]) for part in told.split("`batch=")[1:])
    assert plain < more
    assert "With `checkpointing=True`" in told
    again = refusal(digits, tmp_path / "run", batch=1_000_000, channels=8, depth=3, checkpointing=True)
    assert f"At most `batch={more}` fits." in again
    assert "With" not in again


def room_for(digits: Splits, monkeypatch: pytest.MonkeyPatch, batch: float) -> Model:
    """A model, and room in memory for the training of its weights, with this many examples besides."""
    model = build("cvae", digits.schema, digits.shape)
    weights = costs.COPIES * sum(p.numel() for p in model.parameters())
    each = costs.bytes_per_example(model, digits) + 2 * 4 * 64
    monkeypatch.setattr(costs, "memory", lambda device: Room("the memory", int(weights + batch * each)))
    return model


def test_a_batch_shares_the_memory_with_the_weights(digits: Splits, monkeypatch: pytest.MonkeyPatch) -> None:
    model = room_for(digits, monkeypatch, 64.5)
    costs.must_have_room_to_train(model, digits, TrainingConfig(batch=64))
    with pytest.raises(RequestError, match="At most `batch=64` fits"):
        costs.must_have_room_to_train(model, digits, TrainingConfig(batch=65))


def test_where_not_one_example_fits_a_smaller_model_is_advised(digits: Splits, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RequestError, match="Choose a smaller model"):
        costs.must_have_room_to_train(room_for(digits, monkeypatch, 0.5), digits, TrainingConfig(batch=1))


@pytest.mark.parametrize("previews", [0, 3])
def test_checkpoints_that_the_disk_cannot_hold_are_refused_before_training(
    digits: Splits, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, previews: int
) -> None:
    run = train("cvae", digits, tmp_path / "run", images=128, progress=SILENT, **SMALL | {"previews": previews})
    file, weights = (tmp_path / "run" / FILE).stat().st_size, sum(4 * p.numel() for p in run.model.parameters())
    most = 2 * file + (2 * weights if previews else 0)
    full = Room("the disk of this test", most // 2)
    monkeypatch.setattr(costs, "disk", lambda path: full)
    told = refusal(digits, tmp_path / "two", previews=previews, **{k: v for k, v in SMALL.items() if k != "previews"})
    needed = re.search(r"would take ([\d.]+) kB, and the disk of this test has ([\d.]+) kB free", told)
    assert needed
    assert 0.8 * most < 1000 * float(needed[1]) <= most  # rather low, see condgen.room
    assert float(needed[2]) == pytest.approx(full.free / 1000, abs=0.1)
    resume(run.path, digits, budget="+1s", progress=SILENT)  # its own files make room


@pytest.mark.parametrize("model", ["cvae", "cgan", "flow"])
def test_the_memory_of_an_example_is_that_of_the_batch_and_nothing_is_changed(model: str, digits: Splits) -> None:
    built = build(model, digits.schema, digits.shape)
    before = {n: t.clone() for n, t in built.state_dict().items()}
    state = torch.random.get_rng_state()
    each = costs.bytes_per_example(built, digits)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert all(torch.equal(t, before[n]) for n, t in built.state_dict().items())
    x, condition = as_float(digits.train.take(torch.arange(64))), digits.train.condition[:64]
    assert 0.8 < costs._kept(built, x, condition) / (64 * each) < 2


def test_more_samples_than_memory_holds_are_refused_with_the_number_that_fits(run: Run) -> None:
    with pytest.raises(RequestError, match=r"1,000,000,000 samples.*`n=(\d+)` fits") as caught:
        run.sample(n=1_000_000_000)
    fits = int(str(caught.value).rpartition("`n=")[2].partition("`")[0])
    must_hold_samples(fits, (1, 8, 8))
    with pytest.raises(RequestError, match=r"2\^40"):
        run.sample(n=10**20)


def test_more_samples_than_the_disk_holds_are_refused_before_any_is_written(
    run: Run, command: Command, tmp_path: Path
) -> None:
    result = command("sample", run.path, "-n", 10**11, "--out", tmp_path / "out")
    assert result.status == 2
    assert "100,000,000,000 samples would take" in result.err
    assert not (tmp_path / "out").exists()
