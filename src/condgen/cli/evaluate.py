"""Commands that measure one run: its report, and its faults."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from condgen.cli.options import (
    Asked,
    BestOf,
    Combinations,
    Edited,
    Features,
    Folds,
    Guidance,
    Interval,
    Json,
    JudgeImages,
    Labels,
    Latents,
    MeasureSeed,
    OtherData,
    Pairs,
    RunOrFile,
    Sampler,
    Samples,
    Steps,
    Trust,
    Useful,
    data_of,
    folder_option,
    measuring,
    number_option,
    progress,
    sampling_by,
    say,
)
from condgen.cli.spelling import spell
from condgen.stores.copies import named

if TYPE_CHECKING:
    from condgen.evaluation.report import Report


def evaluate(
    run: RunOrFile,
    data: OtherData = None,
    samples: Samples = 10_000,
    labels: Labels = "data",
    features: Features = "judge",
    pairs: Pairs = 1_000,
    useful: Useful = 60_000,
    edits: Edited = 200,
    latents: Latents = 5_000,
    asked: Asked = None,
    combinations: Combinations = 100,
    folds: Folds = 3,
    judge_images: JudgeImages = None,
    seed: MeasureSeed = 0,
    guidance: Guidance = None,
    interval: Interval = None,
    sampler: Sampler = None,
    steps: Steps = None,
    best_of: BestOf = 1,
    out: Annotated[Path | None, folder_option("Folder for the report. By default the run's own.")] = None,
    trust: Trust = False,
    as_json: Json = False,
) -> None:
    """Measure RUN: obedience to requests, realism and variety of samples. Writes report.html and report.json.

    An independent judge, trained on real data only, reads the attributes of samples. Its own skill on held-out real
    data stands beside every number.
    """
    from condgen.evaluation.measure import evaluate as measure
    from condgen.files import must_be_writable
    from condgen.pages.report import save
    from condgen.runs.run import Run

    more = {"latents": latents, "ask": tuple(asked or ()), "combinations": combinations, "folds": folds}
    how = measuring(samples, labels, features, pairs, useful, edits, judge_images, seed, **more)
    opened = Run.open(run, trust=trust)
    folder = out or opened.folder
    must_be_writable(folder)
    sampling = sampling_by(guidance, interval, sampler, steps, best_of=best_of)
    sampling.validate_for(opened.model)
    found = measure(opened, data_of(opened, data), how, sampling=sampling, progress=progress())
    say("The pictures …")
    page = save(found, folder)
    if as_json:
        print(found.report.dumps())
    else:
        _show_report(found.report)
        print(f"The whole report: {named(page)}")


def doctor(
    run: RunOrFile,
    data: OtherData = None,
    judge_images: Annotated[
        int | None,
        number_option(help="Measure anew, by a judge that is shown so many images in training."),
    ] = None,
    trust: Trust = False,
    as_json: Json = False,
) -> None:
    """Say what is wrong with RUN, with the evidence and the first thing to try.

    Uses the report of `condgen evaluate` if it belongs to the present weights. Otherwise measures the run briefly. If
    its data has no judge yet, one is trained on 30,000 images, which takes some minutes for photographs.
    """
    import json
    from dataclasses import asdict

    from condgen.evaluation.measure import glance, kept_report
    from condgen.runs.run import Run

    opened = Run.open(run, trust=trust)
    report = kept_report(opened) if data is None and judge_images is None else None
    report = report or glance(opened, data_of(opened, data), progress(), judge_images=judge_images)
    if as_json:
        print(json.dumps([asdict(f) for f in report.findings], indent=2, ensure_ascii=False))
    else:
        print(report.headline)
        _show_findings(report)
        for text in report.warnings:
            print(spell(f"Note: {text}"))


def _show_report(report: "Report") -> None:
    """Print the report in a few lines. The page has the rest."""
    from condgen.evaluation.metrics.registry import measured

    print(report.headline)
    for metric, result in measured(report.results):
        for line in metric.lines(result):
            print(f"  {line}")
    _show_findings(report)
    for text in report.warnings:
        print(spell(f"Note: {text}"))


def _show_findings(report: "Report") -> None:
    from condgen.evaluation.verdict import NO_FAULT, NOTHING_WRONG

    if report.well:
        print(NO_FAULT if report.findings else NOTHING_WRONG)
    for f in report.findings:
        print(spell(f"{'✗' if f.grave else '·'} {f.name}: {f.evidence}\n  Try first: {f.advice}"))
