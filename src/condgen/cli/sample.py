"""`condgen sample`: samples for requests, in a folder that is itself a dataset."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from condgen.cli import bulk
from condgen.cli.options import (
    BestOf,
    Guidance,
    Interval,
    OtherData,
    Out,
    RunFileOrServer,
    Sampler,
    Steps,
    Trust,
    data_of,
    number_option,
    progress,
    sampling_by,
    show_understood,
)
from condgen.stores.copies import named

if TYPE_CHECKING:
    from condgen.models import Model


def sample(
    run: RunFileOrServer,
    out: Out,
    request: Annotated[
        list[str] | None, typer.Argument(metavar="REQUEST", help="digit=7, 'a=yes, b!=c', x=1..2, 'an old man'")
    ] = None,
    n: Annotated[int, number_option("-n", help="Samples per request: 16, 500k, 100M.")] = 16,
    seed: Annotated[int, typer.Option(help="Seed of the first sample of every request. Sample k has SEED + k.")] = 0,
    extrapolate: Annotated[bool, typer.Option(help="Allow numbers beyond the range of the training data.")] = False,
    guidance: Guidance = None,
    interval: Interval = None,
    steps: Steps = None,
    sampler: Sampler = None,
    guide: Annotated[Path | None, typer.Option(help="Weaker run of a flow, for autoguidance.")] = None,
    compose: Annotated[
        bool,
        typer.Option(help="Predict each attribute alone and add the results, for combinations never seen together."),
    ] = False,
    best_of: BestOf = 1,
    free: Annotated[
        bool, typer.Option("--free", help="Leave free attributes to the model, instead of drawing them from the data.")
    ] = False,
    engine: bulk.Engine = None,
    workers: bulk.Workers = None,
    shard: bulk.Shard = None,
    kind: bulk.Format = None,
    ray_address: bulk.RayAddress = None,
    keep_if: bulk.KeepIf = None,
    measure: bulk.Measure = False,
    data: OtherData = None,
    trust: Trust = False,
) -> None:
    """Generate images for each REQUEST, with metadata.csv and grid.png. Without a request, as in the data.

    A request joins terms with commas: name=value, name!=value, name=low..high, name>=number, name=a|b, name=* (one
    request per value). Or it is in words, such as "an old man without glasses". Attributes you leave out are drawn
    from the training data, given those you asked for.

    RUN can be the address of a model that `condgen serve` serves, such as http://127.0.0.1:8000/digits.

    Samples are written to OUT.partial, which becomes OUT when all are there. The same command again continues there.

    With --engine, many workers write shards of Parquet or WebDataset into OUT. Each sample is the same as without.
    """
    from condgen.runs.addresses import open_generator
    from condgen.runs.generator import save_answers
    from condgen.units import counted

    options = bulk.Options(engine, workers, shard, kind, ray_address, keep_if, measure, data, trust)
    options.must_fit(judged=best_of > 1)
    contrast = _model(guide) if guide else None
    sampling = sampling_by(
        guidance, interval, sampler, steps, guide=contrast, compose=compose, free=free, best_of=best_of
    )
    opened = open_generator(run)
    asked = show_understood(opened.requests(request or [], extrapolate))
    if options.engine:
        print(options.generate(run, asked, n, seed, out, sampling, progress()))
        return
    if best_of > 1:
        _choose_by(opened, data, trust)
    shown = save_answers(opened, asked, n, seed, out, sampling=sampling, progress=progress())
    made = f"{counted(n * len(asked), 'sample')} for {counted(len(asked), 'request')}"
    print(f"{made} in {named(out)}; look at {named(shown)}")


def _choose_by(generator: object, data: str | None, trust: bool) -> None:
    """Let the judge of a run, if it needs one, learn from what the user names or allows."""
    from condgen.models.protocols import Prefers
    from condgen.runs.run import Run

    if isinstance(generator, Run) and len(generator.schema) and not isinstance(generator.model, Prefers):
        generator.trust = trust
        generator.choose_by(data_of(generator, data))


def _model(run: str | Path) -> "Model":
    """The model of a run."""
    from condgen.runs.run import Run

    return Run.open(run).model
