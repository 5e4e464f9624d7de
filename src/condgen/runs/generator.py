"""Whatever answers requests with samples; all that interfaces need to know to ask for some."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

from condgen.requests.request import Request, Requestable
from condgen.runs.run import BATCH, Run
from condgen.runs.samples import Samples
from condgen.runs.sampling import SamplingOptions
from condgen.schema import Schema


@runtime_checkable
class Generator(Protocol):
    """Answers requests with samples: a run, and whatever stands for one."""

    @property
    def schema(self) -> Schema:
        """What can be asked for."""

    def requests(self, asked: Requestable | Sequence[Requestable] = (), extrapolate: bool = False) -> list[Request]:
        """The requests that texts or mappings stand for. Raises RequestError for wrong ones."""

    def stream(
        self,
        asked: Sequence[Request],
        n: int,
        seed: int = 0,
        batch: int = BATCH,
        sampling: SamplingOptions | None = None,
    ) -> Iterator[Samples]:
        """n samples of every request in batches, in order; sample k of each has the seed `seed + k`."""


def open_generator(path: str | Path) -> Generator:
    """The generator at a path: the run in a folder. Raises RunError when there is none."""
    return Run.open(path)
