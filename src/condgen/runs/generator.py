"""The interface of everything that answers requests with samples."""

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
    """Answers requests with samples. A run is one."""

    @property
    def schema(self) -> Schema:
        """The attributes that can be asked for."""

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
        """n samples of every request, in batches and in order. Sample k of each request has the seed `seed + k`."""


def open_generator(path: str | Path) -> Generator:
    """The generator at a path: the run in a folder. Raises RunError if there is none."""
    return Run.open(path)
