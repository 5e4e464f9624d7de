"""Generation in bulk: a request in, a folder of shards out, made by as many workers as there are."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from condgen.bulk.engine import Engine
from condgen.bulk.engine import engine as engine_of
from condgen.bulk.formats import FORMATS
from condgen.bulk.job import Job
from condgen.bulk.judged import data_for_judges, gate, gauge, must_know
from condgen.bulk.made import INDEX, Index, Made, record_of, statistics_of
from condgen.bulk.manifest import begin
from condgen.bulk.plan import Plan, usual_size
from condgen.errors import RunError
from condgen.files import make_folder
from condgen.imprint import Origin
from condgen.locks import held
from condgen.progress import Progress, shown
from condgen.requests.request import Request, Requestable
from condgen.runs.addresses import open_generator
from condgen.runs.generator import Generator, name_of
from condgen.runs.limits import FEW, must_fit_on_disk
from condgen.runs.samples import Samples
from condgen.runs.sampling import SamplingOptions
from condgen.stores import Folder, folder_at, is_address
from condgen.stores.disk import LocalFolder
from condgen.stores.folder import write

if TYPE_CHECKING:
    from condgen.data import Splits
    from condgen.evaluation.scale.report import ReportAtScale


@dataclass(frozen=True, repr=False)
class Bulk:
    """A finished folder of shards, which `load` and `stream` read as any other dataset.

    report: what a judge measured, if that was asked for.
    """

    folder: str
    index: Index
    report: "ReportAtScale | None" = None

    def __repr__(self) -> str:
        index, report = self.index, self.report.lines() if self.report else ()
        kept = f"{index.samples:,} samples" + (f" of {index.made:,}" if index.samples < index.made else "")
        several = "s" * (len(index.shards) > 1)
        return "\n".join([f"{kept} in {len(index.shards):,} shard{several} in {self.folder}", *index.lines(), *report])


def generate(
    run: Generator | str | Path,
    asked: Requestable | Sequence[Requestable] | Sequence[Request] = (),
    n: int = 16,
    out: str | Path = "samples",
    *,
    seed: int = 0,
    engine: Engine | str = "processes",
    workers: int | None = None,
    shard: int | None = None,
    format: str = "parquet",  # noqa: A002 (its name everywhere)
    keep_if: str | None = None,
    measure: bool = False,
    data: "str | Splits | None" = None,
    trust: bool = False,
    extrapolate: bool = False,
    progress: Progress | None = None,
    **sampling: Any,
) -> Bulk:
    """Write n samples of every request into a folder of shards, on the workers of an engine.

    run: a run, an exported model or a served one, or its path or address. Workers open it by that.
    asked: as for `Run.sample`.
    seed: of the first sample of every request. Sample k has `seed + k`, and is the one that `Run.sample` gives.
    engine: processes, ray, one of another package, or an `Engine`.
    workers: their number. By default one per GPU, or one per core.
    shard: most samples of a shard, a multiple of 250. By default 10,000, and fewer of large ones.
    format: parquet, webdataset, or one of another package.
    keep_if: "obeyed" leaves out samples in which a judge does not read every attribute that the request names as asked.
        They are counted, and not replaced by others.
    measure: also measure what is written with the judge of evaluations, for a report that takes no more memory for
        more samples.
    data: for the judges, by default the run's own.
    trust: the run may name any place as its data, also one that was not used here before.
    sampling: fields of `SamplingOptions`.

    If an earlier process was killed at the same, only the missing shards are made. Every shard has the same bytes
    whatever the engine and the number of workers.

    Raises RequestError for a wrong request or setting, and for a folder that holds something else. Raises RunError if
    the folder cannot be written, or a shard cannot be made.
    """
    out = out if is_address(out) else os.path.abspath(out)  # workers may start in another folder
    generator = open_generator(run) if isinstance(run, str | Path) else run
    requests = _requests(generator, asked, extrapolate)
    how = SamplingOptions(**sampling)
    must_know(keep_if)
    FORMATS[format].must_hold(generator.shape)
    plan = Plan(len(requests), n, seed, usual_size(generator.shape) if shard is None else shard)
    some = next(generator.stream(requests[:1], min(n, FEW), seed, sampling=how))  # refuses a wrong request
    origin = Origin([each.text for each in requests], name_of(generator), generator.fingerprint, how.given)
    job = Job(_address(run), generator.fingerprint, requests, plan, how, origin, folder_at(out).address, format)
    runs_it = engine_of(engine, workers=workers) if isinstance(engine, str) else engine
    progress = progress or shown()
    if not keep_if and not measure:
        return _written(job, generator, some, runs_it, progress)
    splits = data_for_judges(generator, data, trust, progress)
    progress.note("A judge: a predictor of the attributes, trained on real data once and then cached …")
    job = replace(
        job, gate=gate(splits, progress) if keep_if else None, gauge=gauge(splits, progress) if measure else None
    )
    made = _written(job, generator, some, runs_it, progress)
    return replace(made, report=_reported(job, splits)) if measure else made


def _address(run: Generator | str | Path) -> str:
    """The path or address by which workers open a generator, from whatever folder they start in."""
    if not isinstance(run, str | Path):
        run = getattr(run, "path", None) or f"{getattr(run, 'server', '')}/{name_of(run)}"
    return str(run) if ":" in str(run) else os.path.abspath(run)


def _requests(generator: Generator, asked: Any, extrapolate: bool) -> tuple[Request, ...]:
    if not isinstance(asked, str) and asked and all(isinstance(each, Request) for each in asked):
        return tuple(asked)
    return tuple(generator.requests(asked, extrapolate))


def _written(job: Job, generator: Generator, some: Samples, engine: Engine, progress: Progress) -> Bulk:
    """Make the shards that are missing, and the index."""
    folder = folder_at(job.folder)
    with _held(folder):
        begin(folder, job)
        write(folder, "schema.json", (generator.schema.dumps() + "\n").encode())
        missing, done = _missing(folder, job)
        if isinstance(folder, LocalFolder):
            must_fit_on_disk(some, job.plan.samples - done, folder.path)
        _run(job, missing, done, engine, progress)
        index = Index.of(job.origin.requests, _records(folder, job))
        write(folder, INDEX, index.dumps())
    return Bulk(folder.address, index)


@contextmanager
def _held(folder: Folder) -> Iterator[None]:
    """A context in which no other command of this machine writes to a folder on its disk.

    Nothing is lost where two do, as in a store: they write the same bytes.
    """
    if not isinstance(folder, LocalFolder):
        yield
        return
    try:
        make_folder(folder.path)
    except OSError as error:
        raise RunError(f"{folder.address} cannot be written: {error.strerror or error}.") from None
    with held(folder.path):
        yield


def _missing(folder: Folder, job: Job) -> tuple[list[int], int]:
    """The shards that are not finished, and the number of samples that the finished ones were made of."""
    files = folder.files()
    missing = [shard for shard in range(job.plan.shards) if job.name(shard) not in files]
    return missing, job.plan.samples - sum(map(job.plan.samples_of, missing))


def _run(job: Job, missing: Sequence[int], done: int, engine: Engine, progress: Progress) -> None:
    """Make the missing shards."""
    if done and missing:
        progress.note(f"{done:,} of {job.plan.samples:,} samples are there from before; the rest follows.")
    with progress.task("sampling", job.plan.samples, done=done, unit="samples") as task, _all_of(missing) as made:
        for each in engine.run(job, missing) if missing else ():
            made.add(each.shard)
            task.move(done := done + sum(each.made.values()))


@contextmanager
def _all_of(wanted: Sequence[int]) -> Iterator[set[int]]:
    """A set to which numbers are added, which must be these in the end."""
    made = set[int]()
    yield made
    if made != set(wanted):
        raise RunError(
            f"The engine has ended with {len(set(wanted) - made):,} shards unfinished. Ask for the same again."
        )


def _records(folder: Folder, job: Job) -> Iterator[Made]:
    """The records of all shards, in order."""
    return (Made.loads(folder.read(record_of(job.name(shard)))) for shard in range(job.plan.shards))


def _reported(job: Job, data: "Splits") -> "ReportAtScale":
    """The report by the statistics of all shards, merged in their order. It is written beside them."""
    from condgen.evaluation.scale.report import FILE, report_at_scale
    from condgen.evaluation.scale.statistics import Statistics, merged

    assert job.gauge is not None, "nothing was measured otherwise"
    folder, gauge = folder_at(job.folder), job.gauge
    names = (statistics_of(job.name(shard)) for shard in range(job.plan.shards))
    found = merged(Statistics.loads(folder.read(name)) for name in names)
    report = report_at_scale(found, job.requests, data, gauge.judge, gauge.bounds, gauge.identity)
    write(folder, FILE, report.dumps())
    return report
