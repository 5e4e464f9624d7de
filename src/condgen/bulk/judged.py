"""Judges that go with a job to its workers: one that refuses samples, and one that measures those that are kept."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from condgen.errors import RequestError, unknown
from condgen.progress import Progress
from condgen.requests.request import Request
from condgen.runs.generator import Generator, Sourced
from condgen.runs.samples import Samples

if TYPE_CHECKING:
    from condgen.data import Splits
    from condgen.evaluation.judge.judge import Judge, Reading
    from condgen.evaluation.scale.statistics import Statistics

KEEP_IF = ("obeyed",)  # reasons to keep a sample


@dataclass(frozen=True)
class Judged:
    """A judge, and the largest distance of each measured attribute that counts as obeyed (see `tolerances`).

    identity: the fingerprint of the judge's training data, its version, that of the measurements, and its seed.
    """

    judge: "Judge"
    bounds: Mapping[str, float]
    identity: str

    def obeyed(self, samples: Samples, request: Request) -> Any:
        """A mask of the samples in which every attribute that the request names is read as asked, [n].

        Of a request that names none, every attribute.
        """
        from condgen.evaluation.scale.statistics import obeys

        return obeys(self._read(samples), samples.condition, request, self.bounds)

    def statistics(self, samples: Samples, request: Request, index: int) -> "Statistics":
        """The statistics of samples of the request with this index."""
        from condgen.evaluation.scale.statistics import Statistics

        return Statistics.of(self._read(samples), samples.condition, request, index, self.bounds)

    def _read(self, samples: Samples) -> "Reading":
        from condgen.pixels import as_uint8

        return self.judge.read(as_uint8(samples.x) if samples.images else samples.x)


def must_know(keep_if: str | None) -> None:
    """Raise RequestError for an unknown reason to keep a sample."""
    if keep_if is not None and keep_if not in KEEP_IF:
        raise unknown("reason to keep samples", keep_if, KEEP_IF)


def data_for_judges(generator: Generator, data: "str | Splits | None", trust: bool, progress: Progress) -> "Splits":
    """The data of a run, or other data with the same attributes, for judges. Raises RequestError without a run.

    trust: the run may name any place as its data.
    """
    if not isinstance(generator, Sourced):
        raise RequestError(
            "Only a run knows the data that a judge learns from. Sample from the run that this was exported from, or "
            "leave out `keep_if` and `measure`."
        )
    from condgen.data import Splits
    from condgen.evaluation.measure import must_fit
    from condgen.runs.run import Run

    assert isinstance(generator, Run), "only runs have data"
    generator.trust = generator.trust or trust
    found = data if isinstance(data, Splits) else generator.data(data, progress)
    must_fit(generator, found)
    if generator.schema != found.schema:
        raise RequestError(f"{generator.path} is asked for codes of its own, which no judge reads.")
    return found


def gate(data: "Splits", progress: Progress) -> Judged:
    """The judge that refuses samples: another one than that of evaluations, so that none judges its own choice.

    Its tolerances are those on validation data.
    """
    from condgen.evaluation.judge.choosing import SEED

    return _judged(data, data.validation if len(data.validation) else data.train, progress, seed=SEED)


def gauge(data: "Splits", progress: Progress) -> Judged:
    """The judge of evaluations, with the tolerances of an evaluation."""
    return _judged(data, data.test, progress)


def _judged(data: "Splits", real: Any, progress: Progress, **settings: Any) -> Judged:
    from condgen.evaluation.judge.held_out import judge_splits
    from condgen.evaluation.judge.judge import VERSION, judge_for
    from condgen.evaluation.metrics.obedience import tolerances
    from condgen.evaluation.protocol import VERSION as MEASUREMENTS

    judge = judge_for(data, progress=progress, **settings)
    fingerprint, versions = judge_splits(data).train.fingerprint, (f"v{VERSION}", f"m{MEASUREMENTS}")
    named = [fingerprint, *versions, *(f"{k}{v}" for k, v in settings.items())]
    return Judged(judge, tolerances(judge.read(real.observations), real.condition), "-".join(named))
