"""Commands that make something: models and samples."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from condgen.cli.options import (
    Attributes,
    Broken,
    Buffer,
    Data,
    DataDir,
    HoldOut,
    OtherData,
    Out,
    Resize,
    RunFolder,
    Sample,
    SchemaFile,
    Size,
    Split,
    Stream,
    data_of,
    load_data,
    parse_settings,
    remark,
    say,
    streaming,
)
from condgen.cli.spelling import spell
from condgen.models.registry import DEFAULT, FAMILIES

if TYPE_CHECKING:
    from condgen.requests.request import Request
    from condgen.runs.editing import EditOptions
    from condgen.runs.run import Run
    from condgen.schema import Condition


def train(
    data: Data,
    out: Out,
    model: Annotated[str | None, typer.Option(help=f"{', '.join(FAMILIES.names)}; default {DEFAULT}.")] = None,
    mechanism: Annotated[
        str | None, typer.Option(help="How the condition enters a layer; see `condgen settings`. Default film.")
    ] = None,
    prior: Annotated[
        str | None, typer.Option(help="Where latents are drawn from; see `condgen settings`. Default standard.")
    ] = None,
    preset: Annotated[str | None, typer.Option(help="A named recipe; see `condgen presets`.")] = None,
    budget: Annotated[str | None, typer.Option(help="How long to train: 90s, 10m, 1h.")] = None,
    images: Annotated[str | None, typer.Option(help="How many images to see: 500k, 2M.")] = None,
    attributes: Attributes = None,
    size: Size = None,
    schema: SchemaFile = None,
    data_dir: DataDir = None,
    resize: Resize = "crop",
    broken: Broken = 0.05,
    split: Split = "random",
    hold_out: HoldOut = None,
    stream: Stream = False,
    buffer: Buffer = None,
    sample: Sample = None,
    seed: Annotated[
        int | None, typer.Option(help="Of the initial weights, the order of the data and the noise.")
    ] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Any setting of `condgen settings MODEL`.")
    ] = None,
) -> None:
    """Train a model on DATA. Ctrl-C saves first; `condgen resume` goes on from there."""
    from condgen.runs.train import split_arguments
    from condgen.runs.train import train as train_run
    from condgen.training import Terminal

    options = {"model": model, "mechanism": mechanism, "prior": prior, "seed": seed}
    arguments = _recipe(preset, budget, images, options | parse_settings(settings or []))
    name = arguments.pop("model")
    split_arguments(name, arguments)  # before the data is loaded: a wrong option should not cost minutes
    how: dict[str, Any] = {
        "data_dir": data_dir,
        "resize": resize,
        "broken": broken,
        "split": split,
        "hold_out": hold_out,
        "streaming": streaming(stream, buffer, sample),
    }
    splits = load_data(data, attributes, size, schema, **how)
    kind = "sampled" if stream else "training"
    say(f"{len(splits.train):,} {kind} examples of shape {splits.shape}, attributes: {', '.join(splits.schema.names)}")
    run = train_run(name, splits, out, monitor=Terminal(spell), **arguments)
    remark(splits)
    _trained(run)


def _recipe(preset: str | None, budget: str | None, images: str | None, options: dict[str, Any]) -> dict[str, Any]:
    """What to train, and how: a preset's entries, or five minutes, with the options that are given in their place."""
    from condgen.errors import RequestError
    from condgen.presets import preset as recipe
    from condgen.runs.train import overridden
    from condgen.units import count, duration

    given = {key: value for key, value in options.items() if value is not None}
    given |= {"seconds": duration(budget)} if budget else {}
    given |= {"images": count(images)} if images else {}
    if {"seconds", "images"} <= given.keys():
        raise RequestError("Give a time (--budget) or a number of images (--images), not both.")
    start: dict[str, Any] = recipe(preset) if preset else {"model": DEFAULT, "seconds": 300.0}
    arguments, idle = overridden(start, given)
    if idle:
        say(f"Note: left out of the preset, since other options leave nothing for it to do: {', '.join(idle)}.")
    return arguments


