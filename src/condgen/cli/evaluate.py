"""Commands that measure: reports, comparisons, diagnoses."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from condgen.cli.options import (
    DataDir,
    HoldOut,
    Json,
    OtherData,
    Resize,
    RunFolder,
    Size,
    Split,
    data_of,
    load_data,
    parse_settings,
    say,
)
from condgen.cli.spelling import spell
from condgen.models.registry import DEFAULT, FAMILIES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from condgen.data import Splits
    from condgen.evaluation.comparison.comparison import Comparison
    from condgen.evaluation.findings import Finding
    from condgen.evaluation.protocol import EvaluationConfig
    from condgen.evaluation.report import Report
    from condgen.runs.run import Run

Samples = Annotated[int, typer.Option(help="How many are generated and judged.")]
Labels = Annotated[
    str, typer.Option(help="What is asked for: as in the held-out 'data', or every combination alike, 'uniform'.")
]
Features = Annotated[
    str,
    typer.Option(help="What distances are measured on: judge, efficientnet, inception, a folder of a vision model."),
]
Pairs = Annotated[int, typer.Option(help="Pairs per attribute that differ in it alone, for swap test and leakage.")]
Useful = Annotated[
    str, typer.Option(help="Images to train a predictor on samples with, to see what they are worth; 0: leave it out.")
]
Edited = Annotated[
    int, typer.Option("--edits", help="Held-out images edited per attribute, by models that can; 0: none.")
]
Latents = Annotated[
    int, typer.Option(help="Observations encoded to see what the latent still knows, by models that can; 0: none.")
]
Asked = Annotated[
    list[str] | None,
    typer.Option("--ask", help="A request to measure as a whole, beside real images that fit it; may be repeated."),
]
MeasureSeed = Annotated[int, typer.Option("--measure-seed", help="Seed of the first sample that is judged.")]
Guidance = Annotated[
    str | None, typer.Option(help="Of a flow: 2, or one weight per attribute; the run's own if not given.")
]
Sampler = Annotated[str | None, typer.Option(help="Of a flow's integration; see `condgen settings`.")]
Steps = Annotated[int | None, typer.Option(help="Of a flow's integration.")]


def evaluate(
    run: RunFolder,
    data: OtherData = None,
    samples: Samples = 10_000,
    labels: Labels = "data",
    features: Features = "judge",
    pairs: Pairs = 1_000,
    useful: Useful = "60k",
    edited: Edited = 200,
    latents: Latents = 5_000,
    asked: Asked = None,
    seed: MeasureSeed = 0,
    guidance: Guidance = None,
    sampler: Sampler = None,
    steps: Steps = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Folder for the report; else the run's own.")] = None,
    as_json: Json = False,
) -> None:
    """Measure how well RUN obeys, how real and varied its samples are: report.html and report.json.

    An independent judge, trained on real data only, reads what samples show; its own skill on held-out real data stands
    beside every number.
    """
    from condgen.evaluation.measure import evaluate as measure
    from condgen.pages.report import save
    from condgen.runs.run import Run
    from condgen.runs.sampling import SamplingOptions

    how = _measuring(samples, labels, features, pairs, useful, seed)
    how = replace(how, edits=edited, latents=latents, ask=tuple(asked or ()))
    opened = Run.open(run)
    sampling = SamplingOptions(guidance=guidance, sampler=sampler, steps=steps)
    sampling.validate_for(opened.model)
    found = measure(opened, data_of(opened, data), how, sampling=sampling, say=say)
    say("The pictures …")
    page = save(found, out or run)
    if as_json:
        print(found.report.dumps())
    else:
        _show_report(found.report)
        print(f"The whole report: {page}")


def compare(
    what: Annotated[list[str], typer.Argument(metavar="RUN RUN … | DATA", help="Runs, or data to train models on.")],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Folder for the table and the page (and the runs, of DATA).")
    ] = None,
    models: Annotated[str | None, typer.Option(help=f"To train on DATA: {DEFAULT},{FAMILIES.names[-1]}.")] = None,
    mechanisms: Annotated[str | None, typer.Option(help="With each of these: concat,film,norm,modulate.")] = None,
    priors: Annotated[str | None, typer.Option(help="And each of these: standard,gaussian,flow.")] = None,
    seeds: Annotated[int, typer.Option(help="Number of seeds, from 0.")] = 3,
    budget: Annotated[str | None, typer.Option(help="Time to train each: 90s, 10m.")] = None,
    images: Annotated[str | None, typer.Option(help="Or images that each sees: 500k.")] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Any argument of all models or the trainer.")
    ] = None,
    data: OtherData = None,
    size: Size = None,
    data_dir: DataDir = None,
    resize: Resize = "crop",
    split: Split = "random",
    hold_out: HoldOut = None,
    samples: Samples = 10_000,
    labels: Labels = "data",
    features: Features = "judge",
    pairs: Pairs = 1_000,
    useful: Useful = "60k",
    seed: MeasureSeed = 0,
    as_json: Json = False,
) -> None:
    """Compare several RUNs by their reports, or models trained on DATA under one budget: one table, one page.

    Runs that differ in their seed only are one row, mean ± standard deviation; the best is marked only where the
    difference is beyond noise. A comparison of DATA goes on where it was interrupted; obedience on combinations that
    are held out has columns of its own.
    """
    from condgen.evaluation.comparison.comparison import compare as compared
    from condgen.evaluation.comparison.comparison import dumps
    from condgen.pages.comparison import save

    how = _measuring(samples, labels, features, pairs, useful, seed)
    _must_go_together(models, data, split, hold_out)
    if models is None:
        found = compared(_reports(what, data, how))
    else:
        how_loaded = {"data_dir": data_dir, "resize": resize, "split": split, "hold_out": hold_out}
        found = _grid(what, out, models, mechanisms, priors, seeds, budget, images, settings, size, how_loaded, how)
    page = save(found, out) if out else None
    print(dumps(found)) if as_json else _show_comparison(found)
    if page and not as_json:
        print(f"The page: {page}")


def doctor(
    run: RunFolder,
    data: OtherData = None,
    as_json: Json = False,
) -> None:
    """Say what is wrong with RUN, with evidence and the one thing to try first.

    Uses the report that `condgen evaluate` left, if it is of these weights; else measures the run briefly.
    """
    import json
    from dataclasses import asdict

    from condgen.evaluation.measure import evaluate as measure
    from condgen.evaluation.measure import fingerprint
    from condgen.evaluation.protocol import EvaluationConfig
    from condgen.evaluation.report import FILE, Report
    from condgen.runs.run import Run

    opened = Run.open(run)
    report = Report.load(run / FILE) if data is None and (run / FILE).exists() else None
    if report is None or report.run.get("weights") != fingerprint(opened):
        brief = EvaluationConfig(samples=2_000, pairs=500, useful=0, edits=0)
        report = measure(opened, data_of(opened, data), brief, say=say).report
    if as_json:
        print(json.dumps([asdict(f) for f in report.findings], indent=2, ensure_ascii=False))
    else:
        print(report.headline)
        _show_findings(report.findings)
        for text in report.warnings:
            print(spell(f"Note: {text}"))


def _measuring(samples: int, labels: str, features: str, pairs: int, useful: str, seed: int) -> "EvaluationConfig":
    from condgen.evaluation.protocol import EvaluationConfig
    from condgen.units import count

    names = tuple(name.strip() for name in features.split(",") if name.strip())
    images = 0 if useful.strip() == "0" else count(useful)
    return EvaluationConfig(samples=samples, labels=labels, features=names, pairs=pairs, useful=images, seed=seed)


def _must_go_together(models: str | None, data: str | None, split: str, hold_out: list[str] | None) -> None:
    """Raises RequestError where runs are compared as if they were still to be trained, or the other way round."""
    from condgen.errors import RequestError

    if models is not None and data is not None:
        raise RequestError("--data is for RUNs that are trained; the DATA to train --models on stands without it.")
    if models is None and (hold_out or split != "random"):
        raise RequestError(
            "Runs were split when they were trained: --split and --hold-out need DATA and the --models to train on it."
        )


def _reports(folders: list[str], data: str | None, how: "EvaluationConfig") -> "list[Report]":
    """The reports of runs; measured now where there is none yet of the run's weights, and on data that is named."""
    from condgen.errors import RequestError
    from condgen.evaluation.measure import evaluate as measure
    from condgen.evaluation.measure import fingerprint
    from condgen.evaluation.report import FILE, Report
    from condgen.pages.report import save
    from condgen.runs.run import Run

    if len(folders) < 2:
        raise RequestError(
            "Name at least two runs, or data and what to train on it: condgen compare DATA --models cvae,gan --out DIR."
        )
    found = []
    for folder in map(Path, folders):
        run = Run.open(folder)
        report = Report.load(folder / FILE) if data is None and (folder / FILE).exists() else None
        if report is None or report.run.get("weights") != fingerprint(run):
            say(f"{folder}: measuring on {data}" if data else f"{folder} has no report yet: measuring")
            evaluation = measure(run, data_of(run, data), how, say=say)
            report = evaluation.report
            if data is None:
                save(evaluation, folder)
        found.append(report)
    return found


