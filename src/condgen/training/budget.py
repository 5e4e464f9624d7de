"""Time budgets: measuring steps, looks and saves, and replanning the number of images on the way."""

import time
from collections.abc import Callable
from typing import Literal

from condgen.training.checkpoint import Info
from condgen.training.plan import Stage
from condgen.training.settings import TrainingConfig

Kind = Literal["preparing", "steps", "look", "save"]
Clock = Callable[[], float]

EVERY = 0.05  # share of a budget between two plans
CLOSE = 0.01  # smallest share between two plans, near the end
PAUSE = 300.0  # a longer lap, in seconds, may be a pause of the machine, unless the budget is short
UNLIKE = 20.0  # it is one if it exceeds the longest lap of its kind by this factor
LOOKING = 0.2  # largest share of a budget for looks and their saves, the last one aside
EARLY = 10.0  # smallest time between early saves, as a multiple of a save's cost


class Budget:
    """The time of a run in laps of work, and its plan if the settings bound it by a time.

    clock: in seconds.
    agreed: makes several processes use one of their measurements.
    since: the clock's reading at the beginning of the work (default: now).

    Laps add to `info.seconds`. A lap of minutes that is many times longer than any before it is left out, because the
    machine slept.
    """

    def __init__(
        self,
        info: Info,
        settings: TrainingConfig,
        clock: Clock = time.monotonic,
        agreed: Callable[[float], float] = lambda seconds: seconds,
        since: float | None = None,
    ):
        self.info = info
        self.settings = settings
        self._clock = clock
        self._agreed = agreed
        self._last = clock() if since is None else since
        self._longest: dict[Kind, float] = {}
        self._begun = self._saved = info.seconds
        timed = "steps" in info.spent or not info.images  # runs of earlier versions lack the time of their steps
        self._first = Stage(0) if timed else Stage(0, info.images, seconds=info.seconds)

    def lap(self, kind: Kind) -> None:
        """Count the time since the last lap. Steps are summed, and of looks and saves the latest counts."""
        now = self._clock()
        took, self._last = self._agreed(max(now - self._last, 0.0)), now
        if self._paused(kind, took):
            return
        spent = self.info.spent
        self.info.seconds += took
        spent[kind] = spent.get(kind, 0.0) + took if kind in ("preparing", "steps") else took
        self._longest[kind] = max(took, self._longest.get(kind, 0.0))
        if kind == "save":
            self._saved = self.info.seconds

    def _paused(self, kind: Kind, took: float) -> bool:
        pause = min(PAUSE, self.settings.seconds / 4) if self.settings.seconds else PAUSE
        longest = self._longest.get(kind)
        return longest is not None and took > max(pause, UNLIKE * longest)

    @property
    def save_due(self) -> bool:
        """Whether a checkpoint is due."""
        return self.info.seconds - self._saved > self.settings.checkpoint_seconds

    @property
    def early_save_due(self) -> bool:
        """Whether the checkpoint holds less than half of the work since the start, and a new one is cheap."""
        half = (self.info.seconds - self._begun) / 2
        return self.info.seconds - self._saved > max(half, EARLY * self.info.spent.get("save", 0.0))

    def replan(self) -> None:
        """Plan anew if it is time to. A run bounded by a number of images is never planned."""
        if self.settings.seconds and self._due(self.settings.seconds):
            self.info.plan_to(self._total(self.settings.seconds), self.info.share())

    def _due(self, budget: float) -> bool:
        """Whether a twentieth of the budget has passed since the last plan, or less towards its end."""
        last = self._last_stage
        wait = min(EVERY * budget, max((budget - last.seconds) / 4, CLOSE * budget))
        return self.info.seconds - last.seconds > wait and self.info.images > last.images

    def _total(self, budget: float) -> int:
        """The number of images that fit, in whole steps, at the pace since the last plan."""
        info, s, last = self.info, self.settings, self._last_stage
        stepping = info.spent["steps"] - last.steps
        if not stepping:  # the whole time was a pause
            return info.total or info.images + s.batch
        pace = (info.images - last.images) / stepping
        left = budget - info.seconds - self._other_work()
        steps = left * s.checkpoint_seconds / (s.checkpoint_seconds + info.spent.get("save", 0.0))
        return info.images + max(int(steps * pace / s.batch), 0) * s.batch

    def _other_work(self) -> float:
        """The seconds of all remaining looks, each with its save. Every run ends with one."""
        taken = int(self.looks * (self.info.share() or 0.0))
        return max(self.looks - taken, 1) * self._look

    @property
    def looks(self) -> int:
        """The number of looks in the whole run: as many as asked for, unless they would take too much of a budget."""
        asked, budget = self.settings.previews, self.settings.seconds
        if budget is None or not self.info.spent.get("look"):
            return asked
        return min(asked, max(int(LOOKING * budget / self._look), 1))

    @property
    def _look(self) -> float:
        """The seconds of the latest look and save."""
        return self.info.spent.get("look", 0.0) + self.info.spent.get("save", 0.0)

    @property
    def _last_stage(self) -> Stage:
        return self.info.plan[-1] if self.info.plan else self._first
