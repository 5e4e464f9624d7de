"""The evaluation of a run: a run and its data in, a report out."""

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch

from condgen.data import Dataset, Splits
from condgen.errors import RequestError
from condgen.evaluation.doctor import diagnose
from condgen.evaluation.findings import Evidence, Finding
from condgen.evaluation.independence import independent, must_be_independent
from condgen.evaluation.judge.judge import Judge, judge_for, kept_judge
from condgen.evaluation.metrics.metric import Measurement, Metric
from condgen.evaluation.metrics.obedience import OBEDIENCE
from condgen.evaluation.metrics.rare import RARE
from condgen.evaluation.metrics.registry import METRICS
from condgen.evaluation.protocol import BRIEF, BRIEF_JUDGE, EvaluationConfig
from condgen.evaluation.report import FILE, Report
from condgen.evaluation.subject import EvaluatedRun, as_in_data
from condgen.evaluation.unfinished import Unfinished
from condgen.evaluation.verdict import headline
from condgen.files import read_log
from condgen.models.abilities import Guided
from condgen.models.complaint import faults
from condgen.models.flow.guidance import named_weights
from condgen.models.protocols import Discovers, Prefers
from condgen.models.remedies import TrainedAs
from condgen.progress import Progress, Task, shown
from condgen.runs.data import is_the_same
from condgen.runs.run import Run
from condgen.runs.sampling import SamplingOptions
from condgen.training.log import LOG
from condgen.versions import versions

ROUGH = (
    f"The numbers are rough, by a judge that saw {BRIEF_JUDGE:,} images only. One that sees more errs less "
    "(`judge_images=100_000`)."
)


@dataclass(frozen=True)
class Evaluation:
    """A report, and the objects it was computed from.

    subject: the measured run.
    judge: its judge.
    samples: the judged samples.
    config: the settings.
    log: the entries of its training.
    """

    report: Report
    subject: EvaluatedRun
    judge: Judge
    samples: Dataset
    config: EvaluationConfig
    log: Sequence[Mapping[str, Any]]


def evaluate(
    run: Run,
    data: Splits,
    how: EvaluationConfig | None = None,
    *,
    sampling: SamplingOptions | None = None,
    progress: Progress | None = None,
) -> Evaluation:
    """Measure a run on data that it was not trained on. A killed measurement goes on where it stopped.

    sampling: of guided runs, by default the run's own.
    progress: a bar or log lines by default.

    Raises RequestError for data on which the run cannot be measured, for options of sampling that it does not have, and
    for features that it was trained against.
    """
    start, config = time.monotonic(), how or EvaluationConfig()
    warnings: list[str] = []
    must_fit(run, data)
    must_be_independent(run, config.features)
    subject = EvaluatedRun(run, data, sampling or SamplingOptions())
    subject.sampling.validate_for(run.model)
    run.requests(list(config.ask))  # raises errors of requests before the work
    progress = progress or shown()
    unfinished = Unfinished.of(_identity_of_numbers(subject, config))
    with progress.task("measuring", len(METRICS), unit="metrics") as task:
        case = _case(subject, config, unfinished, warnings.append, progress)
        results, skipped = _results(case, unfinished, progress, task)
    log = _log(run)
    findings = diagnose(_evidence(subject, results, log))
    report = Report(
        headline=headline(OBEDIENCE.of(results), run.info.recipe["model"], RARE.of(results)),
        watch=_watch(findings),
        run=identity(run),
        sampling=_asked_of_sampling(subject.sampling),
        protocol=config.protocol(data),
        results=results,
        findings=findings,
        warnings=tuple(warnings),
        seconds=time.monotonic() - start,
        versions=versions(),
        skipped=skipped,
        data="" if is_the_same(data, run.info) else data.source.address or "",
    )
    unfinished.forget()
    return Evaluation(report, subject, case.judge, case.samples, config, log)


