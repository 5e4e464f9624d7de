"""Metrics of other packages, with the mistakes that strangers make."""

from typing import Any

import pytest

from condgen.data import Splits
from condgen.errors import RequestError
from condgen.evaluation.judge.judge import judge_for
from condgen.evaluation.measure import evaluate
from condgen.evaluation.metrics.metric import Metric
from condgen.evaluation.metrics.registry import METRICS
from condgen.evaluation.protocol import EvaluationConfig
from condgen.evaluation.report import Report
from condgen.progress import SILENT
from condgen.registry import PluginWarning
from condgen.runs.run import Run
from tests.foreign import bring

HOW = EvaluationConfig(samples=200, pairs=20, useful=0, edits=0, latents=0)


class Raising(Metric[list[int]]):
    """Raises an error in one of its methods."""

    name, title, result = "raising", "Raising", list[int]

    def __init__(self, where: str, error: Exception):
        self.where, self.error = where, error

    def _in(self, where: str) -> Any:
        if where == self.where:
            raise self.error
        return []

    def skipped(self, case: Any) -> str:
        return "".join(self._in("skipped"))

    def measure(self, case: Any) -> list[int]:
        return self._in("measure")

    def lines(self, result: Any) -> list[str]:
        return self._in("lines")

    def findings(self, result: Any, evidence: Any) -> Any:
        return self._in("findings")


@pytest.mark.parametrize("where", ["skipped", "measure", "lines", "findings"])
def test_an_error_in_a_metric_of_a_package_costs_that_metric_alone(
    run: Run, digits: Splits, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    judge_for(digits)
    bring(monkeypatch, METRICS, "raising", Raising(where, ValueError("oops")))
    why = "metric 'raising' of the package my-package is left out, since it raised ValueError: oops"
    with pytest.warns(PluginWarning, match=why):
        report = evaluate(run, digits, HOW, progress=SILENT).report
    assert report.obedience is not None
    assert where == "findings" or why in report.skipped["raising"]
    assert Report.loads(report.dumps()).skipped == report.skipped


def test_a_setting_that_cannot_be_measured_is_still_refused(
    run: Run, digits: Splits, monkeypatch: pytest.MonkeyPatch
) -> None:
    bring(monkeypatch, METRICS, "raising", Raising("measure", RequestError("No such setting.")))
    with pytest.raises(RequestError, match="No such setting"):
        evaluate(run, digits, HOW, progress=SILENT)
