"""Arguments that commands share: their types, and the functions that read them."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from condgen.data import Splits, StreamConfig
    from condgen.data.source import AtMost
    from condgen.evaluation.protocol import EvaluationConfig
    from condgen.progress import Progress
    from condgen.requests.request import Request
    from condgen.runs.run import Run
    from condgen.runs.sampling import SamplingOptions

OUT = ("--out", "-o")
FILES = (
    ".bmp",
    ".csv",
    ".gif",
    ".html",
    ".jpeg",
    ".jpg",
    ".json",
    ".npy",
    ".npz",
    ".parquet",
    ".pdf",
    ".png",
    ".pt",
    ".safetensors",
    ".tsv",
    ".webp",
    ".zip",
)


def meant_as_folder(out: Path | None) -> Path | None:
    """The folder of an `--out`. Raises RequestError for the name of a file, unless something of that name exists."""
    from condgen.errors import RequestError

    if out is not None and out.suffix.casefold() in FILES and not out.exists():
        raise RequestError(
            f"--out takes a folder for several files, but '{out}' is the name of a file. "
            f"Write --out {out.with_suffix('')}."
        )
    return out


def destination(out: str) -> Path:
    """The path to write to for an `--out`, which may be an address, also hf://…, which no `Path` could hold."""
    from condgen.errors import RequestError
    from condgen.stores.copies import place

    try:
        return place(out)
    except RequestError as error:
        raise typer.BadParameter(str(error)) from None


def place_option(told: str, *names: str, folder: bool = False) -> Any:
    """An option, by default --out, for a place to write to: a file or folder, or a `folder` alone."""
    checked = meant_as_folder if folder else None
    return typer.Option(*(names or OUT), metavar="PATH", parser=destination, callback=checked, help=told)


folder_option = partial(place_option, folder=True)


def number(text: str | int) -> int:
    """The number in a text such as 1, 5000, 60k, 2M, or a default as it is."""
    from condgen.errors import RequestError
    from condgen.units import parse_count

    try:
        return parse_count(str(text))
    except RequestError as error:
        raise typer.BadParameter(str(error)) from None


def count(text: str | int) -> int:
    """A number as `number` reads it, or 0."""
    return 0 if str(text).strip() == "0" else number(text)


def duration(text: str) -> float:
    """The seconds in a text such as 90s, 10m, 1h."""
    from condgen.errors import RequestError
    from condgen.units import parse_duration

    try:
        return parse_duration(text)
    except RequestError as error:
        raise typer.BadParameter(str(error)) from None


def existing(run: str) -> str:
    """The RUN of a command. Raises RunError for a path without a run, before anything large is imported."""
    from condgen.runs.place import must_hold_a_run

    must_hold_a_run(run)
    return run


number_option = partial(typer.Option, metavar="COUNT", parser=number)
count_option = partial(typer.Option, metavar="COUNT", parser=count)
duration_option = partial(typer.Option, metavar="TIME", parser=duration)
run_argument = partial(typer.Argument, metavar="RUN", callback=existing)


