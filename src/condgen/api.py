"""Python counterparts of the commands after training: one call each, with results that display themselves.

    report = condgen.evaluate(run)      # obedience to requests, realism and variety of samples
    condgen.doctor(run)                 # faults, and the first thing to try
    condgen.compare(run, other)         # side by side
    condgen.gallery(run)                # samples and edits as one page
    condgen.inspect(data)               # the reading of data, before training
    condgen.augment(run, "digit", out)  # its data with generated examples of rare values, and their worth

Runs are given opened or by their folder, and data as `load` takes it. Progress is shown by default.
`progress=condgen.progress.SILENT` shows nothing.
"""

import html
import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from condgen.data import BUILTIN, PUBLISHED, Splits, load
from condgen.errors import CondgenError, CondgenWarning, RunError
from condgen.evaluation.augmentation import Augmented
from condgen.evaluation.augmentation import augment as augmented
from condgen.evaluation.comparison.comparison import Comparison
from condgen.evaluation.comparison.comparison import compare as compared
from condgen.evaluation.comparison.finished import reports_of
from condgen.evaluation.findings import Finding
from condgen.evaluation.judge.judge import kept_judge
from condgen.evaluation.measure import Evaluation, glance, kept_report
from condgen.evaluation.measure import evaluate as measured
from condgen.evaluation.protocol import EvaluationConfig
from condgen.evaluation.report import Report
from condgen.evaluation.verdict import NO_FAULT, NOTHING_WRONG
from condgen.files import write_text
from condgen.inspection import Inspection
from condgen.inspection import inspect as inspected
from condgen.notebook import Listing, paragraph
from condgen.pages import comparison as comparison_page
from condgen.pages import inspection_files
from condgen.pages import report as report_page
from condgen.pages.gallery import Gallery, GalleryContext
from condgen.pages.gallery import gallery as gallery_of
from condgen.pages.inspection import inspection_page
from condgen.pages.sheets import sheets_of
from condgen.pages.side_by_side import side_by_side
from condgen.progress import SILENT, Progress, shown
from condgen.requests import Requestable
from condgen.runs.run import Run
from condgen.runs.sampling import SamplingOptions
from condgen.stores.copies import place

if TYPE_CHECKING:
    import torch

    from condgen.models.flow.guidance import Weights

AnyRun = Run | str | Path
Result = TypeVar("Result")
HEIGHT = 600  # height in pixels of a page in a notebook


@dataclass(frozen=True, repr=False)
class Shown(Generic[Result]):
    """A result that displays itself: two lines as text, its page in a notebook, its files in a folder.

    result: the result. Its attributes are also attributes of this object.
    """

    result: Result
    text: str
    page: Callable[[], str]
    write: Callable[[Path], object]

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self.result, name)

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *(name for name in dir(self.result) if not name.startswith("_"))]

    def __repr__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        page = html.escape(self.page(), quote=True)
        return f'<iframe srcdoc="{page}" style="width: 100%; height: {HEIGHT}px; border: 0"></iframe>'

    def save(self, out: str | Path) -> Path:
        """Write the page and the numbers into a folder, or the page alone into a file `.html`. Returns the path.

        Raises RunError.
        """
        path = place(out)
        if path.suffix == ".html":
            write_text(path, self.page())
        else:
            self.write(path)
        return path

    def saved(self, out: str | Path | None) -> "Shown[Result]":
        """The same, saved if there is a place for it."""
        if out is not None:
            self.save(out)
        return self


def evaluate(
    run: AnyRun,
    data: object = None,
    *,
    guidance: "Weights | str | None" = None,
    interval: tuple[float, float] | None = None,
    sampler: str | None = None,
    steps: int | None = None,
    best_of: int = 1,
    out: str | Path | None = None,
    progress: Progress | None = None,
    trust: bool = False,
    **config: Any,
) -> Shown[Report]:
    """Measure a run on data that it was not trained on: obedience, fidelity, memorisation and all other metrics.

    data: by default the run's own.
    guidance, interval, sampler, steps: of guided runs, as in `SamplingOptions`.
    best_of: candidates per sample, of which the best is kept.
    out: a folder for the page and the numbers, or a file `.html` for the page. By default the run's own folder, where
        `doctor` and `compare` find the report, unless it is measured on other data or cannot be written there.
    trust: the run may name any place as its data, also one that was not used here before.
    config: fields of `EvaluationConfig`, such as `samples=2000` or `ask=("an old man",)`.

    Raises RequestError for settings that cannot be measured, and RunError if the run's data is not available.
    """
    sampling = SamplingOptions(guidance=guidance, interval=interval, sampler=sampler, steps=steps, best_of=best_of)
    opened_run = opened(run, trust)
    found = _shown(_measured(opened_run, data, EvaluationConfig(**config), progress, sampling))
    return _kept(found, opened_run) if out is None and data is None else found.saved(out)


def _kept(found: Shown[Report], run: Run) -> Shown[Report]:
    """A report, written into its run's folder if the run has one that can be written. A warning says if it cannot."""
    if run.path.is_dir():
        try:
            found.write(run.path)
        except RunError as error:
            warnings.warn(f"{error} The report is not kept.", CondgenWarning, stacklevel=3)
    return found


