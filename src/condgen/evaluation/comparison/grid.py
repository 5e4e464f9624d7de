"""Grids: models × mechanisms × priors × seeds, trained under one budget, each in its own folder, and measured.

A grid is resumable: the same call continues where the last one stopped. Finished runs are not trained again, reports
are not measured again, and nothing is overwritten.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path
from typing import Any

import filelock
import torch

from condgen.data import Splits
from condgen.errors import RequestError, RunError
from condgen.evaluation.comparison.comparison import Failure
from condgen.evaluation.comparison.settings import as_saved
from condgen.evaluation.measure import fingerprint, must_have_labels
from condgen.evaluation.protocol import MeasuringProtocol
from condgen.evaluation.report import FILE, Report
from condgen.models import build, used_arguments
from condgen.progress import Progress, shown
from condgen.runs.arguments import split_arguments
from condgen.runs.resume import resume
from condgen.runs.run import Run
from condgen.runs.train import train
from condgen.training import checkpoint
from condgen.training.checkpoint import Info
from condgen.training.looks import HEALTHY
from condgen.training.signals import Interrupted

LOCK = ".lock"  # in the grid's folder while it is in use
OWN = ("model", "mechanism", "prior", "seed", "images", "seconds")  # settings with arguments of their own in a grid

Evaluate = Callable[[Run, Splits], Report]


@dataclass(frozen=True)
class GridCell:
    """One run of a grid.

    label: the part of its settings that distinguishes it from others.
    arguments: of `condgen.train`, with the budget and the seed.
    """

    label: str
    model: str
    arguments: dict[str, Any]

    @property
    def name(self) -> str:
        """The name of its folder."""
        return f"{self.label}-{self.arguments['seed']}"

    def settings(self, data: Splits) -> tuple[dict[str, Any], dict[str, Any]]:
        """The model's specification and the training settings on this data, complete, in the form of a checkpoint."""
        of_model, of_training = split_arguments(self.model, self.arguments)
        spec = {"model": self.model, "arguments": of_model}
        return {**spec, "arguments": used_arguments(spec, data.schema, data.shape)}, of_training


def cells(
    data: Splits,
    models: Sequence[str],
    mechanisms: Sequence[str] = (),
    priors: Sequence[str] = (),
    seeds: Sequence[int] = (0,),
    *,
    images: int | None = None,
    seconds: int | float | None = None,
    settings: Mapping[str, Any] | None = None,
) -> list[GridCell]:
    """All runs of a grid, with the first seed of every setting first.

    Without mechanisms or priors every model uses its own.
    images, seconds: the budget of each run. Exactly one of them.
    settings: further arguments of every model and its training.

    Raises RequestError if the budget is missing, and before any training for all impossible settings.
    """
    if (images is None) == (seconds is None):
        raise RequestError(
            "Runs are compared under one budget: give a time (`seconds=180`) or a number of images (`images=500_000`)."
        )
    if taken := [name for name in settings or {} if name in OWN]:
        raise RequestError(
            f"A grid sets {', '.join(taken)} itself: they are arguments of the grid, not settings of its models."
        )
    budget = {"images": images} if seconds is None else {"seconds": seconds}
    if not models:
        raise RequestError("Name at least one model to train (`models='cvae,flow'`).")
    must_have_labels(data, "Train each model on its own, and compare the runs on data that has some (`data`).")
    named = product(_once(models), _once(mechanisms) or [None], _once(priors) or [None])
    planned = [_cell(*names, settings={**budget, **(settings or {})}) for names in named]
    _must_be_possible(planned, data)
    return [replace(cell, arguments={**cell.arguments, "seed": seed}) for seed in _once(seeds) for cell in planned]


def _once(values: Sequence[Any]) -> list[Any]:
    return list(dict.fromkeys(values))


def _cell(model: str, mechanism: str | None, prior: str | None, settings: Mapping[str, Any]) -> GridCell:
    """A cell without its seed."""
    named = {key: value for key, value in (("mechanism", mechanism), ("prior", prior)) if value is not None}
    return GridCell("-".join([model, *named.values()]), model, {**named, **settings})


def _must_be_possible(planned: Sequence[GridCell], data: Splits) -> None:
    """Build every model once. Raises RequestError that gives the reason for each that cannot be built."""
    reasons: dict[str, list[str]] = {}
    for cell in planned:
        try:
            of_model, _ = split_arguments(cell.model, cell.arguments)
            build(cell.model, data.schema, data.shape, **of_model)
        except RequestError as error:
            reasons.setdefault(str(error), []).append(cell.label)
    if not reasons:
        return
    said = "; ".join(f"{', '.join(labels)}: {reason.rstrip('.')}" for reason, labels in reasons.items())
    raise RequestError(
        f"Nothing was trained, because {sum(map(len, reasons.values()))} of {len(planned)} settings of the grid are "
        f"impossible. {said}. Train those that differ in kind on their own, and then: `condgen.compare(RUN, RUN, ...)`"
    )


