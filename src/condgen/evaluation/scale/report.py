"""The report about any number of samples, from their statistics and real data."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from jaxtyping import Bool
from torch import Tensor

from condgen.data import Dataset, Splits
from condgen.evaluation.judge.judge import Judge, Reading
from condgen.evaluation.metrics.distances import some
from condgen.evaluation.metrics.estimate import Estimate, wilson
from condgen.evaluation.metrics.obedience import Obedience
from condgen.evaluation.scale.moments import Moments, frechet_of_moments
from condgen.evaluation.scale.statistics import Answers, Statistics
from condgen.evaluation.scale.tally import Tally, obedience_of
from condgen.requests.request import Request
from condgen.schema import LabelDistribution
from condgen.units import number, percent

FILE = "report.json"
MOST_TRAINED = 50_000  # training observations for the floor of distances
MOST_SHOWN = 10  # requests in a terminal


@dataclass(frozen=True)
class RequestAtScale:
    """All samples of one request.

    n: their number.
    obeyed: share in which every attribute that the request names is read as asked. Of a request that names none, every
        attribute.
    frechet: distance of their features from those of held-out real observations that fit the request, of which there
        are `real`. NaN for fewer than two.
    floor: the same for training observations.
    """

    request: str
    n: int
    obeyed: Estimate
    frechet: float
    floor: float
    real: int

    @property
    def line(self) -> str:
        """The result in one readable line."""
        if not math.isfinite(self.frechet):
            why = "too few observations for a distance" if self.real else "no real data fits"
            return f"{self.request}: {percent(self.obeyed.value)} as asked; {why}"
        apart = f"Fréchet distance {number(self.frechet)} from {self.real:,} real observations"
        return f"{self.request}: {percent(self.obeyed.value)} as asked; {apart} (training data: {number(self.floor)})"


@dataclass(frozen=True)
class ReportAtScale:
    """A report about samples of which only statistics were kept.

    samples: number of samples that are there.
    obedience: over all of them, beside held-out real data.
    requests: of each.
    features: the feature space of distances.
    judge, reference: identity of the judge, and fingerprint of the held-out data.
    """

    samples: int
    obedience: Obedience
    requests: tuple[RequestAtScale, ...]
    judge: str
    reference: str
    features: str = "judge"

    def lines(self) -> Iterator[str]:
        """The result in readable lines. Of many requests, those that are obeyed least."""
        yield from self.obedience.lines()
        worst = sorted(self.requests, key=lambda each: each.obeyed.value)[:MOST_SHOWN]
        yield from (each.line for each in (self.requests if len(self.requests) <= MOST_SHOWN else worst))

    def dumps(self) -> bytes:
        """The report as JSON."""
        return (json.dumps(_plain(asdict(self)), indent=1, ensure_ascii=False) + "\n").encode()


def report_at_scale(
    found: Statistics,
    asked: Sequence[Request],
    data: Splits,
    judge: Judge,
    bounds: Mapping[str, float],
    identity: str,
) -> ReportAtScale:
    """The report about samples with these statistics.

    asked: the requests, by whose index the statistics are.
    data: its held-out part is compared with, and its training part is the floor.
    bounds: the largest distances that count as obeyed, as in the statistics.
    identity: of the judge.
    """
    test, train = data.test, _part(data.train, MOST_TRAINED)
    read_test, read_train = judge.read(test.observations), judge.read(train.observations)
    real = Tally.of(read_test, test.condition, bounds)
    trained = LabelDistribution.of(data.train.condition)
    return ReportAtScale(
        samples=int(found.tally.obeyed[0]),
        obedience=obedience_of(data.schema, found.tally, real, bounds, trained),
        requests=tuple(
            _of_request(request, answers, _fitting(test, read_test, request), _fitting(train, read_train, request))
            for index, request in enumerate(asked)
            if (answers := found.answers.get(index)) is not None
        ),
        judge=identity,
        reference=test.fingerprint,
    )


def _part(data: Dataset, most: int) -> Dataset:
    return data if len(data) <= most else data[some(len(data), most)]


def _of_request(request: Request, answers: Answers, test: Moments, train: Moments) -> RequestAtScale:
    n = answers.moments.n
    return RequestAtScale(
        request=request.text,
        n=n,
        obeyed=wilson(answers.obeyed / n if n else math.nan, n),
        frechet=frechet_of_moments(answers.moments, test),
        floor=frechet_of_moments(train, test),
        real=test.n,
    )


def _fitting(data: Dataset, read: Reading, request: Request) -> Moments:
    """The moments of the observations that are known to fit a request."""
    return Moments.of(read.features[fits(data, request)])


def fits(data: Dataset, request: Request) -> Bool[Tensor, " n"]:
    """A mask of the observations that are known to fit a request."""
    fit = torch.ones(len(data), dtype=torch.bool)
    for name, constraint in request.constraints.items():
        fit &= data.condition.given(name) & constraint.allows(data.condition.values[name])
    return fit


def _plain(value: Any) -> Any:
    """JSON has no NaN and no infinity: null stands for both."""
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
