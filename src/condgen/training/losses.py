"""The loss terms of the last steps: their means, and whether they have exploded."""

import math
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from condgen.errors import RunError
from condgen.messages import setting
from condgen.progress import Values

STEPS = 20  # optimisation steps between looks at the losses
EXPLODED = 10.0  # times the loss of the first steps


class Losses:
    """The loss terms since the last look at them. lr, folder: of the run, for the error that says it has diverged."""

    def __init__(self, lr: float, folder: Path):
        self.lr = lr
        self.folder = folder
        self.means: Values = {}
        self._window: list[Mapping[str, Tensor]] = []
        self._first: float | None = None

    def add(self, terms: Mapping[str, Tensor]) -> None:
        """Note the terms of a step."""
        self._window.append(terms)

    @property
    def waiting(self) -> bool:
        """Whether there was a step since the last look."""
        return bool(self._window)

    @property
    def due(self) -> bool:
        """Whether there are enough of them for a look."""
        return len(self._window) >= STEPS

    def look(self, images: int) -> Values:
        """The means since the last look; those before where there was no step since.

        Raises RunError when they are not finite or have exploded.
        """
        if self._window:
            window = self._window
            self.means = {k: float(torch.stack([torch.as_tensor(w[k]) for w in window]).mean()) for k in window[0]}
            self._window = []
            self._must_be_sound(images)
        return self.means

    def _must_be_sound(self, images: int) -> None:
        losses = [value for name, value in self.means.items() if name.endswith("loss")]
        self._first = max(map(abs, losses)) if self._first is None else self._first
        if all(map(math.isfinite, self.means.values())) and max(losses) <= EXPLODED * (self._first + 1):
            return
        gentler = setting(lr=self.lr / 4)
        raise RunError(
            f"Training diverged after {images:,} images (loss {max(losses):.3g}). The last good checkpoint is kept in "
            f"{self.folder}. Try a lower learning rate ({gentler}) or a longer warm-up (`warmup=50000`), and look for "
            "extreme values in the data."
        )
