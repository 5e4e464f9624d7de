"""New runs: training, distillation, resumption."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, overload

import torch

from condgen.data import Splits, load
from condgen.data.source import AtMost
from condgen.data.storage.places import remember
from condgen.errors import DataError, RequestError, RunError, unknown
from condgen.feature_networks import FeatureNetwork
from condgen.locks import LOCK, OWNER, held, held_new
from condgen.messages import call
from condgen.models import FAMILIES, Family, Model, build
from condgen.models.flow.guidance import Weights
from condgen.models.protocols import Discovers, LearnsFromTeacher, Teaches
from condgen.models.registry import that_can
from condgen.parameters import keyword_arguments, used, validated
from condgen.progress import Progress, shown
from condgen.recommendation import SIDE, Recommendation, recommend, timed
from condgen.runs.costs import must_have_room_for, must_have_room_to_keep, must_have_room_to_train
from condgen.runs.data import is_the_same, load_again
from condgen.runs.opening import explain_mismatch, home, must_make_sense, rebuild
from condgen.runs.run import Run
from condgen.runs.sampling import SamplingOptions
from condgen.runs.trust import must_be_trusted, of_teacher
from condgen.schema import LabelDistribution
from condgen.stores.copies import named, place, refresh
from condgen.training import Trainer, TrainingConfig, checkpoint, config
from condgen.training.arithmetic import unmeasured
from condgen.training.checkpoint import Info
from condgen.training.log import BOARD, LOG
from condgen.training.looks import HEALTHY
from condgen.training.preview import Preview
from condgen.training.team import Team, join
from condgen.units import parse_extension

UNSAVED = (LOCK, OWNER, config.FILE, LOG, BOARD)  # in the folder of a run before its first checkpoint


@overload
def train(
    data: object, out: str | Path, *, progress: Progress | None = None, resume: bool = False, **arguments: Any
) -> Run: ...


@overload
def train(
    model: str | None,
    data: object,
    out: str | Path,
    *,
    progress: Progress | None = None,
    resume: bool = False,
    **arguments: Any,
) -> Run: ...


def train(*given: Any, progress: Progress | None = None, resume: bool = False, **arguments: Any) -> Run:
    """Train a new model in a new folder and open the result: `train(data, out)` or `train(model, data, out)`.

    model: its name. Without one, the model recommended for the data, whose settings the arguments override.
    data: the result of `load`, or anything that it takes.
    out: the folder.
    progress: a bar or log lines by default. `condgen.progress.SILENT` shows nothing.
    resume: go on with the run in the folder if there is one, begun with the same arguments.
    arguments: of the model's builder (`mechanism`, `latent`, …) and of TrainingConfig (`images`, `seconds`, …).

    Raises RequestError for a wrong argument or a folder that is not empty, and RunError if another process writes to
    the folder, if it cannot be written or training diverges.
    """
    model, data, out = _given(given, arguments)
    progress, out = progress or shown(), place(out)
    again = begun(out, resume)
    join()
    with held_new(out, "the run", begun=may_hold(out, resume)):  # before the data is loaded, which may take long
        name, splits, whole = _chosen(model, data, arguments, progress)
        if again:
            return _continued(name, splits, out, whole, progress)
        return _trained_into(name, splits, out, whole, {}, progress)


def begun(folder: Path, resume: bool) -> bool:
    """Whether to go on with the run in a folder, which is asked for and there is one."""
    if not resume:
        return False
    refresh(folder)
    return (folder / checkpoint.FILE).is_file()


def may_hold(folder: Path, resume: bool) -> bool:
    """Whether a run may be written to a folder that is not empty: it holds one to go on with, or one that ended before
    its first checkpoint.
    """
    return begun(folder, resume) or (
        resume and folder.is_dir() and all(file.name in UNSAVED for file in folder.iterdir())
    )


def _continued(model: str, data: Splits, folder: Path, arguments: Mapping[str, Any], progress: Progress) -> Run:
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


def _chosen(
    model: str | None, data: object, arguments: Mapping[str, Any], progress: Progress
) -> tuple[str, Splits, Mapping[str, Any]]:
    """The model, the data and the arguments: of a named model as given, else as recommended for the data."""
    if model is not None:
        return model, data if isinstance(data, Splits) else load(data, progress=progress), arguments
    splits, advised = with_recommendation(data, progress)
    whole, _ = overridden(advised.preset, arguments)
    progress.note(_said(advised, splits, arguments))
    return whole.pop("model"), splits, whole


def _given(given: Sequence[Any], arguments: dict[str, Any]) -> tuple[str | None, Any, Any]:
    """Model, data and folder, by position or taken out of the arguments by name. The model may be left out."""
    named: dict[str, Any] = {name: arguments.pop(name) for name in ("model", "data", "out") if name in arguments}
    places = [name for name in ("model", "data", "out") if name not in named]
    if len(given) < len(places) and places[0] == "model":
        places = places[1:]
    if len(given) != len(places):
        raise TypeError("train() takes data and a folder, train(data, out), or a model first, train(model, data, out)")
    named |= dict(zip(places, given, strict=True))
    return named.get("model"), named["data"], named["out"]


def recommended(data: Splits) -> Recommendation:
    """The recommendation for data that is loaded."""
    return recommend(data.shape, len(data.train), data.schema, float(data.train.labelled.float().mean()))


def with_recommendation(data: object, progress: Progress) -> tuple[Splits, Recommendation]:
    """Data and the recommendation for it. Data that is loaded here is brought to the recommended size."""
    splits = data if isinstance(data, Splits) else load(data, size=AtMost(SIDE), progress=progress)
    return splits, replace(recommended(splits), shape=splits.shape)


def _said(advised: Recommendation, data: Splits, arguments: Mapping[str, Any]) -> str:
    """The recommendation in one line, with the expected time unless the arguments set how long to train."""
    if {"images", "seconds"} & arguments.keys():
        return f"Recommended for this data: {advised.lasting('for as long as asked')}"
    if len(data.train):
        advised = timed(advised, data.schema, data.train.condition)
    return f"Recommended for this data: {advised.sentence}"


def _trained_into(
    model: str,
    data: Splits,
    folder: Path,
    arguments: Mapping[str, Any],
    origin: Mapping[str, Any],
    progress: Progress,
    prepare: Callable[[Model], None] = lambda model: None,
    against: Sequence[FeatureNetwork] = (),
) -> Run:
    """Train a new model in a new folder. prepare: called on the model first. origin: further facts to keep
    in the run. against: networks that judged samples in training before.
    """
    for_model, for_training = split_arguments(model, arguments, data)
    settings = TrainingConfig(**for_training)
    if settings.images is None and settings.seconds is None:
        raise RequestError("Say how long to train: a time (`seconds=180`) or a number of images (`images=500_000`).")
    must_have_room_for(model, data.schema, data.shape, for_model)
    torch.manual_seed(settings.seed)
    built = build(model, data.schema, data.shape, **for_model)
    prepare(built)
    if len(data.schema):
        _say_what_is_not_used(model, built, progress)
    used, note = _usable(model, built, data)
    if note:
        progress.note(note)
    if built.conditional:
        for text in LabelDistribution.of(used.train.condition).crowding():
            progress.note(text)
    team = Team.here()
    must_have_room_to_train(built, used, settings, team.processes)
    if team.first:
        must_have_room_to_keep(built, settings, folder)
    remember([origin["teacher"]["path"]] if origin else [])
    kept = {**data.source.dump(), **origin, "fingerprint": data.train.fingerprint}
    kept |= {"coordinates": data.coordinates.dump()} if data.coordinates else {}
    preview = _preview(built, data)
    trainer = Trainer(
        built, used, folder, settings, source=kept, against=against, progress=progress, preview=preview, team=team
    )
    return _run(trainer)


def _run(trainer: Trainer) -> Run:
    """Train, and open the run. Processes that do not write take its weights from the one that does."""
    trainer.run()
    team, averages = trainer.team, trainer.ema.module
    if team.first:
        checkpoint.settle(trainer.folder / checkpoint.FILE)
    team.spread(averages.state_dict().values())
    if team.first:
        return Run.open(trainer.folder)
    assert isinstance(averages, Model)
    return Run(averages, trainer.joint, trainer.info, trainer.folder)


def distill(
    teacher: Run,
    data: Splits,
    out: str | Path,
    *,
    guidance: Weights | str | None = None,
    progress: Progress | None = None,
    **arguments: Any,
) -> Run:
    """Train a model that samples in one step, guidance included, from a guided model of many steps, and open it.

    guidance: the guidance to learn, by default the teacher's own.
    progress: as for `train`.
    arguments: of the student's builder (`share`, `steps`) and of TrainingConfig.

    Raises RequestError if the teacher cannot be distilled or an argument is wrong, and RunError as `train` does.
    """
    flow = teacher.model
    if not isinstance(flow, Teaches):
        raise RequestError(
            f"{teacher.path} holds a {teacher.info.recipe['model']}, which cannot be distilled; "
            f"{that_can(Teaches)} can."
        )
    name, student = _student()
    if flow.schema != data.schema or flow.shape != data.shape:
        raise RequestError(f"The data does not have the attributes and shape that {teacher.path} was trained on.")
    how = SamplingOptions(guidance=guidance)
    how.validate_for(flow)
    weights = flow.guidance.weights if how.weights is None else how.weights
    recipe = teacher.info.recipe["arguments"]
    shared = {key: recipe[key] for key in keyword_arguments(student.builder) if key in recipe and key != "guidance"}
    origin = {"teacher": {"path": named(teacher.path.resolve()), "guidance": weights}}
    out = place(out)
    with held_new(out, "the run"):
        return _trained_into(
            name,
            data,
            out,
            {**shared, **(student.as_student or {}), **arguments},
            origin,
            progress or shown(),
            partial(_taught, origin=origin, start=True),
            teacher.info.against,
        )


def _student() -> tuple[str, Family]:
    """The family of distilled models."""
    return next((name, family) for name, family in FAMILIES.items() if family.as_student is not None)


def _taught(model: Model, origin: Mapping[str, Any], start: bool = False) -> None:
    """Give a model the teacher named in its run, if any, and at the start of training also the teacher's weights."""
    if not origin.get("teacher"):
        return
    teacher = Run.open(origin["teacher"]["path"]).model
    if not isinstance(model, LearnsFromTeacher) or not isinstance(teacher, Teaches):
        raise RunError(f"{origin['teacher']['path']} cannot teach a {model.recipe.get('model')}.")
    if start:
        model.start_from(teacher)
    teacher.guidance = teacher.guidance.replace(weights=origin["teacher"]["guidance"])
    model.learn_from(teacher)