def glance(run: Run, data: Splits, progress: Progress | None = None, **config: Any) -> Report:
    """A brief measurement, enough to find faults. Without a judge of this data, one is trained on few images, and a
    warning says so. config: fields of `EvaluationConfig` that differ from a brief one.

    Raises RequestError as `evaluate` does.
    """
    how = BRIEF | {name: value for name, value in config.items() if value is not None}
    rough = "judge_images" not in how and kept_judge(data) is None
    how |= {"judge_images": BRIEF_JUDGE} if rough else {}
    report = evaluate(run, data, EvaluationConfig(**how), progress=progress).report
    return replace(report, warnings=(*report.warnings, ROUGH)) if rough else report


def _identity_of_numbers(subject: EvaluatedRun, config: EvaluationConfig) -> dict[str, Any]:
    """Everything that the numbers of an evaluation depend on."""
    run = subject.run
    return {
        "weights": fingerprint(run),
        "recipe": run.info.recipe,
        "sampling": subject.sampling.dump(),
        "protocol": asdict(config.protocol(subject.data)),
        "config": asdict(config),
        "device": str(run.model.device),
        "versions": versions(),
    }


def _case(
    subject: EvaluatedRun,
    config: EvaluationConfig,
    unfinished: Unfinished,
    warn: Callable[[str], None],
    progress: Progress,
) -> Measurement:
    """The input of metrics: the judge, and samples under the held-out data's own conditions."""
    progress.note("The judge: a predictor of the attributes, trained on real data once and then cached …")
    shown_to_it: dict[str, Any] = {} if config.judge_images is None else {"images": config.judge_images}
    judge = judge_for(subject.data, progress=progress, **shown_to_it)
    progress.note(f"{config.samples:,} samples …")
    if (match := subject.match) is not None:
        warn(f"Codes were matched to labels, as read from real data: {match.code} stands for {match.attribute}.")
    if subject.sampling.best_of > 1 and not isinstance(subject.run.model, Prefers):
        warn(
            "Samples were chosen by a judge like the one that judges them, but of another seed. Obedience is "
            "flattered by the errors that both make; look at the features of another network, too (`features`)."
        )
    asked = as_in_data(subject.data.test, config.samples, config.seed)
    seeds = torch.arange(config.seed, config.seed + config.samples)
    x = unfinished.samples(lambda: subject.observations(asked, seeds))
    return Measurement(subject, judge, Dataset(x, subject.heeded(asked)), config, warn)


def _results(
    case: Measurement, unfinished: Unfinished, progress: Progress, task: Task
) -> tuple[dict[str, Any], dict[str, str]]:
    """The result of every metric, and the reasons why some were not measured."""
    results, skipped = {}, {}
    for k, (name, metric) in enumerate(METRICS.items(), 1):
        results[name], reason = _result(name, metric, case, unfinished, progress)
        if reason:
            skipped[name] = reason
        task.move(k)
    return results, skipped


def _result(
    name: str, metric: Metric[Any], case: Measurement, unfinished: Unfinished, progress: Progress
) -> tuple[Any, str]:
    """The result of a metric, or the reason why it was not measured. One is an error in a metric of another package."""
    try:
        if reason := metric.skipped(case):
            return metric.without, reason
        progress.note(f"{metric.title} …")
        result = unfinished.result(name, metric, case)
        metric.lines(result)  # an error here would end the showing of the report
    except RequestError:
        raise
    except Exception as error:
        return metric.without, METRICS.excuse(name, error)
    return result, ""


def _evidence(subject: EvaluatedRun, results: Mapping[str, Any], log: Sequence[Mapping[str, Any]]) -> Evidence:
    """The evidence for the doctor."""
    run = subject.run
    return Evidence(
        results=results,
        log=log,
        complaints=faults(run.model.complaints(_last(log)), run.info.steps),
        guidance=_guidance(run, subject.sampling),
        epochs=run.info.images / subject.data.train.epoch,
        trained=TrainedAs.of(run.info.recipe),
        crowding=run.joint.crowding() if subject.conditional else (),
    )


