"""New runs: training and distillation."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, overload

from condgen.data import Splits, load
from condgen.data.source import AtMost
from condgen.data.storage.places import remember
from condgen.errors import RequestError
from condgen.feature_networks import FeatureNetwork
from condgen.locks import held_new
from condgen.models import FAMILIES, Family, Model
from condgen.models.flow.guidance import Weights
from condgen.models.latents.within import InLatents
from condgen.models.protocols import Discovers, Teaches
from condgen.models.registry import that_can
from condgen.parameters import keyword_arguments
from condgen.presets import preset as recipe
from condgen.progress import Progress, shown
from condgen.recommendation import SIDE, Recommendation, in_time, learns_sooner, recommend, takes, timed
from condgen.runs.arguments import overridden, split_arguments
from condgen.runs.costs import must_have_room_to_keep, must_have_room_to_train
from condgen.runs.latents import new_model, prepared
from condgen.runs.learning import obeys, preview_of, taught, trained_and_opened, usable
from condgen.runs.resume import begun, continued, may_hold, model_of
from condgen.runs.run import Run
from condgen.runs.sampling import SamplingOptions
from condgen.schema import LabelDistribution
from condgen.stores.copies import named, place
from condgen.training import Trainer, TrainingConfig
from condgen.training.team import Team, join


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
    arguments: of the model's builder (`mechanism`, `latent`, …) and of TrainingConfig (`images`, `seconds`, …), and
        `preset`, the name of settings that they override (see `condgen.presets`).

    Raises RequestError for a wrong argument or a folder that is not empty, and RunError if another process writes to
    the folder, if it cannot be written or training diverges.
    """
    model, data, out = _given(given, arguments)
    progress, out = progress or shown(), place(out)
    model, arguments = _with_preset(model, arguments, progress)
    again = begun(out, resume)
    join()
    with held_new(out, "the run", begun=may_hold(out, resume)):  # before the data is loaded, which may take long
        name, splits, whole = _chosen(model, data, arguments, progress, model_of(out) if again else None)
        if again:
            return continued(name, splits, out, whole, progress)
        return _trained_into(name, splits, out, whole, {}, progress)


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


def _with_preset(model: str | None, arguments: dict[str, Any], progress: Progress) -> tuple[str | None, dict[str, Any]]:
    """The model and the arguments, which override the preset that they name, if any. Raises RequestError."""
    given = {name: value for name, value in arguments.items() if name != "preset"}
    if arguments.get("preset") is None:
        return model, given
    whole, idle = overridden(recipe(arguments["preset"]), {"model": model, **given} if model else given)
    if idle:
        progress.note(f"Left out of the preset, since other arguments make it ineffective: {', '.join(idle)}.")
    return whole.pop("model"), whole


def _chosen(
    model: str | None, data: object, arguments: Mapping[str, Any], progress: Progress, before: str | None
) -> tuple[str, Splits, Mapping[str, Any]]:
    """The model, the data and the arguments: of a named model as given, else as recommended for the data.

    before: the model that was chosen for the run that goes on.
    """
    if model is not None:
        return model, data if isinstance(data, Splits) else load(data, progress=progress), arguments
    splits, advised = with_recommendation(data, progress)
    advised = _for_the_time(advised, splits, arguments, before)
    whole, _ = overridden(advised.preset, arguments)
    progress.note(_said(advised, splits, arguments))
    return whole.pop("model"), splits, whole


def recommended(data: Splits) -> Recommendation:
    """The recommendation for data that is loaded."""
    labelled = float(data.train.labelled.float().mean())
    return recommend(data.shape, len(data.train), data.schema, labelled, chosen=True)


def with_recommendation(data: object, progress: Progress) -> tuple[Splits, Recommendation]:
    """Data and the recommendation for it. Data that is loaded here is brought to the recommended size."""
    splits = data if isinstance(data, Splits) else load(data, size=AtMost(SIDE), progress=progress)
    return splits, recommended(splits)


def _for_the_time(
    advised: Recommendation, data: Splits, arguments: Mapping[str, Any], before: str | None
) -> Recommendation:
    """The recommendation for the time that is given, if one is. Several processes would not measure the same pace."""
    sooner = learns_sooner(advised)
    if sooner is None or "seconds" not in arguments or not all(takes(sooner.model, name) for name in arguments):
        return advised
    if lacking := [name for name in arguments if not takes(advised.model, name)]:
        return replace(sooner, reason=f"The recommended GAN ({advised.model}) has no `{lacking[0]}`; a CVAE has.")
    if before is not None:
        return sooner if before == sooner.model else advised
    if Team.here().processes > 1 or not len(data.train):
        return advised
    return in_time(advised, arguments["seconds"], data.schema, data.train.condition)


def _said(advised: Recommendation, data: Splits, arguments: Mapping[str, Any]) -> str:
    """The recommendation in one line, with the expected time unless the arguments set how long to train."""
    if "seconds" in arguments:
        return f"Recommended for this time: {advised.named}. {advised.reason}"
    if "images" in arguments:
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
    built = new_model(model, data, for_model, settings)
    prepare(built)
    if len(data.schema):
        _say_what_is_not_used(model, built, progress)
    used, note = usable(model, built, data)
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
    trainer = Trainer(
        built,
        used,
        folder,
        settings,
        source=kept,
        against=against,
        progress=progress,
        preview=preview_of(built, data),
        prepared=prepared(built, used.train, settings, progress),
        team=team,
    )
    return trained_and_opened(trainer)


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

    teacher: of images, of vectors, or of a codec's latents, in which the student then works too.
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
    shared |= {"codec": named(teacher.path)} if isinstance(flow, InLatents) else {}
    place_of_teacher = named(teacher.path.resolve())
    origin = {"teacher": {"path": place_of_teacher, "guidance": weights, "weights": teacher.fingerprint}}
    out = place(out)
    with held_new(out, "the run"):
        return _trained_into(
            name,
            data,
            out,
            {**shared, **(student.as_student or {}), **arguments},
            origin,
            progress or shown(),
            partial(taught, origin=origin, start=True),
            teacher.info.against,
        )


def _student() -> tuple[str, Family]:
    """The family of distilled models."""
    return next((name, family) for name, family in FAMILIES.items() if family.as_student is not None)


def _say_what_is_not_used(name: str, model: Model, progress: Progress) -> None:
    """Report labels that a family ignores by design."""
    if isinstance(model, Discovers):
        asked = ", ".join(model.schema.names)
        progress.note(f"The model {name} ignores these attributes by design and discovers its own: {asked}.")
    elif not model.conditional:
        progress.note(f"The model {name} ignores these attributes by design; others learn them ({that_can(obeys)}).")
