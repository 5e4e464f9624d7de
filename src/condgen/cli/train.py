"""Commands that train: new runs, interrupted runs, and distilled ones."""

import os
import shlex
import sys
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

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
    Trust,
    data_of,
    duration_option,
    load_data,
    number_option,
    parse_settings,
    progress,
    remark,
    say,
    streaming,
)
from condgen.lazy import in_bulk
from condgen.models.registry import FAMILIES
from condgen.processes import RANK
from condgen.stores.copies import named

if TYPE_CHECKING:
    from condgen.runs.run import Run


def _known(model: str | None) -> str | None:
    """The name of a model. Raises RequestError for an unknown one, before anything large is imported."""
    return FAMILIES.check(model) if model else model


Model = Annotated[
    str | None,
    typer.Option(
        callback=_known, help=f"{', '.join(FAMILIES.names)}. What suits DATA unless given, as `condgen inspect` says."
    ),
]
Mechanism = Annotated[
    str | None,
    typer.Option(help="Way in which the condition enters a layer (see `condgen settings`). Default film."),
]
Prior = Annotated[
    str | None, typer.Option(help="Distribution of a CVAE's latent (see `condgen settings`). Default standard.")
]
Preset = Annotated[str | None, typer.Option(help="Named settings (see `condgen presets`).")]
Budget = Annotated[float | None, duration_option(help="Training time: 90s, 10m, 1h.")]
Images = Annotated[int | None, number_option(help="Number of training images, instead of a time: 500k, 2M.")]
Resume = Annotated[
    bool, typer.Option("--resume", help="Go on with the run in OUT if this command has begun it, as after a restart.")
]
Processes = Annotated[int, typer.Option(min=1, help="Processes of this machine that divide every batch among them.")]
Settings = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Any setting in `condgen settings MODEL`.")
]
Profile = Annotated[
    bool, typer.Option("--profile", help="Record where the time of a few steps goes, in OUT/profile.txt.")
]
SEED = typer.Option(help="Random seed for weights, data order and noise.")


def train(
    data: Data,
    out: Out,
    model: Model = None,
    mechanism: Mechanism = None,
    prior: Prior = None,
    preset: Preset = None,
    budget: Budget = None,
    images: Images = None,
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
    seed: Annotated[int | None, SEED] = None,
    resume: Resume = False,
    processes: Processes = 1,
    settings: Settings = None,
    profile: Profile = False,
) -> None:
    """Train a model on DATA. Ctrl-C saves first, and `condgen resume` continues from there.

    Without --model and --preset, the model and the number of images are those that `condgen inspect` recommends.
    --budget and --images change how long it trains. For little time the model is one that learns sooner. A model named
    by --model has its own defaults, and five minutes.
    """
    with in_bulk():
        from condgen.data.source import AtMost
        from condgen.locks import held_new
        from condgen.recommendation import SIDE
        from condgen.runs.resume import may_hold
        from condgen.runs.train import train as train_run
        from condgen.training.team import join

    options = {"model": model, "mechanism": mechanism, "prior": prior, "seed": seed}
    given = options | parse_settings(settings or []) | ({"profile": True} if profile else {})
    name, arguments = _checked(_recipe(preset, budget, images, given))  # before the data is loaded, which takes minutes
    if processes > 1 and RANK not in os.environ:
        _become(processes)
    how: dict[str, Any] = {
        "data_dir": data_dir,
        "resize": resize,
        "broken": broken,
        "split": split,
        "hold_out": hold_out,
        "streaming": streaming(stream, buffer, sample),
    }
    join()  # so that the other processes hear of an error
    with held_new(out, "the run", begun=may_hold(out, resume)):
        fitting = AtMost(SIDE) if name is None and size is None else size
        splits = load_data(data, attributes, fitting, schema, **how)
        kind, names = "sampled" if stream else "training", ", ".join(splits.schema.names) or "none"
        say(f"{len(splits.train):,} {kind} examples of shape {splits.shape}, attributes: {names}")
        run = train_run(name, splits, out, progress=progress(), resume=resume, **arguments)
    remark(splits)
    _trained(run)