def distill(
    run: RunFolder,
    out: Out,
    data: OtherData = None,
    guidance: Annotated[str | None, typer.Option(help="What is learned; that of RUN unless given.")] = None,
    budget: Annotated[str, typer.Option(help="Time to train, such as 90s, 3m or 1h.")] = "5m",
    seed: Annotated[int, typer.Option(help="Seed of everything random in training.")] = 0,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Any of the new model or of training.")
    ] = None,
) -> None:
    """Train a model that does in one step what the guided model in RUN does in many, guidance included."""
    from condgen.runs.run import Run
    from condgen.runs.train import distill
    from condgen.training import Terminal
    from condgen.units import duration

    teacher = Run.open(run)
    splits = data_of(teacher, data)
    given = {"seed": seed, **parse_settings(settings or [])}
    given |= {} if "images" in given else {"seconds": duration(budget)}
    _trained(distill(teacher, splits, out, guidance=guidance, monitor=Terminal(spell), **given))


def resume(run: RunFolder, data: OtherData = None) -> None:
    """Go on with an interrupted RUN, as if it had never stopped."""
    from condgen.runs.run import Run
    from condgen.runs.train import resume as resume_run
    from condgen.training import Terminal

    splits = data_of(Run.open(run), data)
    resumed = resume_run(run, splits, monitor=Terminal(spell))
    remark(splits)
    _trained(resumed)


def sample(
    run: RunFolder,
    out: Out,
    request: Annotated[
        list[str] | None, typer.Argument(metavar="REQUEST", help="digit=7, 'a=yes, b!=c', x=1..2, 'an old man'")
    ] = None,
    n: Annotated[int, typer.Option("-n", help="Samples per request.")] = 16,
    seed: Annotated[int, typer.Option(help="Sample k of every request has the seed SEED + k.")] = 0,
    extrapolate: Annotated[bool, typer.Option(help="Allow numbers beyond the training data's range.")] = False,
    guidance: Annotated[
        str | None, typer.Option(help="Of a flow: 2, or one weight per attribute, as in age=3,smiling=1.5. 1 is none.")
    ] = None,
    interval: Annotated[str | None, typer.Option(help="When guidance acts, noise at 0 and data at 1: 0.2..0.8")] = None,
    steps: Annotated[int | None, typer.Option(help="Of a flow's integration.")] = None,
    sampler: Annotated[str | None, typer.Option(help="Of a flow's integration; see `condgen settings`.")] = None,
    guide: Annotated[Path | None, typer.Option(help="A weaker run of a flow, for autoguidance.")] = None,
    compose: Annotated[
        bool, typer.Option(help="Predict each attribute alone and add up, for combinations never seen together.")
    ] = False,
    free: Annotated[
        bool, typer.Option("--free", help="Leave to the model what is not asked, instead of drawing it from the data.")
    ] = False,
) -> None:
    """Generate images for each REQUEST (without one: as in the data), with metadata.csv and grid.png.

    A request joins terms with commas: name=value, name!=value, name=low..high, name=a|b, name=* (one request per
    value), or is words, such as "an old man without glasses". Attributes that are not mentioned are
    drawn from the data's rows that fit the request.
    """
    from condgen.runs.run import Run
    from condgen.runs.samples import save_samples
    from condgen.runs.sampling import SamplingOptions

    opened = Run.open(run)
    asked = _shown(opened.requests(request or [], extrapolate))
    sampling = SamplingOptions(
        guidance=guidance,
        interval=_interval(interval) if interval else None,
        steps=steps,
        sampler=sampler,
        guide=Run.open(guide).model if guide else None,
        compose=compose,
        free=free,
    )
    shown = save_samples(opened.stream(asked, n, seed, sampling=sampling), opened.schema, [r.text for r in asked], out)
    print(f"{n * len(asked):,} samples for {len(asked)} request(s) in {out}; look at {shown}")


