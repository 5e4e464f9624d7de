"""The plan of a run: its total number of images, and the share of the run done after each number.

The learning rate, the looks and the detection of failure depend on that share. A run with a number of images has one
stage. A run with a time is planned anew on the way. Every plan is a stage, and all stages are in the checkpoint, so
that a resumed run repeats the same learning rates.
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Stage:
    """A plan for `total` images, from `images` on.

    share: of the run that was done at its beginning.
    seconds: of work until then.
    steps: seconds of these spent in training steps.
    """

    total: int
    images: int = 0
    share: float = 0.0
    seconds: float = 0.0
    steps: float = 0.0

    def share_after(self, images: int) -> float:
        """The share of the run that is done after `images`, from 0 to 1."""
        if self.total <= self.images:
            return 1.0
        done = self.share + (1 - self.share) * (images - self.images) / (self.total - self.images)
        return min(max(done, 0.0), 1.0)


def share_after(stages: Sequence[Stage], images: int) -> float | None:
    """The share of a run done after `images`, by the stage that applied then. None before the first plan."""
    held = [stage for stage in stages if stage.images <= images]
    return held[-1].share_after(images) if held else None
