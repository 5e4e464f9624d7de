"""`condgen compare`: several runs by their reports, or models trained on data under one budget."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from condgen.cli.options import (
    DataDir,
    Edited,
    Features,
    HoldOut,
    Json,
    JudgeImages,
    Labels,
    MeasureSeed,
    OtherData,
    Pairs,
    Resize,
    Samples,
    Size,
    Split,
    Trust,
    Useful,
    data_of,
    duration_option,
    folder_option,
    load_data,
    measuring,
    names,
    number_option,
    parse_settings,
    progress,
)
from condgen.cli.spelling import spell
from condgen.stores.copies import named

if TYPE_CHECKING:
    from condgen.data import Splits
    from condgen.evaluation.comparison.comparison import Comparison
    from condgen.evaluation.protocol import EvaluationConfig
    from condgen.evaluation.report import Report
    from condgen.runs.run import Run

# Arguments that have no effect on finished runs.
OF_TRAINING = (
    "mechanisms",
    "priors",
    "seeds",
    "budget",
    "images",
    "settings",
    "size",
    "data_dir",
    "resize",
    "split",
    "hold_out",
)


def compare(
    context: typer.Context,
    what: Annotated[list[str], typer.Argument(metavar="RUN RUN … | DATA", help="Runs, or data to train models on.")],
    out: Annotated[Path | None, folder_option("Folder for the table and the page, and with DATA for the runs.")] = None,
    models: Annotated[str | None, typer.Option(help="Models to train on DATA: cvae,projection.")] = None,
    mechanisms: Annotated[
        str | None, typer.Option(help="Mechanisms to train each model with: concat,film,norm,modulate.")
    ] = None,
    priors: Annotated[str | None, typer.Option(help="Priors to train each model with: standard,gaussian,flow.")] = None,
    seeds: Annotated[int, typer.Option(help="Number of seeds, from 0.")] = 3,
    budget: Annotated[float | None, duration_option(help="Training time of each run: 90s, 10m.")] = None,
    images: Annotated[
        int | None, number_option(help="Number of training images of each run, instead of a time: 500k.")
    ] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Any setting of all models or of training.")
    ] = None,
    data: OtherData = None,
    trust: Trust = False,
    size: Size = None,
    data_dir: DataDir = None,
    resize: Resize = "crop",
    split: Split = "random",
    hold_out: HoldOut = None,
    samples: Samples = 10_000,
    labels: Labels = "data",
    features: Features = "judge",
    pairs: Pairs = 1_000,
    useful: Useful = 60_000,
    edits: Edited = 200,
    judge_images: JudgeImages = None,
    seed: MeasureSeed = 0,
    as_json: Json = False,
) -> None:
    """Compare several RUNs by their reports, or models trained on DATA under one budget: one table, one page.

    Runs that differ in their seed only form one row, with mean ± standard deviation. The best row is marked only if the
    difference is beyond noise. A comparison of DATA continues where it was interrupted. Held-out combinations have
    columns of their own.
    """
    from condgen.evaluation.comparison.agreement import TOLD
    from condgen.evaluation.comparison.comparison import compare as compared
    from condgen.evaluation.comparison.comparison import dumps
    from condgen.files import must_be_writable
    from condgen.pages.comparison import save

    how = measuring(samples, labels, features, pairs, useful, edits, judge_images, seed)
    given = _given(context)
    _must_go_together(models, given)
    if out:
        must_be_writable(out)
    if models is None:
        asked = {name: getattr(how, name) for name in (*TOLD, "edits") if name in given}
        found = compared(_reports(what, data, asked, trust))
    else:
        how_loaded = {"data_dir": data_dir, "resize": resize, "split": split, "hold_out": hold_out}
        found = _grid(what, out, models, mechanisms, priors, seeds, budget, images, settings, size, how_loaded, how)
    page = save(found, out) if out else None
    print(dumps(found)) if as_json else _show_comparison(found)
    if page and not as_json:
        print(f"The page: {named(page)}")


def _given(context: typer.Context) -> dict[str, str]:
    """The options that were given, by the names of their arguments."""
    sources = {str(p.name): (p.opts[0], context.get_parameter_source(str(p.name))) for p in context.command.params}
    return {name: option for name, (option, source) in sources.items() if source and source.name == "COMMANDLINE"}


def _must_go_together(models: str | None, given: Mapping[str, str]) -> None:
    """Raise RequestError for options of training with finished runs, or the other way round."""
    from condgen.errors import RequestError

    if models is not None and "data" in given:
        raise RequestError("--data is for RUNs that are trained; the DATA to train --models on stands without it.")
    if models is None and (unused := [given[name] for name in OF_TRAINING if name in given]):
        raise RequestError(
            f"Finished RUNs keep the data, split and training that they have, so {', '.join(unused)} would do nothing. "
            "Leave it out, or name DATA and the --models to train on it."
        )


def _reports(folders: list[str], data: str | None, asked: Mapping[str, Any], trust: bool) -> "list[Report]":
    """The reports of runs. A run is measured now if it has no report of its weights, or if data is named."""
    from condgen.api import reports_for
    from condgen.errors import RequestError
    from condgen.runs.run import Run

    if len(folders) < 2:
        raise RequestError(
            "Name at least two runs, or data and what to train on it: condgen compare DATA --models cvae,gan --out DIR."
        )
    runs = [Run.open(Path(folder), trust=trust) for folder in folders]
    return reports_for(runs, data, asked, progress(), data_of)


def _grid(
    what: list[str],
    out: Path | None,
    models: str,
    mechanisms: str | None,
    priors: str | None,
    seeds: int,
    budget: float | None,
    images: int | None,
    settings: list[str] | None,
    size: int | None,
    loading: "dict[str, Any]",
    how: "EvaluationConfig",
) -> "Comparison":
    """Train and measure a grid, or the missing part of it."""
    from condgen.errors import RequestError
    from condgen.evaluation.comparison.comparison import compare as compared
    from condgen.evaluation.comparison.grid import Grid, cells
    from condgen.evaluation.measure import evaluate as measure
    from condgen.pages.report import save

    if len(what) != 1 or out is None:
        raise RequestError(
            "Training takes one DATA and a folder for the runs: condgen compare DATA --models … --out DIR."
        )
    splits = load_data(what[0], None, size, None, **loading)
    planned = cells(
        splits,
        names(models),
        names(mechanisms),
        names(priors),
        range(seeds),
        images=images,
        seconds=budget,
        settings=parse_settings(settings or []),
    )

    going = progress()

    def measured(run: "Run", data: "Splits") -> "Report":
        evaluation = measure(run, data, how, progress=going)
        save(evaluation, run.path)
        return evaluation.report

    grid = Grid(
        out,
        splits,
        measured,
        how.protocol(splits),
        progress=going,
    )
    return compared(*grid.run(planned))


def _show_comparison(found: "Comparison") -> None:
    from rich.console import Console

    from condgen.pages.comparison import captions, table

    console = Console(markup=False, emoji=False, highlight=False)
    console.print(table(found))
    for text in captions(found, "terminal"):
        console.print(spell(text))
