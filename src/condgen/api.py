"""Everything that the command line does after training, in Python: one call each, with results that show themselves.

    report = condgen.evaluate(run)      # how well requests are obeyed, how real and varied samples are
    condgen.doctor(run)                 # what is wrong, and what to try first
    condgen.compare(run, other)         # side by side
    condgen.gallery(run)                # what it makes, as one page
    condgen.inspect(data)               # what was understood of data, before training

Runs are given opened or by their folder, data as `load` takes it. Progress is shown to a person unless it is given:
`progress=condgen.progress.SILENT` shows nothing.
"""

import html
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from condgen.data import Splits, load
from condgen.errors import CondgenError, RequestError
from condgen.evaluation.comparison.comparison import Comparison
from condgen.evaluation.comparison.comparison import compare as compared
from condgen.evaluation.findings import Finding
from condgen.evaluation.judge.judge import kept_judge
from condgen.evaluation.measure import Evaluation, kept_report
from condgen.evaluation.measure import evaluate as measured
from condgen.evaluation.protocol import BRIEF, EvaluationConfig
from condgen.evaluation.report import Report
from condgen.inspection import Inspection
from condgen.inspection import inspect as inspected
from condgen.pages import comparison as comparison_page
from condgen.pages import inspection_files
from condgen.pages import report as report_page
from condgen.pages.gallery import Gallery, GalleryContext
from condgen.pages.gallery import gallery as hung
from condgen.pages.inspection import inspection_page
from condgen.pages.sheets import sheets_of
from condgen.progress import Progress, shown
from condgen.requests import Requestable
from condgen.runs.run import Run
from condgen.runs.sampling import SamplingOptions

if TYPE_CHECKING:
    from condgen.models.flow.guidance import Weights

AnyRun = Run | str | Path
Result = TypeVar("Result")
HEIGHT = 600  # pixels of a page in a notebook


@dataclass(frozen=True, repr=False)
class Shown(Generic[Result]):
    """A result that shows itself: two lines as text, its page in a notebook, its files in a folder.

    result: what was found; its attributes are this object's too.
    """

    result: Result
    text: str
    page: Callable[[], str]
    write: Callable[[Path], object]

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self.result, name)

    def __repr__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        page = html.escape(self.page(), quote=True)
        return f'<iframe srcdoc="{page}" style="width: 100%; height: {HEIGHT}px; border: 0"></iframe>'

    def save(self, folder: str | Path) -> Path:
        """Write the page and the numbers into a folder; the path of the folder. Raises RunError."""
        self.write(Path(folder))
        return Path(folder)


def evaluate(
    run: AnyRun,
    data: object = None,
    *,
    guidance: "Weights | str | None" = None,
    sampler: str | None = None,
    steps: int | None = None,
    progress: Progress | None = None,
    **config: Any,
) -> Shown[Report]:
    """Measure a run on data that it was not trained on: obedience, fidelity, memorisation and all other metrics.

    data:     the run's own unless given. guidance, sampler, steps: of guided runs.
    config:   fields of `EvaluationConfig`, such as `samples=2000` or `ask=("an old man",)`.

    Raises RequestError for what cannot be measured, RunError when the run's data is not at hand.
    """
    return _shown(_measured(opened(run), data, EvaluationConfig(**config), progress, guidance, sampler, steps))


def _measured(
    run: Run,
    data: object,
    config: EvaluationConfig,
    progress: Progress | None,
    guidance: "Weights | str | None" = None,
    sampler: str | None = None,
    steps: int | None = None,
) -> Evaluation:
    sampling = SamplingOptions(guidance=guidance, sampler=sampler, steps=steps)
    sampling.validate_for(run.model)
    return measured(run, data_for(run, data), config, sampling=sampling, progress=progress)


def _shown(evaluation: Evaluation) -> Shown[Report]:
    report = evaluation.report

    def page() -> str:
        return report_page.render(report, sheets_of(evaluation), evaluation.log)

    text = f"{report.headline}\n  {report.watch or 'Nothing is wrong as far as can be measured.'}"
    return Shown(report, text, page, lambda folder: report_page.save(evaluation, folder))


@dataclass(frozen=True, repr=False)
class Diagnosis(Sequence[Finding]):
    """The findings about a run, the gravest first; empty where nothing is wrong as far as can be measured."""

    findings: tuple[Finding, ...]

    def __len__(self) -> int:
        return len(self.findings)

    def __getitem__(self, index: Any) -> Any:
        return self.findings[index]

    def __repr__(self) -> str:
        if not self.findings:
            return "Nothing is wrong as far as can be measured."
        return "\n".join(f"{f.name}: {f.evidence} {f.advice}" for f in self.findings)


