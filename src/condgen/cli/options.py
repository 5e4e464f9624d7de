"""What commands share: the types of their arguments, and how these are read."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from condgen.data import SplitConfig, Splits, StreamConfig

Data = Annotated[str, typer.Argument(metavar="DATA", help="A name, a folder, a table, …: see `condgen datasets`.")]
RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="The folder that `condgen train --out` wrote.")]
Out = Annotated[Path, typer.Option("--out", "-o", help="A new folder for the result.")]
Attributes = Annotated[str | None, typer.Option(help="The only attributes to use: a,b,c.")]
Size = Annotated[int | None, typer.Option(help="Side of the square that images are cropped and resized to.")]
DataDir = Annotated[
    Path | None, typer.Option("--data-dir", help="A local copy of mnist, celeba, …, in place of downloading it.")
]
Resize = Annotated[str, typer.Option(help="How images get their size: crop (the centre), pad, squash.")]
Broken = Annotated[float, typer.Option(help="Share of images that may be unreadable and are left out.")]
Split = Annotated[str, typer.Option(help="random, stratified:ATTRIBUTE, or group:COLUMN (its cells stay together).")]
HoldOut = Annotated[
    list[str] | None, typer.Option("--hold-out", help='A combination that never trains: "color=red, body=Coupe".')
]
Stream = Annotated[
    bool, typer.Option("--stream", help="Train from shards as they are (WebDataset, Parquet, hf:), preparing nothing.")
]
Buffer = Annotated[int | None, typer.Option(help="Images of a stream within which its order is random; default 8192.")]
Sample = Annotated[
    int | None, typer.Option(help="Images of a stream that tell its schema, validate and test; default 10000.")
]
SchemaFile = Annotated[Path | None, typer.Option("--schema", help="A schema.json to use instead of the inferred one.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def say(text: str) -> None:
    """Tell a person, beside what the command prints as its result."""
    from condgen.cli.spelling import spell

    print(spell(text), file=sys.stderr)


def load_data(
    data: str,
    attributes: str | None,
    size: int | None,
    schema: Path | None,
    *,
    data_dir: Path | None = None,
    resize: str = "crop",
    broken: float = 0.05,
    split: str = "random",
    hold_out: list[str] | None = None,
    streaming: "StreamConfig | None" = None,
) -> "Splits":
    """The data that a command names; what was guessed or changed on the way is said."""
    from condgen.schema import Schema

    chosen = [name.strip() for name in attributes.split(",")] if attributes else None
    splits = _loaded(
        data,
        data_dir,
        streaming,
        attributes=chosen,
        size=size,
        schema=Schema.load(schema) if schema else None,
        resize=resize,
        broken=broken,
        splitting=_splitting(split, hold_out or []),
    )
    for note in splits.notes:
        say(f"Note: {note}")
    return splits


def streaming(stream: bool, buffer: int | None, sample: int | None) -> "StreamConfig | None":
    """How a stream is read, if data is to be one. Raises RequestError for numbers that are for streams only."""
    from condgen.data import StreamConfig
    from condgen.errors import RequestError

    given = {name: n for name, n in (("buffer", buffer), ("sample", sample)) if n is not None}
    if given and not stream:
        raise RequestError(f"--{next(iter(given))} is for streams; add --stream.")
    return StreamConfig(**given) if stream else None


def remark(data: "Splits") -> None:
    """Tell a person how many images of a stream could not be read."""
    from condgen.data import Streamed

    if isinstance(data.train, Streamed) and (found := data.train.stream.quarantine).broken:
        say(f"Note: {found.broken:,} of {found.seen:,} images that were read are unusable; see {found.path}.")


def _loaded(source: str, data_dir: "str | Path | None", streaming: "StreamConfig | None", **how: Any) -> "Splits":
    """Data by `load` or, as a stream, by `stream`."""
    from condgen.data import load, stream
    from condgen.errors import RequestError

    with preparing() as progress:
        if streaming is None:
            return load(source, data_dir=data_dir, progress=progress, **how)
        if data_dir is not None:
            raise RequestError("A stream is read where it is; leave out --data-dir or --stream.")
        return stream(source, streaming=streaming, progress=progress, **how)


@contextmanager
def preparing() -> Iterator[Callable[[int, int], None]]:
    """A bar that appears when images are prepared."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    bar = Progress(
        "preparing images", BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), console=Console(stderr=True)
    )
    task = bar.add_task("", visible=False)

    def show(done: int, of: int) -> None:
        bar.start()
        bar.update(task, completed=done, total=of, visible=True)

    try:
        yield show
    finally:
        if bar.live.is_started:  # stopping a bar that nobody saw would leave an empty line
            bar.stop()


def _splitting(how: str, hold_out: list[str]) -> "SplitConfig | None":
    """None, rather than what it stands for, leaves a built-in dataset as it comes."""
    from condgen.data import SplitConfig

    return SplitConfig(how, tuple(hold_out)) if hold_out or how != "random" else None


def load_again(run: Path) -> "Splits":
    """The data that a run was trained on."""
    from condgen.data import StreamConfig
    from condgen.errors import RunError
    from condgen.schema import Schema
    from condgen.training import checkpoint

    info, _ = checkpoint.load(run / checkpoint.FILE)
    origin = info.data
    if origin.get("source") is None:
        raise RunError(
            f"{run} was trained from Python on data in memory; go on there (condgen.resume, condgen.distil)."
        )
    given = Schema.model_validate(origin["schema"]) if origin.get("schema") else None
    return _loaded(
        origin["source"],
        origin.get("data_dir"),
        StreamConfig(**origin["streaming"]) if origin.get("streaming") else None,
        attributes=origin.get("attributes"),
        size=origin.get("size"),
        schema=given,
        resize=origin.get("resize", "crop"),
        broken=origin.get("broken", 0.05),
        splitting=_splitting(*origin["splitting"]) if origin.get("splitting") else None,
    )


def parse_settings(pairs: list[str]) -> dict[str, Any]:
    """`--set key=value` as a dictionary."""
    from condgen.errors import RequestError

    found: dict[str, Any] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals:
            raise RequestError(f"--set takes KEY=VALUE, as in --set latent=16, not '{pair}'.")
        found[key.strip()] = value.strip()
    return found


def origin(
    data: str,
    splits: "Splits",
    size: int | None,
    schema: Path | None = None,
    *,
    data_dir: Path | None = None,
    resize: str = "crop",
    broken: float = 0.05,
    split: str = "random",
    hold_out: list[str] | None = None,
    streaming: "StreamConfig | None" = None,
) -> dict[str, Any]:
    """How to load the data again: what a run keeps of it."""
    from condgen.data import resolved

    return {
        "source": resolved(data),
        "attributes": splits.schema.names,
        "size": size,
        "schema": splits.schema.model_dump(mode="json") if schema else None,
        "data_dir": str(data_dir.expanduser().resolve()) if data_dir else None,
        "resize": resize,
        "broken": broken,
        "splitting": [split, hold_out or []],
        "streaming": vars(streaming) if streaming else None,
    }
