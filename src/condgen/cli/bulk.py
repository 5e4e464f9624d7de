"""The options of `condgen sample` for generation in bulk."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Annotated

import typer

from condgen.cli.options import number_option

if TYPE_CHECKING:
    from pathlib import Path

    from condgen.progress import Progress
    from condgen.requests.request import Request
    from condgen.runs.sampling import SamplingOptions

Engine = Annotated[
    str | None,
    typer.Option(help="Generate in bulk, into shards: processes (of this machine), ray, or one of another package."),
]
Workers = Annotated[int | None, typer.Option(help="Number of workers. By default one per GPU, or one per core.")]
Shard = Annotated[int | None, number_option(help="Samples of a shard, a multiple of 250. By default up to 10k.")]
Format = Annotated[str | None, typer.Option("--format", help="Kind of shards: parquet (by default) or webdataset.")]
RayAddress = Annotated[
    str | None,
    typer.Option(help="Address of a Ray cluster. By default RAY_ADDRESS, or else a Ray of this machine is started."),
]
KeepIf = Annotated[
    str | None,
    typer.Option(help="obeyed: leave out samples that do not show what was asked, by a judge. They are counted."),
]
Measure = Annotated[
    bool, typer.Option("--measure", help="Measure what is written, by a judge, for a report of any number of samples.")
]


OF_A_JUDGE = ("data", "trust")


@dataclass(frozen=True)
class Options:
    """The options that were given."""

    engine: str | None
    workers: int | None
    shard: int | None
    format: str | None
    ray_address: str | None
    keep_if: str | None
    measure: bool
    data: str | None
    trust: bool

    def must_fit(self, judged: bool) -> None:
        """Raise RequestError for an unknown engine, and for an option that has no effect without one.

        judged: a judge may choose among candidates, which learns from the data.
        """
        from condgen.bulk.engine import ENGINES
        from condgen.errors import RequestError

        if self.engine:
            ENGINES.check(self.engine)
            return
        for field in fields(self):
            if getattr(self, field.name) and not (judged and field.name in OF_A_JUDGE):
                option = field.name.replace("_", "-")
                raise RequestError(f"--{option} is for generation in bulk; add --engine processes, or leave it out.")

    def generate(
        self,
        run: str,
        asked: "Sequence[Request]",
        n: int,
        seed: int,
        out: "Path",
        sampling: "SamplingOptions",
        progress: "Progress",
    ) -> object:
        """Write the shards; the result, which tells of them."""
        from condgen.bulk.engine import engine
        from condgen.bulk.generate import generate

        return generate(
            run,
            asked,
            n,
            out,
            seed=seed,
            engine=engine(str(self.engine), workers=self.workers, ray_address=self.ray_address),
            shard=self.shard,
            format=self.format or "parquet",
            keep_if=self.keep_if,
            measure=self.measure,
            data=self.data,
            trust=self.trust,
            progress=progress,
            **vars(sampling),
        )
