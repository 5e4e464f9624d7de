"""Engines: what runs a job's shards. Those of other packages are found by entry points."""

import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from inspect import signature
from typing import Any, Protocol, runtime_checkable

from condgen.bulk.made import Made
from condgen.errors import RequestError, RunError
from condgen.registry import Registry

KEPT = "All finished shards are kept; the same request again continues there."
DEATHS = 3  # workers that a shard may end, before it is given up


@runtime_checkable
class Work(Protocol):
    """A task for workers, pickled to send it to them. A `Job` is one."""

    def start(self) -> Callable[[int], Made]:
        """The function that makes and writes a shard by its number. Called once in every worker."""


@runtime_checkable
class Engine(Protocol):
    """Runs shards of a job on workers.

    Every worker calls `job.start()` once and the function that it gets with the number of a shard. Any worker may make
    any shard, and may make it again: the bytes are equal.
    """

    def run(self, job: Work, shards: Sequence[int]) -> Iterator[Made]:
        """The records of the shards, in any order, each when it is finished.

        Raises RunError if a shard cannot be made.
        """


ENGINES: Registry[Any] = Registry(  # makes an engine with so many `workers`, or as many as the machine suggests
    "engine",
    "condgen.engines",
    {"processes": "condgen.bulk.processes:Processes", "ray": "condgen.bulk.on_ray:Ray"},
    accepts=callable,
    wanted="function that returns a condgen.bulk.engine.Engine",
)


def engine(name: str, **settings: Any) -> Engine:
    """The engine of this name. None is a setting's default. Raises RequestError for an unknown name or setting."""
    make, given = ENGINES[name], {setting: value for setting, value in settings.items() if value is not None}
    for setting in given:
        if setting not in signature(make).parameters:
            raise RequestError(f"The engine {name} has no `{setting}`; leave it out.")
    found: Engine = make(**given)
    return found


def must_be_some(workers: int | None) -> None:
    """Raise RequestError for a number of workers that does nothing."""
    if workers is not None and workers < 1:
        raise RequestError(f"There must be at least 1 worker, not {workers} (`workers=2`).")


def usual_workers() -> int:
    """The number of workers on this machine: one per GPU, or one per core without a GPU."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return gpus() or cores


def gpus() -> int:
    """The number of GPUs on this machine."""
    torch = sys.modules.get("torch")  # an exported model does without it
    return torch.cuda.device_count() if torch is not None else 0


class Deaths:
    """The number of workers that each shard has ended."""

    def __init__(self) -> None:
        self._counts: Counter[int] = Counter()

    def count(self, shard: int, how: str) -> None:
        """Count one more. Raises RunError if a shard has ended too many."""
        self._counts[shard] += 1
        if self._counts[shard] >= DEATHS:
            raise RunError(
                f"Shard {shard} ended {DEATHS} workers, one after the other, the last {how}. If the memory was full, "
                f"take fewer workers (`workers=1`). {KEPT}"
            )
