"""The loss terms of the latest steps: their means, and detection of divergence."""

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from condgen.errors import RunError
from condgen.messages import setting
from condgen.progress import Values
from condgen.training.settings import TrainingConfig

STEPS = 20  # optimisation steps between looks at the losses
EXPLODED = 10.0  # multiple of the loss of the first steps


class Losses:
    """The loss terms since the last look at them.

    together: the means over processes of each one's own, by default there is one.
    first: the loss of the first steps, if the run had taken these before. Otherwise that of the first look.
    """

    def __init__(self, together: Callable[[Values], Values] = dict, first: float | None = None) -> None:
        self.first = first
        self._together = together
        self.means: Values = {}
        self._window: list[Mapping[str, Tensor]] = []

    def add(self, terms: Mapping[str, Tensor]) -> None:
        """Record the terms of a step."""
        self._window.append(terms)

    @property
    def waiting(self) -> bool:
        """Whether a step has been recorded since the last look."""
        return bool(self._window)

    @property
    def due(self) -> bool:
        """Whether enough steps have been recorded for a look."""
        return len(self._window) >= STEPS

    def look(self, images: int, kind: str = "images") -> Values:
        """The means since the last look, or the previous means if there was no step.

        kind: the word for the observations. A term that some steps lack has the mean of the others.

        Raises Diverged if they are not finite or have exploded.
        """
        if self._window:
            window = self._window
            names = dict.fromkeys(name for terms in window for name in terms)
            own = {k: float(torch.stack([torch.as_tensor(w[k]) for w in window if k in w]).mean()) for k in names}
            self.means = self._together(own)
            self._window = []
            self._must_be_sound(f"{images:,} {kind}")
        return self.means

    def _must_be_sound(self, after: str) -> None:
        losses = [value for name, value in self.means.items() if name.endswith("loss")]
        self.first = max(map(abs, losses)) if self.first is None else self.first
        if all(map(math.isfinite, self.means.values())) and max(losses) <= EXPLODED * (self.first + 1):
            return
        raise Diverged(f"Training diverged after {after} (loss {max(losses):.3g}).")


class Diverged(RunError):  # noqa: N818 (it says what happened)
    """The loss is not finite, or many times that of the first steps."""


def gentler(settings: TrainingConfig, total: int | None) -> str:
    """The settings to try after training diverged.

    total: images of the run, of which at most a tenth warm up.
    """
    lr = setting(lr=min(settings.lr / 4, TrainingConfig.lr))
    warmup = 5 * settings.warmup
    longer = f" or a longer warm-up ({setting(warmup=warmup)})" if total is None or warmup <= total / 10 else ""
    return f"Try a lower learning rate ({lr}){longer}, and look for extreme values in the data."
