"""Metric: one question about a model, and what the rest of condgen asks about its answer."""

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
    """All that a metric may look at.

    subject: the run, as something that answers conditions of the data. judge: who reads what samples show.
    samples: what the run made of the held-out data's own conditions. config: how to measure.
    warn:    is told which numbers are not to be trusted, and why.
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
    """One question about a model: how it is measured, and what follows from its result.

    A metric is a file with such a class, and its entry in `METRICS`; another package adds one by an entry point in the
    group `condgen.metrics`. Results are dataclasses of plain values and of `Estimate`.

    name:    of the result in report.json. title: of its section on the page. about: its question, in a sentence.
    result:  the type of the result, to read report.json by. without: what the report holds where it was not measured.
    """

    name: str
    title: str
    about: str = ""
    result: Any
    without: Any = None

    def skipped(self, case: Measurement) -> str:
        """Why this is not measured here; empty where it is."""
        return ""

    @abstractmethod
    def measure(self, case: Measurement) -> Result:
        """The answer. Raises RequestError for what cannot be measured as asked."""

    def of(self, results: Mapping[str, Any]) -> Result | None:
        """Its result among others; None where it was not measured."""
        return results.get(self.name)

    def lines(self, result: Result) -> list[str]:
        """What a terminal shows, a readable line each."""
        return []

    def findings(self, result: Result, evidence: Evidence) -> Iterator[Finding]:
        """What is wrong by this result, the gravest first."""
        yield from ()

    def columns(self, result: Result, results: Mapping[str, Any]) -> Values:
        """What comparisons show of this result; `results` are those of all metrics."""
        return {}