Data = Annotated[str, typer.Argument(metavar="DATA", help="A name, a folder, a table, … (see `condgen datasets`).")]
RunFolder = Annotated[str, run_argument(help="Folder of a run, written by `condgen train --out`.")]
RunOrFile = Annotated[str, run_argument(help="Folder of a run, or its weights, written by `condgen export`.")]
RunFileOrServer = Annotated[
    str,
    typer.Argument(metavar="RUN", help="Folder of a run, a file written by `condgen export`, or a server's address."),
]
OtherData = Annotated[
    str | None,
    typer.Option("--data", metavar="DATA", help="New place of RUN's data, or other data with the same attributes."),
]
Trust = Annotated[
    bool, typer.Option("--trust", help="Allow RUN to name any place as its data, also one not used here before.")
]
Out = Annotated[Path, folder_option("New folder for the result.")]
Attributes = Annotated[
    str | None, typer.Option(help="Attributes to use, all by default: a,b,c. An empty text uses none.")
]
Size = Annotated[int | None, typer.Option(help="Side of the square to which images are cropped and resized.")]
DataDir = Annotated[
    Path | None, typer.Option("--data-dir", help="Local copy of mnist, celeba, …, instead of a download.")
]
Resize = Annotated[str, typer.Option(help="Way of resizing images: crop (the centre), pad, squash.")]
Broken = Annotated[float, typer.Option(help="Largest share of unreadable images, which are left out.")]
Split = Annotated[str, typer.Option(help="random, stratified:ATTRIBUTE, or group:COLUMN (equal cells stay together).")]
HoldOut = Annotated[
    list[str] | None, typer.Option("--hold-out", help='Combination to keep out of training: "color=red, body=Coupe".')
]
Stream = Annotated[
    bool,
    typer.Option(
        "--stream", help="Train directly from shards (WebDataset, Parquet, hf:), without preparing data on disk."
    ),
]
Buffer = Annotated[int | None, typer.Option(help="Images of a stream within which the order is random. Default 8192.")]
Sample = Annotated[int | None, typer.Option(help="Images of a stream for schema, validation and test. Default 10000.")]
SchemaFile = Annotated[Path | None, typer.Option("--schema", help="schema.json to use instead of the inferred schema.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]

# Options of commands that measure or sample.
Samples = Annotated[int, count_option(help="Number of samples to generate and judge: 2000, 10k.")]
Labels = Annotated[
    str,
    typer.Option(help="Requests: as in the held-out data ('data'), or every combination equally often ('uniform')."),
]
Features = Annotated[
    str,
    typer.Option(help="Features for distances: judge, efficientnet, inception, or the folder of a vision model."),
]
Pairs = Annotated[
    int, count_option(help="Pairs per attribute that differ in this attribute only, for swap test and leakage.")
]
Useful = Annotated[
    int, count_option(help="Images for training a predictor on samples, to measure their usefulness. 0 leaves it out.")
]
Edited = Annotated[
    int, count_option("--edits", help="Held-out images to edit per attribute, for models that edit. 0 leaves it out.")
]
Latents = Annotated[
    int, count_option(help="Observations to encode for measuring the latent, for models that encode. 0 leaves it out.")
]
Asked = Annotated[
    list[str] | None,
    typer.Option("--ask", help="Request to measure as a whole, beside matching real images. May be repeated."),
]
Combinations = Annotated[
    int, typer.Option(help="Smallest number of real examples of a rare combination to report. 0 leaves them out.")
]
Folds = Annotated[
    int,
    typer.Option(help="Cross-fitted judges to read all real data by, where held-out data has too little. 0 is none."),
]
JudgeImages = Annotated[
    int | None,
    number_option(help="Images shown to the judge in training, by default 100k to 300k. Fewer take less time."),
]
MeasureSeed = Annotated[int, typer.Option("--measure-seed", help="Seed of the first judged sample.")]
Guidance = Annotated[
    str | None,
    typer.Option(
        help="Guidance weight of a flow: 2, or one per attribute, as in age=3,smiling=1.5. 1 is none. By default the "
        "run's own."
    ),
]
Interval = Annotated[
    str | None, typer.Option(help="Times at which guidance acts, with noise at 0 and data at 1: 0.2..0.8.")
]
Sampler = Annotated[str | None, typer.Option(help="Integration method of a flow (see `condgen settings`).")]
Steps = Annotated[int | None, typer.Option(help="Number of integration steps of a flow.")]
BestOf = Annotated[
    int, typer.Option(help="Candidates per sample, of which the best is kept, by the model's critic or a judge.")
]


def say(text: str) -> None:
    """Print a note for the user, apart from the command's result."""
    progress().note(text)


def progress() -> "Progress":
    """The progress for the user, with settings spelled as options."""
    from condgen.cli.spelling import spell
    from condgen.progress import shown

    return shown(spell)


def load_data(
    data: str,
    attributes: str | None,
    size: "int | AtMost | None",
    schema: Path | None,
    *,
    data_dir: Path | None = None,
    resize: str = "crop",
    broken: float = 0.05,
    split: str = "random",
    hold_out: list[str] | None = None,
    streaming: "StreamConfig | None" = None,
) -> "Splits":
    """The data that a command names. Guesses and changes made while loading are printed."""
    from condgen.data import DataSource, SplitConfig, load_source
    from condgen.schema import Schema

    source = DataSource(
        data,
        attributes=None if attributes is None else tuple(names(attributes)),
        size=size,
        schema=Schema.load(schema) if schema else None,
        data_dir=str(data_dir) if data_dir else None,
        resize=resize,
        broken=broken,
        splitting=SplitConfig(split, tuple(hold_out or ())),
        streaming=streaming,
    )
    splits = load_source(source, progress())
    _say_notes(splits)
    return splits


def _say_notes(splits: "Splits") -> None:
    for note in splits.notes:
        say(f"Note: {note}")


def streaming(stream: bool, buffer: int | None, sample: int | None) -> "StreamConfig | None":
    """The settings of a stream, or None. Raises RequestError for options that need a stream."""
    from condgen.data import StreamConfig
    from condgen.errors import RequestError

    given = {name: n for name, n in (("buffer", buffer), ("sample", sample)) if n is not None}
    if given and not stream:
        raise RequestError(f"--{next(iter(given))} is for streams; add --stream.")
    return StreamConfig(**given) if stream else None


def remark(data: "Splits") -> None:
    """Print the number of images of a stream that could not be read."""
    from condgen.data import Streamed

    if isinstance(data.train, Streamed) and (found := data.train.stream.quarantine).broken:
        say(f"Note: {found.broken:,} of {found.seen:,} images that were read are unusable; see {found.path}.")


def data_of(run: "Run", data: str | None) -> "Splits":
    """The training data of a run, or the data that is named. Guesses and changes made while loading are printed.

    In a terminal, a person is asked about places that only the run names.
    """
    from condgen.runs.trust import UntrustedError

    try:
        splits = run.data(data, progress())
    except UntrustedError as error:
        if not _agreed(error):
            raise
        run.trust = True
        splits = run.data(data, progress())
    if data is not None:
        _say_notes(splits)
    return splits


def _agreed(error: Exception) -> bool:
    """Whether a person at a terminal lets the run read what it names."""
    import sys

    from condgen.cli.spelling import spell

    there = sys.stdin.isatty() and sys.stderr.isatty()
    return there and typer.confirm(f"{spell(str(error))}\nLet it read that?", err=True)


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


def measuring(
    samples: int,
    labels: str,
    features: str,
    pairs: int,
    useful: int,
    edits: int,
    judge_images: int | None,
    seed: int,
    **others: Any,
) -> "EvaluationConfig":
    """The settings of an evaluation given by options. others: fields that have the form of `EvaluationConfig`."""
    from condgen.evaluation.protocol import EvaluationConfig

    return EvaluationConfig(
        samples=samples,
        labels=labels,
        features=tuple(names(features)),
        pairs=pairs,
        useful=useful,
        edits=edits,
        judge_images=judge_images,
        seed=seed,
        **others,
    )


def sampling_by(
    guidance: str | None, interval: str | None, sampler: str | None, steps: int | None, **others: Any
) -> "SamplingOptions":
    """The settings of sampling given by options. Raises RequestError for an interval that is none."""
    from condgen.runs.sampling import SamplingOptions

    times = _times(interval) if interval else None
    return SamplingOptions(guidance=guidance, interval=times, sampler=sampler, steps=steps, **others)


def _times(interval: str) -> tuple[float, float]:
    """`0.2..0.8` as a pair of numbers."""
    from condgen.errors import RequestError

    low, dots, high = interval.partition("..")
    try:
        return float(low), float(high if dots else "")
    except ValueError:
        raise RequestError(f"--interval takes LOW..HIGH, as in 0.2..0.8, not '{interval}'.") from None


def show_understood(asked: "list[Request]") -> "list[Request]":
    """Print the interpretation of words in requests."""
    for request in asked:
        if request.asked:
            print(request.understood)
    return asked


def names(text: str | None) -> list[str]:
    """The names in a comma-separated list."""
    return [name.strip() for name in (text or "").split(",") if name.strip()]