def must_fit(run: Run, data: Splits) -> None:
    """Raise RequestError for data on which the run cannot be measured."""
    if run.model.shape != data.shape:
        raise RequestError(
            f"{run.path} makes observations of shape {run.model.shape}, the data has {data.shape}. Evaluate on data "
            "like that it was trained on (`data`, `size`)."
        )
    must_have_labels(data, "Evaluate on data like it that has some (`data`).")
    if not isinstance(run.model, Discovers) and len(run.schema) and run.schema != data.schema:
        raise RequestError(
            f"{run.path} knows the attributes {', '.join(run.schema.names) or 'none'}, the data has "
            f"{', '.join(data.schema.names) or 'none'}, or their values differ. Evaluate on data labelled alike."
        )
    if len(data.test) < 2:
        raise RequestError("The data has no held-out labelled part to compare with; give more of it (`data`).")


def must_have_labels(data: Splits, advice: str) -> None:
    """Raise RequestError with the advice for data from which no judge can learn."""
    if not len(data.schema):
        raise RequestError(f"The data has no labels, from which a judge learns what samples show. {advice}")


def _log(run: Run) -> list[dict[str, Any]]:
    """The log of training. Empty for runs without a log."""
    return [_logged_numbers(e) for e in read_log(run.path / LOG) if "images" in e]


def _logged_numbers(entry: Mapping[str, Any]) -> dict[str, Any]:
    """An entry's numbers, and its warning if it is one."""
    return {k: v for k, v in entry.items() if isinstance(v, int | float) or k == "warning"}


def _last(log: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """The last value of every logged quantity."""
    return {k: float(v) for entry in log for k, v in entry.items() if isinstance(v, int | float)}


def _guidance(run: Run, how: SamplingOptions) -> float:
    """The largest guidance weight in use. 1 for models without guidance."""
    if not isinstance(run.model, Guided):
        return 1.0
    own = run.model.guidance.weights
    return max(named_weights(run.schema, own if how.weights is None else how.weights).values(), default=1.0)


def _asked_of_sampling(how: SamplingOptions) -> dict[str, Any]:
    """The options of sampling that were set, as JSON. A guide is given by its name."""
    return {**how.given, **({"guide": how.guide.recipe.get("model")} if how.guide else {})}


def identity(run: Run) -> dict[str, Any]:
    """The identity of a run and of its training."""
    info = run.info
    return {
        "path": str(run.path),
        "model": info.recipe["model"],
        "arguments": info.recipe["arguments"],
        "training": info.training,
        "data": info.data,
        "images": info.images,
        "seconds": info.seconds,
        "parameters": sum(p.numel() for p in run.model.parameters()),
        "weights": fingerprint(run),
        "trained_with": info.versions,
        "trained_against": [each.name for each in info.against],
    }


def kept_report(run: Run) -> Report | None:
    """The report in a run's folder, if it is of the run's present weights and measured by networks that these were not
    trained against. Raises RunError for a damaged one.
    """
    if not (run.path / FILE).exists():
        return None
    report = Report.load(run.path / FILE)
    present = report.run.get("weights") == fingerprint(run)
    return report if present and independent(run, report.protocol.features) else None


def fingerprint(run: Run) -> str:
    """A hash of a run's weights. A report belongs to exactly these weights."""
    digest = hashlib.blake2b(digest_size=8)
    for tensor in run.model.state_dict().values():
        digest.update(tensor.detach().cpu().flatten().contiguous().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _watch(findings: Sequence[Finding]) -> str:
    """A sentence or two for the headline: the gravest finding, and the number of others."""
    if not findings:
        return ""
    more = f" {len(findings) - 1} more finding{'s' * (len(findings) > 2)}." if len(findings) > 1 else ""
    return f"Watch: {findings[0].name}. {findings[0].evidence}{more}"
