"""Limits of a server: what one request may cost, and how much work waits."""

import os
from dataclasses import dataclass, fields

from condgen.errors import RequestError
from condgen.messages import setting


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Limits of a server. A request beyond them is refused before any work starts.

    batch: samples that are generated at once, of any number of requests.
    wait: share of a batch's time for which the next one waits, at most, until it is as large as the one before: whoever
        was just answered may ask again, and a large batch is quicker than two small ones.
    queue: samples that are accepted and not answered yet. Beyond it, requests are refused with 429.
    deadline: seconds after which a request is given up.
    samples: largest number of samples of one HTTP request.
    steps: largest number of integration steps.
    body: largest body in bytes.
    threads: threads in which a model computes. None leaves them as they are in the process.

    Raises RequestError for numbers that no request could keep.
    """

    batch: int = 64
    wait: int | float = 0.5
    queue: int = 2_000
    deadline: int | float = 60
    samples: int = 1_000
    steps: int = 200
    body: int = 4 * 2**20
    threads: int | None = None

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            advised = setting(**{field.name: field.default or 1})
            if value is not None and not (value >= 0 if field.name == "wait" else value > 0):
                raise RequestError(f"A server's {field.name} must be above 0, not {value} ({advised}).")
        if self.samples > self.queue:
            raise RequestError(
                f"A request of {self.samples:,} samples would never fit into a queue of {self.queue:,}: set "
                f"{setting(queue=self.samples)} or {setting(samples=self.queue)}."
            )


def all_but_one() -> int:
    """The number of processors that a server's models take: all that this process has but one, which answers.

    Threads of an operation wait for each other. If one of them shares its processor with the answers, all wait for it.
    """
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, available - 1)
