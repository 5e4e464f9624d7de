"""The work of bulk generation, which engines hand to their workers: one shard after the other."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from condgen.bulk.formats import FORMATS, Facts
from condgen.bulk.judged import Judged
from condgen.bulk.made import Counts, Made, record_of, statistics_of
from condgen.bulk.plan import Batch, Plan
from condgen.errors import RunError
from condgen.imprint import Origin
from condgen.requests.request import Request
from condgen.runs.addresses import open_generator
from condgen.runs.generator import Generator, Threaded
from condgen.runs.samples import Samples
from condgen.runs.sampling import SamplingOptions
from condgen.stores import folder_at
from condgen.stores.folder import write

if TYPE_CHECKING:
    from condgen.evaluation.scale.statistics import Statistics

THREADS = 1  # of a worker: workers are as many as cores


@dataclass(frozen=True)
class Job:
    """Everything that a worker must know. It is sent to other processes and machines.

    run: the path or the address of the model, as the workers see it.
    fingerprint: of the model.
    folder: the address for the shards.
    format: a name in `FORMATS`.
    gate: refuses samples that do not obey.
    gauge: measures those that are kept.
    """

    run: str
    fingerprint: str
    requests: Sequence[Request]
    plan: Plan
    sampling: SamplingOptions
    origin: Origin
    folder: str
    format: str
    gate: Judged | None = None
    gauge: Judged | None = None

    def name(self, shard: int) -> str:
        """The name of a shard's file, by which `load` and other libraries know the files of one set."""
        return f"train-{shard:05d}-of-{self.plan.shards:05d}.{FORMATS[self.format].ending}"

    def start(self) -> Callable[[int], Made]:
        """The function that makes and writes a shard by its number, with the model opened once.

        Raises RunError if the model is not the one that was asked for.
        """
        generator = open_generator(self.run)
        if generator.fingerprint != self.fingerprint:
            raise RunError(f"{self.run} has changed since the first shard was begun; ask for a new folder (`out`).")
        if isinstance(generator, Threaded):
            generator.use_threads(THREADS)
        return Maker(self, generator)


class Maker:
    """Makes shards of a job with an opened model."""

    def __init__(self, job: Job, generator: Generator):
        self.job = job
        self.generator = generator
        self.folder = folder_at(job.folder)
        self.facts = Facts(generator.schema, job.origin, job.plan)

    def __call__(self, shard: int) -> Made:
        """Make a shard, and write it: its record first, so that a shard that is there is finished."""
        counts, statistics, file = Counts(), list["Statistics"](), self.job.name(shard)
        content = FORMATS[self.job.format].write(self._parts(shard, counts, statistics), self.facts)
        made = Made.of(shard, file, content, counts)
        if statistics:
            write(self.folder, statistics_of(file), statistics[0].dumps())
        write(self.folder, record_of(file), made.dumps())
        write(self.folder, file, content)
        return made

    def _parts(self, shard: int, counts: Counts, statistics: "list[Statistics]") -> Iterator[Samples]:
        """The samples of a shard that are kept, batch by batch. Their statistics are merged into one."""
        for batch in self.job.plan.shard(shard):
            samples, request = self._made(batch), self.job.requests[batch.request]
            counts.made[batch.request] += len(samples)
            if self.job.gate is not None:
                samples = samples[self.job.gate.obeyed(samples, request)]
            counts.kept[batch.request] += len(samples)
            if self.job.gauge is not None:
                found = self.job.gauge.statistics(samples, request, batch.request)
                statistics[:] = [statistics[0].merged(found) if statistics else found]
            yield samples

    def _made(self, batch: Batch) -> Samples:
        asked, seeds = self.job.requests[batch.request], batch.seeds
        (samples,) = self.generator.stream([asked], len(seeds), seeds.start, sampling=self.job.sampling)
        return replace(samples, request=samples.request + batch.request)