def _grid(
    what: list[str],
    out: Path | None,
    models: str,
    mechanisms: str | None,
    priors: str | None,
    seeds: int,
    budget: str | None,
    images: str | None,
    settings: list[str] | None,
    size: int | None,
    loading: "dict[str, Any]",
    how: "EvaluationConfig",
) -> "Comparison":
    """Train and measure what is asked for, or what is missing of it."""
    from condgen.errors import RequestError
    from condgen.evaluation.comparison.comparison import compare as compared
    from condgen.evaluation.comparison.grid import Grid, cells
    from condgen.evaluation.judge.judge import judge_for
    from condgen.evaluation.measure import evaluate as measure
    from condgen.pages.report import save
    from condgen.training import Terminal
    from condgen.units import count, duration

    if len(what) != 1 or out is None:
        raise RequestError(
            "Training takes one DATA and a folder for the runs: condgen compare DATA --models … --out DIR."
        )
    splits = load_data(what[0], None, size, None, **loading)
    planned = cells(
        splits,
        _names(models),
        _names(mechanisms),
        _names(priors),
        range(seeds),
        images=count(images) if images else None,
        seconds=duration(budget) if budget else None,
        settings=parse_settings(settings or []),
    )

    def measured(run: "Run", data: "Splits") -> "Report":
        evaluation = measure(run, data, how, say=say)
        save(evaluation, run.path)
        return evaluation.report

    grid = Grid(
        out,
        splits,
        measured,
        how.protocol(splits, judge_for(splits)),
        monitor=lambda: Terminal(spell),
        say=say,
    )
    return compared(*grid.run(planned))


def _names(text: str | None) -> list[str]:
    return [name.strip() for name in (text or "").split(",") if name.strip()]


def _show_report(report: "Report") -> None:
    """The report in a few lines; the page has the rest."""
    from condgen.evaluation.metrics.registry import measured

    print(report.headline)
    for metric, result in measured(report.results):
        for line in metric.lines(result):
            print(f"  {line}")
    _show_findings(report.findings)
    for text in report.warnings:
        print(spell(f"Note: {text}"))


def _show_findings(findings: "Sequence[Finding]") -> None:
    if not any(f.grave for f in findings):
        print("Nothing is wrong as far as can be measured.")
    for f in findings:
        print(spell(f"{'✗' if f.grave else '·'} {f.name}: {f.evidence}\n  Try first: {f.advice}"))


def _show_comparison(found: "Comparison") -> None:
    from rich.console import Console

    from condgen.pages.comparison import captions, table

    console = Console(markup=False, emoji=False, highlight=False)
    console.print(table(found))
    for text in captions(found, "terminal"):
        console.print(spell(text))
