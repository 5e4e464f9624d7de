"""What comes after training copes with data that are larger than memory."""

from functools import partial
from pathlib import Path

import pytest
import torch

from condgen.data import Dataset, Splits, split
from condgen.data.storage.mapped import Mapped, Store
from condgen.evaluation import EvaluationConfig, evaluate
from condgen.evaluation.judge.judge import judge_for
from condgen.evaluation.metrics.codes import read_codes
from condgen.evaluation.metrics.latents import posterior
from condgen.inspection import inspect
from condgen.inspection.labels import check_labels
from condgen.models import build
from condgen.pages.sheets import sheets_of
from condgen.runs.run import Run
from condgen.runs.train import train
from condgen.schema import Condition, Flag, Schema
from condgen.training.health import real_diversity

MOST, N = 2_000, 9_000  # images that may be in memory at once, and that there are


class Large(Store):
    """A store of which only few images may be taken at once."""

    def take(self, rows: torch.Tensor) -> torch.Tensor:
        assert len(rows) <= MOST, f"{len(rows)} images at once"
        return super().take(rows)


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Splits:
    """Noisy images in a memory-mapped file, of which a third is for testing."""
    images = torch.randint(256, (N, 1, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    path = tmp_path_factory.mktemp("mapped") / "images"
    path.write_bytes(images.numpy().tobytes())
    bright = (images.float().mean((1, 2, 3)) > 128).float()
    schema = Schema(attributes=(Flag(name="bright"),))
    condition = Condition(schema, {"bright": bright}, torch.ones(N, 1, dtype=torch.bool))
    data = Dataset(Mapped(Large(path, tuple(images.shape)), torch.arange(N), "noise"), condition)
    return split(data[N // 3 :], data[: N // 3])


@pytest.fixture(scope="module")
def run(large: Splits, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A model trained on it, hardly."""
    return train("cvae", large, tmp_path_factory.mktemp("runs") / "cvae", images=500, channels=8, latent=4, batch=64)


def test_a_run_is_measured_a_batch_at_a_time(
    run: Run, large: Splits, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONDGEN_CACHE", str(tmp_path))
    monkeypatch.setattr("condgen.evaluation.measure.judge_for", partial(judge_for, images=500))
    found = evaluate(run, large, EvaluationConfig(samples=200, pairs=20, useful=1_000, folds=0))
    assert found.report.memorisation is not None
    assert found.report.fidelity
    assert {"nearest", "requests", "mistakes"} <= set(sheets_of(found))


def test_labels_latents_and_codes_are_read_a_batch_at_a_time(run: Run, large: Splits) -> None:
    assert check_labels(large.train, images=500)[0].checked == len(large.train)
    assert len(posterior(run.model, large.train).mean) == len(large.train)
    model = build("infogan", large.schema, large.shape, channels=8, latent=4)
    assert len(read_codes(model, large.train, "code1")) == len(large.train)
    assert real_diversity(large.train) > 0


@pytest.mark.slow
def test_splits_are_inspected_without_being_loaded(large: Splits) -> None:
    assert sum(inspect(large).examples.values()) == sum(map(len, (large.train, large.validation, large.test)))


def test_data_that_are_taken_whole_are_refused_here(large: Splits) -> None:
    with pytest.raises(AssertionError, match="at once"):
        large.train.floats.mean()