def _say_what_is_not_used(name: str, model: Model, progress: Progress) -> None:
    """Report labels that a family ignores by design."""
    if isinstance(model, Discovers):
        asked = ", ".join(model.schema.names)
        progress.note(f"The model {name} ignores these attributes by design and discovers its own: {asked}.")
    elif not model.conditional:
        progress.note(f"The model {name} ignores these attributes by design; others learn them ({that_can(_obeys)}).")


def _obeys(model: Model) -> bool:
    """Whether a model can be asked for the data's attributes."""
    return model.conditional and not isinstance(model, Discovers)


def _usable(name: str, model: Model, data: Splits) -> tuple[Splits, str]:
    """The data that a model learns from, and a note on unlabelled rows that were left out.

    Some models learn from unlabelled rows what all data has in common, and an unconditional one needs no labels. Others
    would learn to ignore their condition, because an encoder can put the missing label into the latent, and a label
    drawn from all data is wrong. Raises DataError if nothing is left.
    """
    labelled = data.train.labelled
    harmed = model.conditional and not model.uses_unlabelled
    if not harmed:
        return data, ""
    if not labelled.any():
        raise DataError(f"No training example has a label, so {name} cannot learn what they mean.")
    note = (
        f"{int((~labelled).sum()):,} of {len(labelled):,} training examples have no labels at all and are left out; "
        f"others can learn from them too ({that_can(lambda other: _obeys(other) and other.uses_unlabelled)})."
    )
    return replace(data, train=data.train.only_labelled()), "" if labelled.all() else note


