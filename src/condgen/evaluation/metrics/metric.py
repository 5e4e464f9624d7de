"""The base class of metrics: one question about a model, and the uses of its answer."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from condgen.data import Dataset, Splits
from condgen.evaluation.comparison.columns import Values
from condgen.evaluation.findings import Evidence, Finding
from condgen.evaluation.judge.judge import Judge
from condgen.evaluation.protocol import EvaluationConfig
from condgen.evaluation.subject import EvaluatedRun

Result = TypeVar("Result")


@dataclass(frozen=True)
class Measurement:
    """The input of a metric.

    subject: the run, as something that answers conditions of the data.
    judge: reads the attributes of samples.
    samples: the run's samples under the held-out data's own conditions.
    config: the settings of the evaluation.
    warn: called with warnings about unreliable numbers.
    """

    subject: EvaluatedRun
    judge: Judge
    samples: Dataset
    config: EvaluationConfig
    warn: Callable[[str], None] = lambda text: None

    @property
    def data(self) -> Splits:
        """The data that the run is measured on."""
        return self.subject.data


class Metric(ABC, Generic[Result]):
    """One question about a model: its measurement, and the conclusions from its result.

    A metric is a file with such a class and an entry in `METRICS`. Another package adds one by an entry point in the
    group `condgen.metrics`. Results are dataclasses of plain values and of `Estimate`.

    name: of the result in report.json.
    title: of its section on the page.
    about: its question, in a sentence.
    result: the type of the result, for reading report.json.
    without: the value in the report if it was not measured.
    """

    name: str
    title: str
    about: str = ""
    result: Any
    without: Any = None

    def skipped(self, case: Measurement) -> str:
        """The reason why this is not measured, or an empty text."""
        return ""

    @abstractmethod
    def measure(self, case: Measurement) -> Result:
        """The answer. Raises RequestError for settings that cannot be measured."""

    def of(self, results: Mapping[str, Any]) -> Result | None:
        """Its result among others, or None if it was not measured."""
        return results.get(self.name)

    def lines(self, result: Result) -> list[str]:
        """Readable lines for a terminal."""
        return []

    def findings(self, result: Result, evidence: Evidence) -> Iterator[Finding]:
        """Faults shown by this result, the gravest first."""
        yield from ()

    def columns(self, result: Result, results: Mapping[str, Any]) -> Values:
        """The columns of this result in comparisons. `results` are those of all metrics."""
        return {}
