"""The worth and the cost of keeping the best of several candidates: obedience, precision and recall beside one each."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from condgen.evaluation.comparison.columns import Quantity, Values
from condgen.evaluation.judge.judge import Reading
from condgen.evaluation.metrics.distances import distances
from condgen.evaluation.metrics.estimate import Estimate, share
from condgen.evaluation.metrics.metric import Measurement, Metric
from condgen.evaluation.metrics.obedience import tolerances, within
from condgen.evaluation.subject import as_in_data
from condgen.schema import Condition
from condgen.units import number, percent


@dataclass(frozen=True)
class Drawn:
    """Samples of the data's requests, by the judge and in its features.

    obeyed: share that shows everything asked for. diversity: relative to real data.
    """

    obeyed: Estimate
    precision: Estimate
    recall: Estimate
    diversity: float


@dataclass(frozen=True)
class BestOf:
    """The best of `candidates`, and samples of one candidate each, under the same conditions and first seeds."""

    candidates: int
    best: Drawn
    single: Drawn


class BestOfMetric(Metric[BestOf]):
    """The best of several candidates beside single samples."""

    name = "best_of"
    title = "Best of several candidates"
    about = "What does choosing among candidates gain in obedience, and lose in variety?"
    result = BestOf

    def skipped(self, case: Measurement) -> str:
        """A reason if samples are of one candidate each."""
        return "" if case.subject.sampling.best_of > 1 else "samples are of one candidate each (`best_of`)"

    def measure(self, case: Measurement) -> BestOf:
        """The evaluation's samples, and those without a choice."""
        subject, config = case.subject, case.config
        single = replace(subject, sampling=replace(subject.sampling, best_of=1))
        asked = as_in_data(case.data.test, config.samples, config.seed)
        alone = single.answer(asked, torch.arange(config.seed, config.seed + config.samples))
        real = case.judge.read(case.data.test.observations)
        bounds = tolerances(real, case.data.test.condition)

        def drawn(x: Tensor, condition: Condition) -> Drawn:
            read = case.judge.read(x)
            return _drawn(read, real, share(within(read, condition, bounds).all(1)))

        best, first = (drawn(part.x, part.condition) for part in (case.samples, alone))
        return BestOf(subject.sampling.best_of, best, first)

    def lines(self, result: BestOf) -> list[str]:
        """One line, with single samples in brackets."""
        best, single = result.best, result.single
        obeyed = f"{percent(best.obeyed.value)} ({percent(single.obeyed.value)}) as asked"
        parts = (("precision", best.precision, single.precision), ("recall", best.recall, single.recall))
        shares = ", ".join(f"{what} {number(a.value, '.2f')} ({number(b.value, '.2f')})" for what, a, b in parts)
        varied = f"diversity {number(best.diversity, '.2f')} ({number(single.diversity, '.2f')})"
        return [f"best of {result.candidates} candidates: {obeyed}, {shares}, {varied}; in brackets, one each"]

    def columns(self, result: BestOf, results: Mapping[str, Any]) -> Values:
        """The changes by choice in obedience and recall."""
        best, single = result.best, result.single
        return {
            Quantity("best_of_gain", "obeyed, gained by choice", "higher", "page", "share"): (
                best.obeyed.value - single.obeyed.value
            ),
            Quantity("best_of_cost", "recall lost by choice", "lower", "page", "share"): (
                single.recall.value - best.recall.value
            ),
        }


BEST_OF = BestOfMetric()


def _drawn(read: Reading, real: Reading, obeyed: Estimate) -> Drawn:
    found = distances(read.features, real.features)
    return Drawn(obeyed, found.precision, found.recall, found.diversity)
