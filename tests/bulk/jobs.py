"""Jobs and engines for tests: workers import this file, and no PyTorch."""

import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from condgen.bulk.engine import Work
from condgen.bulk.made import Counts, Made
from condgen.errors import RunError


@dataclass(frozen=True)
class Pretended:
    """Makes nothing.

    folder: for the traces of what was made.
    deadly: how many workers each of these shards ends by a signal.
    wrong: a shard that cannot be made.
    slow: seconds that each takes.
    """

    folder: Path
    deadly: dict[int, int] = field(default_factory=dict)
    wrong: int | None = None
    slow: float = 0.0

    def start(self) -> Callable[[int], Made]:
        (self.folder / f"worker-{os.getpid()}").touch()
        return self.make

    def make(self, shard: int) -> Made:
        print("workers may print")
        if shard == self.wrong:
            raise RunError("this shard cannot be made")
        if len([*self.folder.glob(f"death-{shard}-*")]) < self.deadly.get(shard, 0):
            (self.folder / f"death-{shard}-{os.getpid()}").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(self.slow)
        (self.folder / f"shard-{shard}-{os.getpid()}").touch()
        return Made.of(shard, f"{shard}", b"", Counts())

    @property
    def workers(self) -> list[int]:
        return [int(file.name.partition("-")[2]) for file in self.folder.glob("worker-*")]


class Stopped(Exception):  # noqa: N818 (an interruption is no error)
    """An engine was interrupted."""


@dataclass
class Here:
    """An engine in this process.

    order: of the shards.
    most: shards after which it is interrupted.
    """

    order: Callable[[Sequence[int]], Sequence[int]] = tuple
    most: int | None = None
    made: list[int] = field(default_factory=list)

    def run(self, job: Work, shards: Sequence[int]) -> Iterator[Made]:
        make = job.start()
        for k, shard in enumerate(self.order(shards)):
            if k == self.most:
                raise Stopped
            self.made.append(shard)
            yield make(shard)
