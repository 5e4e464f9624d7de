"""An evaluation that is killed between metrics goes on with what is left, to the same numbers."""

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from condgen.data import Splits
from condgen.evaluation.judge.judge import judge_for
from condgen.evaluation.measure import evaluate
from condgen.evaluation.metrics.registry import METRICS
from condgen.evaluation.protocol import EvaluationConfig
from condgen.evaluation.report import Report
from condgen.evaluation.subject import EvaluatedRun
from condgen.progress import SILENT
from condgen.runs.run import Run

HOW = EvaluationConfig(samples=200, pairs=20, useful=0, edits=20, latents=100, ask=("digit=7",))


class Counted:
    """Counts how often samples are made and each metric is measured; kills before the metric `dies`."""

    def __init__(self, patch: pytest.MonkeyPatch):
        self.times: Counter[str] = Counter()
        self.dies = ""
        for name, metric in METRICS.items():
            patch.setattr(type(metric), "measure", self._counting(name, type(metric).measure))
        observations = EvaluatedRun.observations

        def answering(subject: EvaluatedRun, asked: Any, seeds: Any) -> Any:
            self.times["samples"] += len(seeds) == HOW.samples
            return observations(subject, asked, seeds)

        patch.setattr(EvaluatedRun, "observations", answering)

    def _counting(self, name: str, measure: Any) -> Any:
        def counted(metric: Any, case: Any) -> Any:
            if name == self.dies:
                raise KeyboardInterrupt
            self.times[name] += 1
            return measure(metric, case)

        return counted


@pytest.fixture(scope="module", autouse=True)
def judged(digits: Splits) -> None:
    judge_for(digits)


@pytest.fixture(autouse=True)
def kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The folder in which finished parts are kept, empty at first."""
    monkeypatch.setattr("condgen.evaluation.unfinished.cache_folder", lambda: tmp_path / "cache")
    return tmp_path / "cache"


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Counted:
    return Counted(monkeypatch)


def measured(run: Run, data: Splits, how: EvaluationConfig = HOW) -> Report:
    return replace(evaluate(run, data, how, progress=SILENT).report, seconds=0.0)


def killed(run: Run, data: Splits, counted: Counted, before: str, how: EvaluationConfig = HOW) -> None:
    counted.dies = before
    with pytest.raises(KeyboardInterrupt):
        measured(run, data, how)
    counted.dies = ""


def test_what_was_measured_is_not_measured_again_and_the_numbers_are_the_same(
    run: Run, digits: Splits, counted: Counted
) -> None:
    whole = measured(run, digits)
    once = Counter(counted.times)
    assert once["memorisation"] == 1
    counted.times.clear()
    for before in ("fidelity", "latents"):
        killed(run, digits, counted, before)
    assert measured(run, digits) == whole
    assert counted.times == once
    assert whole.warnings  # which metrics gave that were measured before


def test_a_finished_evaluation_leaves_nothing_and_another_one_takes_nothing(
    run: Run, unconditional: Run, digits: Splits, counted: Counted, kept: Path
) -> None:
    killed(run, digits, counted, "memorisation")
    counted.times.clear()
    for other, how in (
        (run, replace(HOW, seed=1)),
        (run, replace(HOW, edits=0)),
        (unconditional, replace(HOW, ask=())),
    ):
        measured(other, digits, how)
    assert counted.times["fidelity"] == 3
    measured(run, digits)
    assert counted.times["fidelity"] == 3
    assert not list(kept.rglob("*.json"))
    measured(run, digits)
    assert counted.times["fidelity"] == 4


def test_a_metric_whose_code_has_changed_and_a_damaged_result_are_measured_again(
    run: Run, digits: Splits, counted: Counted, kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed(run, digits, counted, "memorisation")
    for path in (path for path in kept.rglob("*") if path.is_file()):
        path.write_bytes(path.read_bytes()[:-9])
    measured(run, digits)
    assert counted.times["fidelity"] == counted.times["samples"] == 2
    killed(run, digits, counted, "memorisation")
    monkeypatch.setattr("condgen.evaluation.unfinished._code", lambda metric: b"new")
    measured(run, digits)
    assert counted.times["fidelity"] == 4
    assert counted.times["samples"] == 3


def test_an_evaluation_needs_no_cache_that_can_be_written(
    run: Run, digits: Splits, counted: Counted, kept: Path
) -> None:
    kept.touch()  # a file, in which no folder can be made
    measured(run, digits)
    assert counted.times["fidelity"] == 1