def _bounded_once(training: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a run. Earlier versions accepted a time beside a number of images, and ignored it."""
    return {**training, "seconds": None} if training.get("images") is not None else dict(training)


def _preview(model: Model, data: Splits) -> Preview:
    return Preview(model.joint(LabelDistribution.of(data.train.condition)))


def split_arguments(
    model: str, arguments: Mapping[str, Any], data: Splits | None = None
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The arguments of a model's builder, converted, and those of TrainingConfig.

    Raises RequestError for arguments of neither, and for arguments that would change nothing (on this data, if given).
    """
    family, known = FAMILIES[model], None if data is None else (data.schema, data.shape)
    of_model, of_training = keyword_arguments(family.builder), keyword_arguments(TrainingConfig)
    for name in arguments:
        if name not in of_model and name not in of_training:
            raise unknown(f"setting of {model}", name, [*of_model, *of_training])
    for_model = {k: v for k, v in arguments.items() if k in of_model}
    for_training = {k: v for k, v in arguments.items() if k in of_training}
    counting = used(family.builder, for_model, known)
    used(TrainingConfig, for_training, known)
    return (
        {k: v for k, v in counting.items() if k in for_model},
        vars(TrainingConfig(**validated(TrainingConfig, {**family.training, **for_training}))),
    )


def overridden(preset: Mapping[str, Any], options: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """A preset with options in place of its entries, and the names of entries that lose their effect by them.

    A time replaces a number of images, and the other way round. Raises RequestError for a wrong model.
    """
    bounds = {"images", "seconds"}
    start = {k: v for k, v in preset.items() if k not in bounds} if bounds & options.keys() else dict(preset)
    whole = start | dict(options)
    builder = FAMILIES[whole["model"]].builder
    of_model = {k: v for k, v in whole.items() if k in keyword_arguments(builder)}
    idle = of_model.keys() - used(builder, of_model, strict=False).keys() - options.keys()
    return {k: v for k, v in whole.items() if k not in idle}, sorted(idle)


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
    if not isinstance(data, Splits) and not (ends and data is None):
        data = load_again(folder, info, data, progress, trust)
    if data is not None and not is_the_same(data, info):
        raise RunError(f"The data is not what {folder} was trained on: its images or labels have changed since.")
    if ends or data is None:
        progress.note(_how_to_go_on(folder, info))
        return Run.open(folder)
    if extra is not None:
        _extend(info, extra)
    try:
        settings = TrainingConfig(**validated(TrainingConfig, _bounded_once(info.training)))
    except RequestError as error:
        raise RunError(f"This version of condgen cannot continue {folder}: {error}") from None
    model = rebuild(folder, info, checkpoint.shapes(checkpoint.group(tensors, "model")))
    must_be_trusted(folder, of_teacher(info), trust, progress)
    _taught(model, info.data)
    data, _ = _usable(info.recipe["model"], model, data)
    team = Team.here()
    must_have_room_to_train(model, data, settings, team.processes)
    must_have_room_to_keep(model, settings, folder)
    preview = _preview(model, data)
    trainer = Trainer(
        model,
        data,
        folder,
        settings,
        source=info.data,
        progress=progress,
        preview=preview,
        arithmetic=info.arithmetic or unmeasured(settings),
        team=team,
    )
    with explain_mismatch(folder, info):
        trainer.restore(info, tensors)
    return _run(trainer)


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


def _how_to_go_on(folder: Path, info: Info) -> str:
    on = call("resume", folder, budget="+10m")
    return f"{folder} is finished: {info.images:,} images in {info.seconds:.0f} s. To train it longer: {on}"


def _extend(info: Info, extra: float) -> None:
    """Add seconds to a run's budget and plan for them. A number of images counts as the time it takes at the run's
    pace.
    """
    ended, pace = info.finished, info.seconds / max(info.images, 1)
    bound = _bounded_once(info.training).get("seconds") or pace * (info.total or 0)
    seconds = (info.seconds if ended else bound) + extra
    info.training = {**info.training, "images": None, "seconds": seconds}
    if pace:
        info.plan_to(max(round(seconds / pace), info.images + 1))