def _measured(
    run: Run, data: object, config: EvaluationConfig, progress: Progress | None, sampling: SamplingOptions | None = None
) -> Evaluation:
    (sampling or SamplingOptions()).validate_for(run.model)
    return measured(run, data_for(run, data), config, sampling=sampling, progress=progress)


def _shown(evaluation: Evaluation) -> Shown[Report]:
    report = evaluation.report

    def page() -> str:
        return report_page.render(report, sheets_of(evaluation), evaluation.log)

    text = "\n  ".join(filter(None, [report.headline, report.watch or (NOTHING_WRONG if report.well else "")]))
    return Shown(report, text, page, lambda folder: report_page.save(evaluation, folder))


@dataclass(frozen=True, repr=False)
class Diagnosis(Sequence[Finding]):
    """The findings about a run, the gravest first.

    headline: the obedience to requests in one sentence.
    well: whether no fault was found.
    """

    findings: tuple[Finding, ...]
    headline: str = ""
    well: bool = True

    def __len__(self) -> int:
        return len(self.findings)

    def __getitem__(self, index: Any) -> Any:
        return self.findings[index]

    def __repr__(self) -> str:
        return "\n".join([*self._verdict, *(f"{f.name}: {f.evidence} {f.advice}" for f in self.findings)])

    def _repr_html_(self) -> str:
        return "".join([*(paragraph(line) for line in self._verdict), *(f._repr_html_() for f in self.findings)])

    @property
    def _verdict(self) -> list[str]:
        well = self.well and not any(f.grave for f in self.findings)
        praise = NO_FAULT if self.findings else NOTHING_WRONG
        return [line for line in (self.headline, praise if well else "") if line]


def doctor(
    run: AnyRun, data: object = None, *, progress: Progress | None = None, trust: bool = False, **config: Any
) -> Diagnosis:
    """The faults of a run, each with its evidence and the first thing to try.

    A saved report of the run's present weights is used if there is one. Otherwise the run is measured now, briefly: if
    its data has no judge yet, one is trained on 30,000 images. data, trust, config: as for `evaluate`. They require a
    new measurement.
    """
    opened_run = opened(run, trust)
    kept = kept_report(opened_run) if data is None and not config else None
    report = kept or glance(opened_run, data_for(opened_run, data), progress, **config)
    return Diagnosis(report.findings, report.headline, report.well)


def compare(
    *runs: AnyRun,
    data: object = None,
    out: str | Path | None = None,
    progress: Progress | None = None,
    trust: bool = False,
    **config: Any,
) -> Shown[Comparison]:
    """Several runs side by side. Those that differ in their seed only form one row, with mean ± standard deviation.

    Runs without a report of their present weights are measured first. data, out, trust, config: as for `evaluate`.

    Raises RequestError for fewer than two runs, or reports that were measured differently.
    """
    return _compared(reports_for([opened(run, trust) for run in runs], data, config, progress)).saved(out)


def _compared(reports: Sequence[Report]) -> Shown[Comparison]:
    found = compared(reports)
    return Shown(
        found,
        comparison_page.markdown(found),
        lambda: comparison_page.page(found, side_by_side(found)),
        lambda folder: comparison_page.save(found, folder),
    )


def reports_for(
    runs: Sequence[Run],
    data: object,
    config: Mapping[str, Any],
    progress: Progress | None = None,
    loaded: Callable[[Run, Any], Splits] | None = None,
) -> list[Report]:
    """The reports of runs: those in their folders if they are of these weights, else new ones, which are saved there.

    data: measure all of them on this data instead, without saving.
    config: fields of `EvaluationConfig`.
    loaded: loads the named data, by default `data_for`.

    Raises RequestError as `evaluation.comparison.finished.reports_of`, before any measurement.
    """
    progress = progress or shown()
    folders = {run.path: run.folder for run in runs} if data is None else {}

    def measure(run: Run, splits: Splits, how: EvaluationConfig) -> Report:
        progress.note(f"{run.path}: measuring")
        evaluation = measured(run, splits, how, progress=progress)
        if run.path in folders:
            report_page.save(evaluation, folders[run.path])
        return evaluation.report

    return reports_of(runs, lambda run: (loaded or data_for)(run, data), measure, config, anew=data is not None)


def gallery(
    run: AnyRun,
    *asked: Requestable,
    only: Sequence[str] = (),
    n: int = 10,
    seed: int = 0,
    data: object = None,
    guidance: "Weights | str | None" = None,
    interval: tuple[float, float] | None = None,
    sampler: str | None = None,
    steps: int | None = None,
    out: str | Path | None = None,
    progress: Progress | None = None,
    trust: bool = False,
) -> Shown[Gallery]:
    """A run's gallery as one page: samples, sweeps, interpolations, edits of photographs, nearest training images.

    asked: the requests to show, by default those in the data.
    only: names of sections.
    n: samples per request.
    guidance, interval, sampler, steps, out, trust: as for `evaluate`.

    Raises RequestError for a wrong request or section, or a run of vectors.
    """
    opened_run = opened(run, trust)
    sampling = SamplingOptions(guidance=guidance, interval=interval, sampler=sampler, steps=steps)
    requests = tuple(opened_run.requests(list(asked))) if asked else ()
    context = with_data(GalleryContext(opened_run, requests, seed=seed, columns=n, sampling=sampling), data)
    found = gallery_of(context, only, progress)
    text = f"Gallery of {opened_run.path}\n  {', '.join(section.name for section in found.sections)}"
    return Shown(found, text, found.html, lambda folder: found.save(folder / "gallery.html")).saved(out)