def _become(processes: int) -> NoReturn:
    """Turn this process into a launcher that starts so many of the same command, each with its share of the cores."""
    from condgen.training.arithmetic import cores

    shares = {"OMP_NUM_THREADS": str(max(cores() // processes, 1))}
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    command = [sys.executable, *launch, "-m", "condgen.cli", *sys.argv[1:]]
    os.execve(sys.executable, command, shares | os.environ)  # noqa: S606 (there is no shell to be careful of)


def _recipe(preset: str | None, budget: float | None, images: int | None, options: dict[str, Any]) -> dict[str, Any]:
    """The model and its settings, overridden by the given options.

    They are a preset's entries, or those of a named model and five minutes, or neither: what is recommended.
    """
    from condgen.presets import preset as recipe
    from condgen.runs.arguments import overridden

    given = _lasting(budget, images, {key: value for key, value in options.items() if value is not None})
    if not preset and "model" not in given:
        return given
    start: dict[str, Any] = recipe(preset) if preset else {"seconds": 300.0}
    arguments, idle = overridden(start, given)
    if idle:
        say(f"Note: left out of the preset, since other options make it ineffective: {', '.join(idle)}.")
    return arguments


def _lasting(budget: float | None, images: int | None, given: dict[str, Any]) -> dict[str, Any]:
    """The settings with the length of training, if there is one. Raises RequestError for two."""
    from condgen.errors import RequestError

    given = given | ({"seconds": budget} if budget else {}) | ({"images": images} if images else {})
    if {"seconds", "images"} <= given.keys():
        raise RequestError("Give a time (--budget) or a number of images (--images), not both.")
    return given


def _checked(recipe: dict[str, Any]) -> tuple[str | None, dict[str, Any]]:
    """The name of the model, if there is one, and the settings. Raises RequestError for wrong ones."""
    from condgen.recommendation import check_settings
    from condgen.runs.arguments import split_arguments

    arguments = dict(recipe)
    name = arguments.pop("model", None)
    split_arguments(name, arguments) if name else check_settings(arguments)
    return name, arguments


def resume(
    run: RunFolder,
    data: OtherData = None,
    budget: Annotated[str | None, typer.Option(metavar="+TIME", help="Time to add: +90s, +10m, +1h.")] = None,
    trust: Trust = False,
) -> None:
    """Continue an interrupted RUN, as if it had never stopped. With --budget, train a finished one longer."""
    from condgen.locks import held
    from condgen.runs.resume import finished, resumable
    from condgen.runs.resume import resume as resume_run
    from condgen.runs.run import Run
    from condgen.units import parse_extension

    if budget is not None:
        parse_extension(budget)  # before the data is loaded, so that a wrong option does not cost minutes
    opened = Run.open(resumable(run), trust=trust)
    if budget is None and data is None and finished(opened.path, opened.info):
        resume_run(opened, progress=progress())  # says so
        return
    with held(opened.path):
        splits = data_of(opened, data)
        resumed = resume_run(opened, splits, progress(), budget=budget, trust=trust)
    remark(splits)
    _trained(resumed)


def distill(
    run: RunFolder,
    out: Out,
    data: OtherData = None,
    guidance: Annotated[str | None, typer.Option(help="Guidance to learn. By default that of RUN.")] = None,
    budget: Annotated[float | None, duration_option(help="Training time: 90s, 3m, 1h. By default 5m.")] = None,
    images: Images = None,
    seed: Annotated[int, SEED] = 0,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Any setting of the new model or of training."),
    ] = None,
    trust: Trust = False,
) -> None:
    """Train a model that samples in one step, guidance included, from the guided model of many steps in RUN."""
    from condgen.runs.run import Run
    from condgen.runs.train import distill

    given = _lasting(budget, images, {"seed": seed, **parse_settings(settings or [])})
    given |= {} if {"seconds", "images"} & given.keys() else {"seconds": 300.0}
    teacher = Run.open(run, trust=trust)
    splits = data_of(teacher, data)
    _trained(distill(teacher, splits, out, guidance=guidance, progress=progress(), **given))


def _trained(run: "Run") -> None:
    """Part from the other processes, and say what was trained."""
    from condgen.training.team import leave

    leave()
    info, name = run.info, run.schema.names[0] if len(run.schema) else ""
    place = named(run.path)
    print(f"Trained {info.recipe['model']} on {info.images:,} {info.kind} in {info.seconds:.0f} s: {place}")
    ask = f' "{name}=*"' if run.model.conditional and run.schema[name].choices else ""
    print(f"Next: condgen sample {shlex.quote(place)}{ask} -n 16 --out samples")
