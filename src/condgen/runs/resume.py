"""Runs that go on: interrupted ones, those that a command begins again, and finished ones that get more time."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from condgen.data import Splits
from condgen.errors import RequestError, RunError
from condgen.files import is_partial_of
from condgen.locks import LOCK, OWNER, held
from condgen.messages import call
from condgen.parameters import validated
from condgen.progress import Progress, shown
from condgen.runs.arguments import split_arguments
from condgen.runs.costs import must_have_room_to_keep, must_have_room_to_train
from condgen.runs.data import is_the_same, load_again
from condgen.runs.latents import prepared
from condgen.runs.learning import preview_of, taught, trained_and_opened, usable
from condgen.runs.opening import explain_mismatch, must_make_sense, rebuild
from condgen.runs.place import home
from condgen.runs.run import Run
from condgen.runs.trust import must_be_trusted, of_teacher
from condgen.stores.copies import refresh
from condgen.training import Trainer, TrainingConfig, checkpoint, config
from condgen.training.arithmetic import unmeasured
from condgen.training.checkpoint import Info
from condgen.training.log import BOARD, LOG
from condgen.training.looks import HEALTHY
from condgen.training.team import Team, join
from condgen.units import parse_extension

UNSAVED = (LOCK, OWNER, config.FILE, LOG, BOARD)  # in the folder of a run before its first checkpoint


def resume(
    run: Run | str | Path,
    data: Splits | str | None = None,
    progress: Progress | None = None,
    *,
    budget: str | None = None,
    trust: bool = False,
) -> Run:
    """Continue an interrupted run, bit for bit as if it had not been interrupted (on the same machine).

    run: opened, or its folder.
    data: the run's training data, or its new place. By default it is loaded from its source.
    progress: as for `train`.
    budget: time to add, as in "+10m". The learning rate then falls to zero over the longer run. It rises again first
        if the run had finished.
    trust: the run may name any place of data and of a teacher (see docs/security.md).

    Without a budget, a finished run is returned as it is, with a note. Raises RequestError for a wrong budget, and
    RunError if there is nothing to continue, if another process is continuing the run, or if the data differs from the
    run's.
    """
    folder, extra = resumable(run), parse_extension(budget) if budget else None
    join()
    checkpoint.must_exist(folder / checkpoint.FILE)
    with held(folder):
        return _resumed(folder, data, progress or shown(), extra, trust)


def _resumed(folder: Path, data: Splits | str | None, progress: Progress, extra: float | None, trust: bool) -> Run:
    """Continue a run that only this process writes to."""
    info, tensors = checkpoint.load(folder / checkpoint.FILE)
    must_make_sense(folder, info)
    ends = extra is None and finished(folder, info)
    if extra is not None:
        _extend(info, extra)
    if not isinstance(data, Splits) and not (ends and data is None):
        data = load_again(folder, info, data, progress, trust)
    if data is not None and not is_the_same(data, info):
        raise RunError(f"The data is not what {folder} was trained on: its images or labels have changed since.")
    if ends or data is None:
        progress.note(_how_to_go_on(folder, info))
        return Run.open(folder)
    settings = _settings(folder, info)
    model = rebuild(folder, info, checkpoint.shapes(checkpoint.group(tensors, "model")))
    with explain_mismatch(folder, info):
        model.load_state_dict(checkpoint.group(tensors, "model"))  # for its codec, if it has one, prepares the data
    must_be_trusted(folder, of_teacher(info), trust, progress)
    taught(model, info.data)
    data, _ = usable(info.recipe["model"], model, data)
    team = Team.here()
    must_have_room_to_train(model, data, settings, team.processes)
    must_have_room_to_keep(model, settings, folder)
    trainer = Trainer(
        model,
        data,
        folder,
        settings,
        source=info.data,
        progress=progress,
        preview=preview_of(model, data),
        prepared=prepared(model, data.train, settings, progress),
        arithmetic=info.arithmetic or unmeasured(settings),
        team=team,
    )
    with explain_mismatch(folder, info):
        trainer.restore(info, tensors)
    return trained_and_opened(trainer)


def begun(folder: Path, resume: bool) -> bool:
    """Whether to go on with the run in a folder, which is asked for and there is one."""
    if not resume:
        return False
    refresh(folder)
    return (folder / checkpoint.FILE).is_file()


def model_of(folder: Path) -> str:
    """The family of the model in a run that was begun. Raises RunError if it cannot be read."""
    return str(checkpoint.load(folder / checkpoint.FILE)[0].recipe["model"])


def may_hold(folder: Path, resume: bool) -> bool:
    """Whether a run may be written to a folder that is not empty: it holds one to go on with, or one that ended before
    its first checkpoint.
    """
    return begun(folder, resume) or (
        resume and folder.is_dir() and all(_is_unsaved(file.name) for file in folder.iterdir())
    )


def _is_unsaved(name: str) -> bool:
    """Whether a file may be in the folder of a run before its first checkpoint, as also the beginning of that one."""
    return name in UNSAVED or any(is_partial_of(name, Path(each)) for each in (*UNSAVED, checkpoint.FILE))


def continued(model: str, data: Splits, folder: Path, arguments: Mapping[str, Any], progress: Progress) -> Run:
    """Continue a run that was begun with the same arguments. Raises RequestError if they were others."""
    info, _ = checkpoint.load(folder / checkpoint.FILE)
    for_model, for_training = split_arguments(model, arguments, data)
    found = {"model": info.recipe["model"], **info.recipe["arguments"], **info.training}
    asked = json.loads(json.dumps({"model": model, **for_model, **for_training}))
    if unlike := [name for name, value in asked.items() if found.get(name) != value]:
        raise RequestError(
            f"{folder} holds a run that was begun with another {unlike[0]}. Choose another folder for a new run, or go "
            f"on with that one: {call('resume', folder)}"
        )
    return _resumed(folder, data, progress, None, trust=False)


def resumable(run: Run | str | Path) -> Path:
    """The folder of a run. Raises RunError for exported weights, which lack the state of training."""
    folder = run.path if isinstance(run, Run) else home(run)
    if folder.is_file():
        raise RunError(
            f"{folder} is no folder of a run. To train on, condgen needs the optimiser's state and the weights in "
            "training, which are in the folder that it was exported from."
        )
    return folder


def finished(folder: Path, info: Info) -> bool:
    """Whether a run is complete. Weights set aside remain only if its last look was interrupted."""
    return info.finished and not (folder / HEALTHY).exists()


def _settings(folder: Path, info: Info) -> TrainingConfig:
    """The settings of a run. Raises RunError if this version no longer takes them."""
    try:
        return TrainingConfig(**validated(TrainingConfig, _bounded_once(info.training)))
    except RequestError as error:
        raise RunError(f"This version of condgen cannot continue {folder}: {error}") from None


def _how_to_go_on(folder: Path, info: Info) -> str:
    on = call("resume", folder, budget="+10m")
    return f"{folder} is finished: {info.images:,} {info.kind} in {info.seconds:.0f} s. To train it longer: {on}"


def _bounded_once(training: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a run. Earlier versions accepted a time beside a number of images, and ignored it."""
    return {**training, "seconds": None} if training.get("images") is not None else dict(training)


def _extend(info: Info, extra: float) -> None:
    """Add seconds to a run's budget and plan for them. A number of images counts as the time that it takes: of the work
    so far, and of the steps to come. Raises RunError if the time of a step is not known yet.
    """
    ended, pace = info.finished, info.spent.get("steps", info.seconds) / max(info.images, 1)
    bound = _bounded_once(info.training).get("seconds")
    if bound is None and not info.images:
        raise RunError(
            "This run has not taken a step yet, so nobody knows how long it takes, and what more time would be. Go on "
            "with it as it is first, without more time (`budget`)."
        )
    bound = bound or info.seconds + pace * ((info.total or 0) - info.images)
    seconds = (info.seconds if ended else bound) + extra
    info.training = {**info.training, "images": None, "seconds": seconds}
    if info.images and pace:
        info.plan_to(info.images + max(round((seconds - info.seconds) / pace), 1))