@dataclass(frozen=True)
class Grid:
    """The folder of a grid, and the way in which its runs are trained and measured.

    evaluate: measures a run by this protocol and this way of sampling (as in `Report`). The report is kept in the run's
        folder and not measured again.
    progress: a bar or log lines by default.
    """

    out: Path
    data: Splits
    evaluate: Evaluate
    protocol: MeasuringProtocol
    sampling: Mapping[str, Any] = field(default_factory=dict)
    progress: Progress = field(default_factory=shown)

    def run(self, planned: Sequence[GridCell]) -> tuple[list[Report], list[Failure]]:
        """Train and measure every cell, or the missing part of it. A cell that fails does not stop the others.

        Raises RequestError before any training if a folder holds another run, RunError if another process works in the
        grid's folder, and Interrupted after a signal, once everything is saved.
        """
        with _alone(self.out):
            for cell in planned:
                self._must_belong(cell)
            outcomes = self._outcomes(planned)
        return (
            [each for each in outcomes if isinstance(each, Report)],
            [each for each in outcomes if isinstance(each, Failure)],
        )

    def _outcomes(self, planned: Sequence[GridCell]) -> list[Report | Failure]:
        outcomes = []
        with self.progress.task("comparing", len(planned), unit="runs") as task:
            for k, cell in enumerate(planned, 1):
                outcomes.append(self._outcome(cell, f"[{k}/{len(planned)}] {cell.name}"))
                task.move(k)
        return outcomes

    def _outcome(self, cell: GridCell, title: str) -> Report | Failure:
        """The report of a cell, or its failure."""
        try:
            run = self._trained(cell, title)
            return self._known(run) or self._measured(run, title)
        except Interrupted as error:
            raise Interrupted(f"{error} Or start the same comparison again: it goes on with all runs.") from None
        except (RunError, torch.OutOfMemoryError) as error:
            reason = str(error).split("\n")[0]
            self.progress.note(f"{title}: failed. {reason}")
            return self._failure(cell, reason)

    def _trained(self, cell: GridCell, title: str) -> Run:
        """The run of a cell. Raises RunError also for what is refused of it, such as a batch too large for memory."""
        try:
            return self._begun_or_new(cell, title)
        except RequestError as error:
            raise RunError(str(error)) from None

    def _begun_or_new(self, cell: GridCell, title: str) -> Run:
        """The run of a cell: opened if it is finished, resumed if it was begun, otherwise new."""
        folder = self.out / cell.name
        info = _begun(folder)
        if info is None:
            self.progress.note(f"{title}: training")
            # a run that was killed before its first checkpoint has left files
            return train(cell.model, self.data, folder, progress=self.progress, resume=True, **cell.arguments)
        if not _finished(folder, info):
            self.progress.note(f"{title}: going on after {info.images:,} images")
            return resume(folder, self.data, self.progress)
        return Run.open(folder)

    def _measured(self, run: Run, title: str) -> Report:
        self.progress.note(f"{title}: measuring")
        report = self.evaluate(run, self.data)
        report.save(run.path)
        return report

    def _known(self, run: Run) -> Report | None:
        """The report in a run's folder, if it is of this run's weights, this protocol and this way of sampling."""
        if not (run.path / FILE).exists():
            return None
        report = Report.load(run.path / FILE)
        sampled_alike = as_saved(report.sampling) == as_saved(self.sampling)
        alike = report.protocol == self.protocol and sampled_alike and report.run.get("weights") == fingerprint(run)
        return report if alike else None

    def _failure(self, cell: GridCell, reason: str) -> Failure:
        """The failure of a cell, described as in the report of its run."""
        spec, training = cell.settings(self.data)
        data = {"fingerprint": self.data.train.fingerprint}
        return Failure({"path": cell.name, **spec, "training": training, "data": data}, reason, dict(self.sampling))

    def _must_belong(self, cell: GridCell) -> None:
        """Raise RequestError if the folder of a cell holds a run of other settings or data."""
        folder = self.out / cell.name
        info = _begun(folder)
        if info is None:
            return
        spec, training = cell.settings(self.data)
        here = {**used_arguments(info.recipe, self.data.schema, self.data.shape), **info.training}
        wanted = {**spec["arguments"], **training}
        there = {"model": info.recipe["model"], "data": info.data.get("fingerprint"), **here}
        asked = {"model": cell.model, "data": self.data.train.fingerprint, **wanted}
        differing = [name for name in {**asked, **there} if as_saved(there.get(name)) != as_saved(asked.get(name))]
        if differing:
            said = ", ".join(f"{name}={there.get(name)} instead of {asked.get(name)}" for name in differing)
            raise RequestError(
                f"{folder} holds a run of other settings: {said}. Nothing was trained or overwritten; choose another "
                "folder for this grid (`out`), or give the settings that it was begun with."
            )


def _begun(folder: Path) -> Info | None:
    """The state of the run in a folder, or None if there is none yet."""
    file = folder / checkpoint.FILE
    return checkpoint.load(file)[0] if file.exists() else None


def _finished(folder: Path, info: Info) -> bool:
    """Whether a run is complete. A run stopped before its last look still keeps healthy weights."""
    return info.total is not None and info.images >= info.total and not (folder / HEALTHY).exists()


@contextmanager
def _alone(out: Path) -> Iterator[None]:
    """Keep other processes out of a folder. Raises RunError if one works there, or if the folder cannot be written.

    The lock is the operating system's, so a killed process leaves none behind.
    """
    lock = filelock.FileLock(out / LOCK, timeout=0)
    try:
        out.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except filelock.Timeout:
        raise RunError(
            f"Another comparison is at work in {out}. Wait until it is done, or choose another folder (`out`)."
        ) from None
    except OSError as error:
        raise RunError(f"The folder {out} cannot be written: {error.strerror}. Choose another (`out`).") from None
    try:
        yield
    finally:
        lock.release()
