"""The parts of training that new and continued runs share."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from condgen.data import Splits
from condgen.errors import DataError, RunError
from condgen.models import Model
from condgen.models.protocols import Discovers, LearnsFromTeacher, Teaches
from condgen.models.registry import that_can
from condgen.runs.run import Run
from condgen.schema import LabelDistribution
from condgen.training import Trainer, checkpoint
from condgen.training.preview import Preview


def trained_and_opened(trainer: Trainer) -> Run:
    """Train, and open the run. Processes that do not write take its weights from the one that does."""
    trainer.run()
    team, averages = trainer.team, trainer.ema.module
    if team.first:
        checkpoint.settle(trainer.folder / checkpoint.FILE)
    team.spread([*averages.parameters(), *averages.buffers()])  # counts on the CPU are alike, and NCCL takes none
    if team.first:
        return Run.open(trainer.folder)
    assert isinstance(averages, Model)
    return Run(averages, trainer.joint, trainer.info, trainer.folder)


def taught(model: Model, origin: Mapping[str, Any], start: bool = False) -> None:
    """Give a model the teacher named in its run, if any, and at the start of training also the teacher's weights.

    Raises RunError if the teacher is gone, or no longer has the weights that the run began with.
    """
    if not origin.get("teacher"):
        return
    teacher = _teacher(**origin["teacher"]).model
    if not isinstance(model, LearnsFromTeacher) or not isinstance(teacher, Teaches):
        raise RunError(f"{origin['teacher']['path']} cannot teach a {model.recipe.get('model')}.")
    if start:
        model.start_from(teacher)
    teacher.guidance = teacher.guidance.replace(weights=origin["teacher"]["guidance"])
    model.learn_from(teacher)


def _teacher(path: str, weights: str | None = None, **_: Any) -> Run:
    """The teacher of a run."""
    try:
        teacher = Run.open(path)
    except RunError as error:
        raise RunError(f"The teacher of this run was at {path}, and cannot be opened there. {error}") from None
    if weights is not None and teacher.fingerprint != weights:
        raise RunError(
            f"The teacher at {path} has changed: its weights are not those that this run began to learn from. Put the "
            "earlier ones back, or distill a new run from the present ones."
        )
    return teacher


def usable(name: str, model: Model, data: Splits) -> tuple[Splits, str]:
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
        f"others can learn from them too ({that_can(lambda other: obeys(other) and other.uses_unlabelled)})."
    )
    return replace(data, train=data.train.only_labelled()), "" if labelled.all() else note


def obeys(model: Model) -> bool:
    """Whether a model can be asked for the data's attributes."""
    return model.conditional and not isinstance(model, Discovers)


def preview_of(model: Model, data: Splits) -> Preview:
    """The picture of a model in training, of requests as in the data."""
    return Preview(model.joint(LabelDistribution.of(data.train.condition)))
