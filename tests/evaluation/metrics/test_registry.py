"""A metric of another package: measured, kept in the report, shown on the page and compared."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from importlib.metadata import EntryPoint, EntryPoints
from typing import Any

import pytest
import torch

import condgen.registry
from condgen.data import Splits
from condgen.evaluation.comparison.columns import Quantity, Values
from condgen.evaluation.comparison.comparison import compare
from condgen.evaluation.findings import Evidence, Finding
from condgen.evaluation.judge.judge import Judge
from condgen.evaluation.measure import Evaluation, evaluate
from condgen.evaluation.metrics.estimate import Estimate, mean
from condgen.evaluation.metrics.metric import Measurement, Metric
from condgen.evaluation.metrics.registry import METRICS, OWN
from condgen.evaluation.protocol import EvaluationConfig
from condgen.evaluation.report import Report
from condgen.pages.comparison import markdown
from condgen.pages.report import render
from tests.evaluation import liars

BRIEF = EvaluationConfig(samples=200, pairs=0, useful=0, folds=0)


@dataclass(frozen=True)
class Size:
    """How large samples are, beside held-out data; both by their mean absolute value."""

    made: Estimate
    real: Estimate
    factors: tuple[int, ...] = (1, 2)


class SizeMetric(Metric[Size]):
    """A metric as another package would bring it."""

    name = "size"
    title = "How large"
    about = "Are samples as large as data?"
    result = Size

    def measure(self, case: Measurement) -> Size:
        case.warn("Sizes are of little use.")
        made, real = (part.x.abs().mean(1) for part in (case.samples, case.data.test))
        return Size(mean(made), mean(real))

    def lines(self, result: Size) -> list[str]:
        return [f"size {result.made.value:.1f}"]

    def findings(self, result: Size, evidence: Evidence) -> Iterator[Finding]:
        yield Finding("size", f"Samples have a size of {result.made.value:.1f}.", "Nothing needs to be done.", False)

    def columns(self, result: Size, results: Mapping[str, Any]) -> Values:
        return {Quantity("size", "size ÷ real", "one"): result.made.value / result.real.value}


SIZE = SizeMetric()


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A package with that metric."""
    point = EntryPoint("size", f"{__name__}:SIZE", "condgen.metrics")
    monkeypatch.setattr(condgen.registry, "installed", lambda: EntryPoints([point]))
    monkeypatch.setattr(METRICS, "_others", None)


@pytest.fixture
def data(monkeypatch: pytest.MonkeyPatch) -> Splits:
    """Points, and a judge who was not trained."""
    monkeypatch.setattr("condgen.evaluation.measure.judge_for", lambda data, progress: Judge(data.schema, data.shape))
    return liars.world(n=2_000)


def measured(data: Splits, seed: int = 0) -> Evaluation:
    torch.manual_seed(seed)
    return evaluate(liars.run_of(liars.Perfect(), data), data, BRIEF)


@pytest.mark.usefixtures("installed")
def test_a_metric_of_another_package_goes_wherever_condgens_own_go(data: Splits) -> None:
    report = measured(data).report
    size = SIZE.of(report.results)
    assert size is not None
    assert 0.8 < size.made.value / size.real.value < 1.2
    assert "Sizes are of little use." in report.warnings
    assert "size" in [f.name for f in report.findings]
    again = Report.loads(report.dumps())
    assert SIZE.of(again.results) == size
    page = render(report, {}, [])
    assert "How large" in page
    assert "Are samples as large as data?" in page
    assert f"{size.made.value:#.3g} (" in page
    found = compare([replace(report, run={**report.run, "training": {"seed": seed}}) for seed in (0, 1)])
    assert [q.name for q in found.quantities if q.name == "size"] == ["size"]
    assert found.rows[0].cells["size"].mean == pytest.approx(size.made.value / size.real.value)
    assert "size ÷ real" in markdown(found)


def test_its_result_is_shown_and_kept_where_the_package_is_not_installed(data: Splits) -> None:
    base = measured(data).report
    assert "size" not in base.results
    with_it = Report.loads(base.with_results(size=Size(Estimate(1.0, 0.9, 1.1), Estimate(2.0, 1.9, 2.1))).dumps())
    assert with_it.results["size"]["made"]["value"] == 1.0
    assert Report.loads(with_it.dumps()).dumps() == with_it.dumps()
    assert "1.00 (0.900–1.10)" in render(with_it, {}, [])


def test_what_is_not_measured_is_empty_in_the_report_and_says_why(data: Splits) -> None:
    report = measured(data).report
    assert report.usefulness is None
    assert report.asked == ()
    assert report.skipped["usefulness"] == "`useful=0` leaves it out"
    assert set(report.results) == {metric.name for metric in OWN}
    assert {name for name, result in report.results.items() if not result} == set(report.skipped)


def test_every_metric_has_a_name_of_its_own_a_title_and_a_question() -> None:
    assert len({metric.name for metric in OWN}) == len(OWN)
    for metric in OWN:
        assert metric.title
        assert metric.about.endswith("?")
        assert metric.name not in Report.__dataclass_fields__
