"""Periodic checks of a run during training: losses on validation data, a picture, and signs of failure.

A model that fails at the end is replaced by its last averaged weights that looked healthy.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor

from condgen.data import Dataset
from condgen.models import Model
from condgen.models.complaint import Complaint, faults
from condgen.models.remedies import TrainedAs
from condgen.progress import Progress, Values
from condgen.rng import Rng
from condgen.schema import Condition, LabelDistribution
from condgen.training import checkpoint
from condgen.training.checkpoint import Info
from condgen.training.health import examine
from condgen.training.log import Log
from condgen.training.watch import Watch

VALUES = 2**22  # of validation data that are measured at once in any case: a thousand images of 3×32×32 and more
Preview = Callable[[Model, Path], None]
HEALTHY = "healthy.safetensors"  # averaged weights of the last check without a problem


@dataclass(frozen=True)
class Looks:
    """Checks of the averaged model of a run.

    validation: data on which losses are measured.
    rows: a training batch, whose memory has been checked. Much validation data is measured in parts as large.
    labels: distribution of the training labels, which fills in missing ones.
    joint: distribution of the attributes that can be asked for.
    real: diversity of the training data (see `health.real_diversity`).
    complaints: faults that the model in training finds, from the latest means of its players' loss terms.
    watch: of rare combinations. None if there are none to watch.
    preview: called with the model and a path without suffix, to write a picture there.
    """

    model: Model
    validation: Dataset
    rows: int
    labels: LabelDistribution
    joint: LabelDistribution
    real: float
    folder: Path
    log: Log
    progress: Progress
    complaints: Callable[[Values], list[Complaint]]
    watch: Watch | None
    preview: Preview | None

    def take(self, info: Info, values: Values) -> None:
        """A check in the middle of a run. values: the latest means of the loss terms."""
        self.show(info)
        self.examine(info, values)

    def show(self, info: Info) -> None:
        """Log the losses on validation data and write a picture of samples."""
        self.model.eval()
        if values := validation_losses(self.model, self.validation[:1_000], self.labels, self.rows):
            self.log.write(info.images, values)
        if self.preview:
            (self.folder / "samples").mkdir(exist_ok=True)
            self.preview(self.model, self.folder / "samples" / f"{info.images:010d}")

    def examine(self, info: Info, values: Values) -> bool:
        """Look for failure, and return whether there is any. Weights that look healthy are kept until the run ends."""
        health = examine(self.model.eval(), self.joint, self.real)
        self.log.write(info.images, health.values() | self._watched())
        trouble = health.trouble(self.log.best, info.share() or 0.0)
        self.log.best = max(self.log.best, health.diversity)
        trained = TrainedAs.of(self.model.recipe)
        complaints = [*([trouble] if trouble else []), *faults(self.complaints(values), info.steps)]
        warnings = [f"{each.evidence} {trained.against(each)}" for each in complaints]
        for text in warnings:
            self.log.warn(info.images, text)
        self.progress.alarm(" ".join(warnings))
        if health.sound:
            checkpoint.save(self.folder / HEALTHY, info, checkpoint.prefixed("ema", self.model.state_dict()))
        return trouble is not None

    def _watched(self) -> Values:
        """The worst combination's obedience, for the log. Empty without a watch."""
        return {"worst_combination": self.watch.worst(self.model)} if self.watch else {}

    def last(self, info: Info, values: Values, show: bool) -> None:
        """The check at the end of a run. A failing model is replaced by its last healthy weights, if there are any."""
        if show:
            self.show(info)
        trouble, kept = self.examine(info, values), self.folder / HEALTHY
        if trouble and kept.exists():
            healthy, tensors = checkpoint.load(kept)
            self.model.load_state_dict(checkpoint.group(tensors, "ema"))
            self.progress.note(f"Kept instead: the weights after {healthy.images:,} images, which looked healthy.")
        elif trouble:
            self.progress.note("The last weights are kept all the same: none before them looked healthy either.")

    def forget(self) -> None:
        """Remove the healthy weights, once the run's checkpoint holds its final state."""
        (self.folder / HEALTHY).unlink(missing_ok=True)


class Elsewhere:
    """The looks of a process that waits, while the first of several takes them."""

    def take(self, info: Info, values: Values) -> None:
        """Nothing."""

    def last(self, info: Info, values: Values, show: bool) -> None:
        """Nothing."""

    def forget(self) -> None:
        """Nothing."""


@torch.no_grad()
def validation_losses(model: Model, part: Dataset, labels: LabelDistribution, rows: int) -> Values:
    """A model's loss terms on data, named `validation/player/term`. Empty for empty data.

    rows: at most so many are measured at once, where all together are more than `VALUES`. Terms are then means over
        the parts.
    """
    if not len(part):
        return {}
    condition = part.condition
    if not model.handles_missing:
        condition = labels.fill(condition, Rng(range(len(part))))
    found: Values = {}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        for each in _parts(part, rows):
            x, c = part[each].floats.to(model.device), condition[each].to(model.device)
            for name, value in _losses(model, x, c).items():
                found[name] = found.get(name, 0.0) + value * (len(x) / len(part))
    return found


def _parts(part: Dataset, rows: int) -> list[slice]:
    """Equal parts of data, up to one row: a single row may be too few for a loss that contrasts several."""
    count = 1 if len(part) * math.prod(part.shape) <= VALUES else math.ceil(len(part) / rows)
    ends = [len(part) * k // count for k in range(count + 1)]
    return [slice(*pair) for pair in pairwise(ends)]


def _losses(model: Model, x: Tensor, condition: Condition) -> Values:
    names = list(model.players())
    terms = {player: model(x, condition, player) for player in names}
    return {
        f"validation/{prefix(player, len(names))}{term}": float(value)
        for player, values in terms.items()
        for term, value in values.items()
    }


def prefix(player: str, players: int) -> str:
    """The prefix of a player's terms. Empty for a single player."""
    return "" if players == 1 else f"{player}/"
