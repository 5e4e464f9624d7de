"""The state of a task in numbers and words, and the detection of new alarms."""

import re
import time
from collections import deque
from collections.abc import Callable, Mapping

EVERY = 30.0  # seconds over which a rate is measured, and between two lines of a log
APART = 1.0  # seconds between the moments that are kept for a rate


class Pace:
    """A task in numbers: units done and to do, the rate of the last 30 seconds, and the time left."""

    def __init__(self, total: int | None, done: int, unit: str, clock: Callable[[], float] = time.monotonic) -> None:
        self.total = total
        self.done = done
        self.unit = unit
        self.values: Mapping[str, float] = {}
        self._clock = clock
        self._moments = deque([(clock(), done)])

    def move(self, done: int, total: int | None, values: Mapping[str, float] | None) -> None:
        """Record the state of the task."""
        self.done = done
        self.total = self.total if total is None else total
        self.values = self.values if values is None else values
        now, moments = self._clock(), self._moments
        if len(moments) > 1 and now - moments[-2][0] < APART:
            moments.pop()
        moments.append((now, done))
        while len(moments) > 2 and now - moments[1][0] > EVERY:
            moments.popleft()

    @property
    def rate(self) -> float:
        """Units per second. 0 as long as it is unknown."""
        (start, before), (end, after) = self._moments[0], self._moments[-1]
        return (after - before) / (end - start) if end > start else 0.0

    @property
    def seen(self) -> str:
        """Units done, and their total: `500 / 1,000 images`."""
        return " ".join([f"{self.done:,}", *([f"/ {self.total:,}"] if self.total else []), self.unit]).rstrip()

    @property
    def seconds_left(self) -> int | None:
        """The time left. None as long as it is unknown."""
        return round(max(self.total - self.done, 0) / self.rate) if self.total and self.rate else None

    @property
    def left(self) -> str:
        """The time left in words: `0:01:20 left`. Empty as long as it is unknown."""
        seconds = self.seconds_left
        return "" if seconds is None else f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02} left"

    @property
    def share(self) -> str:
        """The share that is done: `50 %`. Empty as long as it is unknown."""
        return f"{100 * self.done / self.total:.0f} %" if self.total else ""

    @property
    def speed(self) -> str:
        """The rate in words: `99 images/s`. Empty for slow work and for work without a unit."""
        return f"{self.rate:,.0f} {self.unit}/s" if self.unit and self.rate >= 1 else ""

    @property
    def numbers(self) -> str:
        """The values beside the task: `loss 0.25`."""
        return "  ".join(f"{name} {value:.4g}" for name, value in self.values.items())


class Alarms:
    """Alarms, each reported once while only its numbers change."""

    def __init__(self) -> None:
        self._last = ""

    def new(self, text: str) -> bool:
        """Whether an alarm differs from the last one."""
        kind, before = re.sub(r"[\d.%]+", "", text), self._last
        self._last = kind
        return bool(text) and kind != before