def edit(
    run: RunFolder,
    images: Annotated[list[str], typer.Argument(metavar="IMAGE … REQUEST", help="Images, then what to change.")],
    out: Out,
    source: Annotated[
        str | None, typer.Option("--from", help="What the images show now; without it, the model reads it from them.")
    ] = None,
    strength: Annotated[
        float | None, typer.Option(help="Of the change that is put onto the image; 1.5 unless given.")
    ] = None,
    decoded: Annotated[
        bool, typer.Option("--decoded", help="The image as decoded anew, in place of the change put onto it.")
    ] = False,
) -> None:
    """Change attributes of given IMAGEs and keep the rest; the last argument says what to change.

    Only the change is put onto the image, so that what the model cannot encode stays sharp; a flow loses nothing and
    decodes the image anew. `condgen evaluate` measures edits of held-out images.
    """

    from condgen.data import as_float
    from condgen.data.storage.images import EncodedImage, Fit, pixels
    from condgen.errors import RequestError
    from condgen.runs.run import Run
    from condgen.runs.samples import save_samples

    *paths, request = images
    if not paths:
        raise RequestError(
            "Name at least one image, and then what to change: condgen edit RUN a.png 'digit=7' --out DIR."
        )
    opened = Run.open(run)
    opened.must_edit()
    editing = _editing(strength, decoded)
    change = _shown(opened.requests(request))
    if len(change) > 1:
        raise RequestError(f"'{request}' stands for {len(change)} requests; edit one at a time.")
    if len(opened.model.shape) != 3:
        raise RequestError(f"{run} was trained on vectors, not on images; edit those from Python, with Run.edit.")
    channels, height, width = opened.model.shape
    fit = Fit("L" if channels == 1 else "RGB", width, height)
    x = as_float(pixels([EncodedImage(p, Path(p)) for p in paths], fit))
    now = _stated(opened, source, len(x)) if source else opened.read(x)
    edited = opened.edit(x, now, change[0], editing=editing)
    shown = save_samples(iter([edited]), opened.schema, [request], out)
    for path, before, after in zip(paths, now.describe(), edited.condition.describe(), strict=True):
        print(f"{path}: {before} → {after}")
    _before_after(x, edited.x, out / "grid.png")
    print(f"{len(x)} edited image(s) in {out}; look at {shown}")


def _shown(asked: "list[Request]") -> "list[Request]":
    """Show how words were understood."""
    for request in asked:
        if request.asked:
            print(request.understood)
    return asked


def _interval(text: str) -> tuple[float, float]:
    """`0.2..0.8` as a pair of numbers."""
    from condgen.errors import RequestError

    low, dots, high = text.partition("..")
    try:
        return float(low), float(high if dots else "")
    except ValueError:
        raise RequestError(f"--interval takes LOW..HIGH, as in 0.2..0.8, not '{text}'.") from None


def _editing(strength: float | None, decoded: bool) -> "EditOptions | None":
    """How to edit as options say it; None: as suits the model."""
    from condgen.errors import RequestError
    from condgen.runs.editing import EditOptions

    if decoded and strength is not None:
        raise RequestError("--decoded leaves nothing of the original that a --strength could be put onto; choose one.")
    if strength is not None:
        return EditOptions(strength=strength)
    return EditOptions(decoded=True) if decoded else None


def _trained(run: "Run") -> None:
    info, name = run.info, run.schema.names[0] if len(run.schema) else ""
    print(f"Trained {info.recipe['model']} on {info.images:,} images in {info.seconds:.0f} s: {run.path}")
    ask = f' "{name}=*"' if run.model.conditional and run.schema[name].choices else ""
    print(f"Next: condgen sample {shlex.quote(str(run.path))}{ask} -n 16 --out samples")


def _stated(run: "Run", text: str, n: int) -> "Condition":
    """The condition that `--from` states, for every image."""
    from condgen.errors import RequestError
    from condgen.rng import Rng

    asked = _shown(run.requests(text))
    if len(asked) > 1:
        raise RequestError(f"--from '{text}' stands for {len(asked)} requests; it must say what the images show.")
    return asked[0].draw(run.joint, Rng(range(n)), fill=not run.model.handles_missing)


def _before_after(before: Any, after: Any, path: Path) -> None:
    """The grid of an edit: the images above, their edits below."""
    import torch

    from condgen.pictures import grid, save_picture

    save_picture(grid(torch.cat([before, after]), len(before), ["before", "after"]), path)