def doctor(run: AnyRun, data: object = None, *, progress: Progress | None = None, **config: Any) -> Diagnosis:
    """What is wrong with a run, each finding with its evidence and the one thing to try first.

    A report that was saved of the run's present weights is used; otherwise the run is measured now. data, config: as
    for `evaluate`; they ask for a new measurement.
    """
    opened_run = opened(run)
    kept = kept_report(opened_run) if data is None and not config else None
    report = kept or _measured(opened_run, data, EvaluationConfig(**(BRIEF | config)), progress).report
    return Diagnosis(report.findings)


def compare(*runs: AnyRun, data: object = None, progress: Progress | None = None, **config: Any) -> Shown[Comparison]:
    """Several runs side by side; those that differ in their seed only are one row, mean ± standard deviation.

    Runs without a report of their present weights are measured first. data, config: as for `evaluate`.

    Raises RequestError for fewer than two runs, or reports that were measured differently.
    """
    if len(runs) < 2:
        raise RequestError("Name at least two runs to compare.")
    return _compared([report_for(opened(run), data, EvaluationConfig(**config), progress) for run in runs])


def _compared(reports: Sequence[Report]) -> Shown[Comparison]:
    found = compared(reports)
    return Shown(
        found,
        comparison_page.markdown(found),
        lambda: comparison_page.page(found),
        lambda folder: comparison_page.save(found, folder),
    )


def report_for(run: Run, data: object, config: EvaluationConfig, progress: Progress | None = None) -> Report:
    """The report of a run: the one in its folder if it is of these weights, else a new one, which is kept there.

    data: measured on that instead, and not kept.
    """
    kept = kept_report(run) if data is None else None
    if kept is not None:
        return kept
    progress = progress or shown()
    progress.note(f"{run.path}: measuring")
    evaluation = _measured(run, data, config, progress)
    if data is None:
        report_page.save(evaluation, run.path)
    return evaluation.report


def gallery(
    run: AnyRun,
    *asked: Requestable,
    only: Sequence[str] = (),
    n: int = 10,
    seed: int = 0,
    data: object = None,
    guidance: "Weights | str | None" = None,
    sampler: str | None = None,
    steps: int | None = None,
    progress: Progress | None = None,
) -> Shown[Gallery]:
    """What a run makes, as one page: samples, sweeps, interpolations, edits of photographs, nearest training images.

    asked: what to show; what the data has unless given. only: names of sections. n: samples per request.

    Raises RequestError for a wrong request or section, or a run of vectors.
    """
    opened_run = opened(run)
    sampling = SamplingOptions(guidance=guidance, sampler=sampler, steps=steps)
    requests = tuple(opened_run.requests(list(asked))) if asked else ()
    context = with_data(GalleryContext(opened_run, requests, seed=seed, columns=n, sampling=sampling), data)
    found = hung(context, only, progress)
    text = f"Gallery of {opened_run.path}\n  {', '.join(section.name for section in found.sections)}"
    return Shown(found, text, found.html, lambda folder: found.save(folder / "gallery.html"))


def with_data(
    context: GalleryContext, data: Any, loaded: "Callable[[Run, Any], Splits] | None" = None
) -> GalleryContext:
    """A gallery's context with the data and its judge, where they are at hand; without, what needs them says so.

    loaded: loads what is named; `data_for` unless given.
    """
    try:
        splits = (loaded or data_for)(context.run, data)
    except CondgenError as error:
        if data is not None:
            raise
        return replace(context, no_data=f"The data that this run was trained on is not at hand. {error}")
    judge = kept_judge(splits) if splits.schema == context.run.schema else None
    return replace(context, data=splits, judge=judge)


def inspect(data: object, **how: Any) -> Shown[Inspection]:
    """What condgen understands of data before anything is trained: attributes, balance, problems, what to do.

    data: a name, a path, or what `load` takes. how: `attributes`, `size`, `schema`, … as for `load`.

    Raises DataError and RequestError as `load` does.
    """
    source = os.fspath(data) if isinstance(data, str | os.PathLike) else data
    found = inspected(source if isinstance(source, str | Splits) else load(source), **how)
    counts = ", ".join(f"{n:,} {part}" for part, n in found.examples.items())
    first = next(iter((*found.problems, *found.advice)), "")
    return Shown(
        found,
        f"{counts} examples of shape {found.shape}; attributes: {', '.join(found.schema.names)}\n  {first}",
        lambda: inspection_page(found),
        lambda folder: inspection_files.save(found, (), folder),
    )


def opened(run: AnyRun) -> Run:
    """A run, opened if it is a folder's name. Raises RunError."""
    return run if isinstance(run, Run) else Run.open(run)


def data_for(run: Run, data: object) -> Splits:
    """The data of a run, unless other data is given: an address is loaded as the run's own was. Raises RunError."""
    if data is None or isinstance(data, str | os.PathLike):
        return run.data(None if data is None else os.fspath(data))
    splits = data if isinstance(data, Splits) else load(data)
    return splits if run.coordinates is None else splits.measured_in(run.coordinates)