def with_data(context: GalleryContext, data: Any, loaded: Callable[[Run, Any], Splits] | None = None) -> GalleryContext:
    """A gallery's context with the data and its judge, if they are available. Otherwise it contains the reason.

    loaded: loads the named data, by default `data_for`.
    """
    try:
        splits = (loaded or data_for)(context.run, data)
    except CondgenError as error:
        if data is not None:
            raise
        return replace(context, no_data=f"The data that this run was trained on is not at hand. {error}")
    judge = kept_judge(splits) if splits.schema == context.run.schema else None
    return replace(context, data=splits, judge=judge)


def augment(
    run: AnyRun,
    attribute: str,
    out: str | Path,
    data: object = None,
    *,
    guidance: "Weights | str | None" = None,
    interval: tuple[float, float] | None = None,
    sampler: str | None = None,
    steps: int | None = None,
    progress: Progress | None = None,
    trust: bool = False,
    **how: Any,
) -> Augmented:
    """A dataset in a new folder in which an attribute's values are equally frequent: real examples, and generated ones
    of rare values.

    data: by default the run's own. Its training part is written, and its test part tells what generated ones are worth.
    guidance, interval, sampler, steps, trust: as for `evaluate`.
    how: `to`, `worth`, `images` and `seed`, as for `evaluation.augmentation.augment`.

    Raises RequestError for an attribute that cannot be balanced or asked for, and RunError as `evaluate`.
    """
    opened_run = opened(run, trust)
    sampling = SamplingOptions(guidance=guidance, interval=interval, sampler=sampler, steps=steps)
    found = data_for(opened_run, data)
    return augmented(opened_run, found, attribute, place(out), sampling=sampling, progress=progress or shown(), **how)


def inspect(data: object, *, out: str | Path | None = None, **how: Any) -> Shown[Inspection]:
    """The inspection of data before training: attributes, balance, problems, and what to do next.

    data: a name, a path, or anything that `load` takes.
    out: as for `evaluate`.
    how: `labels`, `attributes`, `size`, `schema`, … as for `load`.

    Raises DataError and RequestError as `load` does.
    """
    source = os.fspath(data) if isinstance(data, str | os.PathLike) else data
    if not isinstance(source, str | Splits):
        of_labels: dict[str, Any] = {name: how[name] for name in ("labels", "attributes", "schema") if name in how}
        source = load(source, progress=SILENT, **of_labels)
        how = {k: v for k, v in how.items() if k not in ("labels", "schema")} | {"held": _loading(of_labels)}
    found = inspected(source, **how).timed()
    counts = ", ".join(f"{n:,} {part}" for part, n in found.examples.items())
    lines = [f"{counts} examples of shape {found.shape}; attributes: {', '.join(found.schema.names)}"]
    return Shown(
        found,
        "\n  ".join([*lines, *found.problems[:1], *found.to_do[:2]]),
        lambda: inspection_page(found),
        lambda folder: inspection_files.save(found, (), folder),
    ).saved(out)


def _loading(of_labels: Mapping[str, Any]) -> str:
    """The call that loads data in memory so."""
    texts = {"labels": "labels", "schema": "schema"}  # of values too large to be written
    return f"condgen.load({', '.join(['data', *(f'{k}={texts.get(k, v)}' for k, v in of_labels.items())])})"


def datasets() -> Listing:
    """The datasets that `load` knows by name, each with a description. `load` downloads some of them on first use."""
    built_in = {name: entry.description for name, entry in BUILTIN.items()}
    published = {name: entry.description for name, entry in PUBLISHED.items()}
    return Listing(built_in | published, ("dataset", ""), lambda description: (description,))


def open(path: str | Path, device: "str | torch.device | None" = None, trust: bool = False) -> Run:  # noqa: A001
    """The run in a folder, or in a file of exported weights (see `Run.open`). Raises RunError."""
    return Run.open(path, device, trust)


def opened(run: AnyRun, trust: bool = False) -> Run:
    """A run, opened if it is given by its folder. Raises RunError."""
    found = run if isinstance(run, Run) else Run.open(run)
    found.trust = found.trust or trust
    return found


def data_for(run: Run, data: object) -> Splits:
    """The data of a run, or other data, which is loaded from its address as the run's own was. Raises RunError."""
    if data is None or isinstance(data, str | os.PathLike):
        return run.data(None if data is None else os.fspath(data))
    splits = data if isinstance(data, Splits) else load(data)
    return splits if run.coordinates is None else splits.measured_in(run.coordinates)
