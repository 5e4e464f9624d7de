"""Obedience to whole requests in the user's words, beside real data.

A judge also misses some attributes of real images, more so for rare combinations. Its verdict on samples is therefore
compared with that on real images of the same combination.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from condgen.data import Splits
from condgen.data.splits import matches
from condgen.evaluation.judge.judge import Judge
from condgen.evaluation.metrics.estimate import Estimate, share
from condgen.evaluation.metrics.metric import Measurement, Metric
from condgen.evaluation.metrics.obedience import tolerances
from condgen.requests.request import Request, Requestable
from condgen.runs.run import Run
from condgen.runs.sampling import SamplingOptions
from condgen.schema import Condition
from condgen.units import percent

MAX_SAMPLES = 2_000  # largest number of samples per request


@dataclass(frozen=True)
class RequestObedience:
    """The obedience to one request as a whole. `understood` is the interpretation of the request.

    obeyed: share of `samples` samples in which the judge sees everything requested, at once, with single numbers within
        their tolerance.
    real: the same for the `real_n` held-out real observations whose labels match the request.
    trained: number of matching training examples.
    """

    understood: str
    obeyed: Estimate
    real: Estimate
    samples: int
    real_n: int
    trained: int

    @property
    def relative(self) -> float:
        """The obedience relative to real observations, where 1 is equal. NaN if there are none."""
        return self.obeyed.value / self.real.value if self.real.value else float("nan")

    @property
    def unseen(self) -> bool:
        """Whether the judge finds the request in none of the real observations that fit it, and so cannot judge it."""
        return self.real_n > 0 and not self.real.value

    @property
    def line(self) -> str:
        """The result in one readable line."""
        if self.unseen:
            ones = f"none of the {self.real_n:,} held-out real ones" if self.real_n > 1 else "not the held-out real one"
            return f"{self.understood}: cannot be judged: the judge finds {ones}"
        real = f"{percent(self.real.value)} of {self.real_n:,} held-out real ones"
        beside = real if self.real_n else "nothing held out"
        return f"{self.understood}: {percent(self.obeyed.value)} of {self.samples:,} samples show it; {beside}"


def ask(
    run: Run,
    judge: Judge,
    data: Splits,
    asked: Requestable | Sequence[Requestable],
    samples: int = 1_000,
    seed: int = 0,
    sampling: SamplingOptions | None = None,
) -> list[RequestObedience]:
    """The judged samples of requests, with one result for each request (`digit=*` gives ten).

    Raises RequestError as `Run.requests` and `Run.stream` do.
    """
    parts = [part for part in (data.test, data.validation) if len(part)]  # data that was not trained on
    labels = Condition.cat([part.condition for part in parts])
    read = [judge.read(part.observations) for part in parts]
    seen, bounds = Condition.cat([each.condition for each in read]), tolerances(read[0], parts[0].condition)

    def measured(request: Request) -> RequestObedience:
        made = torch.cat([part.x for part in run.stream([request], samples, seed, sampling=sampling)])
        terms = request.terms(run.schema)
        fits = matches(labels, terms)
        return RequestObedience(
            understood=request.understood,
            obeyed=share(matches(judge.predict(made), terms, bounds)),
            real=share(matches(seen, terms, bounds)[fits]),
            samples=samples,
            real_n=int(fits.sum()),
            trained=int(matches(data.train.condition, terms).sum()),
        )

    return [measured(request) for request in run.requests(asked)]


# ---- the metric


class RequestsMetric(Metric[tuple[RequestObedience, ...]]):
    """Requests named by the user, each as a whole."""

    name = "asked"
    title = "Requests as a whole"
    about = "How many samples of a request show all that was asked, beside real data that fits it?"
    result = tuple[RequestObedience, ...]
    without = ()

    def skipped(self, case: Measurement) -> str:
        """A reason if no request is named."""
        return "" if case.config.ask else "no requests were named (`ask`)"

    def measure(self, case: Measurement) -> tuple[RequestObedience, ...]:
        """The judged samples of each request."""
        subject, config = case.subject, case.config
        n = min(config.samples, MAX_SAMPLES)
        return tuple(ask(subject.run, case.judge, case.data, list(config.ask), n, config.seed, subject.sampling))

    def lines(self, result: tuple[RequestObedience, ...]) -> list[str]:
        """A line per request."""
        return [each.line for each in result]


REQUESTS = RequestsMetric()
