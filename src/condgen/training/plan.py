"""The plan of a run: how many images it is to see, and the share of the run that is done after so many.

The learning rate, the looks and the judgement of failure go by that share. A run of so many images has one stage. A run
of so much time is planned anew on the way; every plan is a stage, and all are in the checkpoint, so that a resumed run
repeats the same learning rates.
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Stage:
    """A plan to see `total` images, from `images` on.

    share: of the run that was done at its beginning.
    seconds: of work until then.
    steps: seconds of these that training steps took.
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
    """The share of a run that is done after `images`, by the stage that held there. None before the first plan."""
    held = [stage for stage in stages if stage.images <= images]
    return held[-1].share_after(images) if held else None
