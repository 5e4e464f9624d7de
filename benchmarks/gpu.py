"""Training on a GPU: speed, the share of its arithmetic that is used, and the distance of samples (see gpu.sh).

    python benchmarks/gpu.py [--faces DATA] [--photographs DATA] [--classes DATA] --seconds 120 --out runs/gpu
    python benchmarks/gpu.py --estimate

Four runs train for `--seconds` each: a GAN of faces at 64 pixels (`faces-gan`), a codec at 128 pixels, a flow in its
latents, and a GAN of small pictures of ten classes. Without data of your own, worlds are drawn. Operations are those of
multiplications and additions in all players' steps, counted by PyTorch; the card's rate is measured by products of
large matrices in bf16. The Fréchet distance in EfficientNet's features is divided by the floor (benchmarks/latents.py).

`--estimate` trains nothing. It prints the operations of each preset for a GPU, and the hours that these take on a card
that does `--rate` of them a second with a share `--used` of it.
"""

import argparse
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from latents import Beside
from reference import Counter
from steps import DIGITS, PHOTOGRAPHS

from condgen.data import Splits, load
from condgen.errors import RequestError
from condgen.models import Model, build
from condgen.parameters import keyword_arguments
from condgen.presets import LARGE, preset
from condgen.progress import SILENT
from condgen.runs.arguments import split_arguments
from condgen.runs.opening import best_device
from condgen.runs.run import Run
from condgen.runs.train import train
from condgen.schema import Condition
from condgen.training import TrainingConfig

COUNTED = 8  # steps whose operations are counted, as often as penalties come
BATCH = 4  # images of such a step
SIDE = {"cuda": 8192}  # of the matrices by which a device is measured
CODEC = {
    "model": "codec",
    "perceptual": 1.0,
    "adversarial": 0.5,
    "adversarial_from": 100_000,
    "batch": 64,
    "flip": True,
}
FLOW = {
    "model": "flow",
    "patch": 1,
    "channels": 128,
    "depth": 3,
    "embedding": 128,
    "times": "logit-normal",
    "sampler": "dpm",
    "guidance": 2.0,
    "batch": 256,
    "lr": 1e-3,
    "flip": True,
}
CLASSES = {"model": "projection", "channels": 128, "depth": 2, "r1": 0.5, "r2": 0.5, "lr": 1e-3, "batch": 128}
ROW = "| {name} | {images:,} | {pace:,.0f} | {operations:.2f} | {share:.1%} | {distance} |"


@dataclass(frozen=True)
class Job:
    """One training: its name, data, and settings as for `condgen.train`."""

    name: str
    data: Splits
    settings: Mapping[str, Any]


def rate(device: torch.device) -> float:
    """Operations a second of a device, by products of matrices in bf16."""
    side = SIDE.get(device.type, 1024)
    a, b = (torch.randn(side, side, device=device, dtype=torch.bfloat16) for _ in range(2))
    best = 0.0
    for _ in range(5):
        _wait(device)
        started = time.perf_counter()
        for _ in range(4):
            a @ b
        _wait(device)
        best = max(best, 4 * 2 * side**3 / (time.perf_counter() - started))
    return best


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def operations(model: Model, shape: tuple[int, ...]) -> float:
    """Operations per image of a training step of all players."""
    x = torch.rand(BATCH, *shape, device=model.device)
    codes = {a.name: torch.zeros(BATCH, *a.shape) for a in model.schema}
    condition = Condition(model.schema, codes, torch.ones(BATCH, len(model.schema), dtype=torch.bool)).to(model.device)
    model.train()
    with Counter() as counter:
        for _ in range(COUNTED):
            for player, parameters in model.players().items():
                model(x, condition, player)["loss"].backward(inputs=[p for p in parameters if p.requires_grad])
    return counter.operations / (COUNTED * BATCH)


def ran(job: Job, seconds: float, out: Path) -> Run:
    """The run of a job, trained anew or opened."""
    if (out / job.name / "checkpoint.safetensors").is_file():
        return Run.open(out / job.name)
    bounds = ("images", "seconds")
    settings = {k: v for k, v in job.settings.items() if k not in bounds} | {"seconds": seconds, "precision": "bf16"}
    return train(settings.pop("model"), job.data, out / job.name, **{"previews": 0, **settings})


def row(job: Job, run: Run, peak: float) -> str:
    """The line of a run."""
    pace = run.info.images / run.info.spent["steps"]
    try:
        beside = Beside.of(job.data, best_device())
        distance = f"{beside.relative(beside.made(run)[0]):.2f}"
    except RequestError as error:  # without the extra `features`
        distance = str(error).partition(".")[0]
    shape = getattr(run.model, "inner", run.model).shape  # latents are prepared, and not encoded in steps
    of_image = operations(run.model, shape)
    share = pace * of_image / peak
    return ROW.format(
        name=job.name, images=run.info.images, pace=pace, operations=of_image / 1e9, share=share, distance=distance
    )


def measure(given: argparse.Namespace) -> None:
    """Train, and print the table."""
    device = best_device()
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    peak = rate(device)
    print(f"{name}, torch {torch.__version__}: {peak / 1e12:.1f} Tera-operations a second in bf16\n")
    photographs = load(given.photographs, size=given.side, progress=SILENT)
    small = dict(item.partition("=")[::2] for item in given.set)
    jobs = [
        Job("faces-gan", load(given.faces, size=given.side // 2, progress=SILENT), preset("faces-gan")),
        Job("codec", photographs, CODEC),
        Job("latent-flow", photographs, FLOW | {"codec": str(given.out / "codec")}),
        Job("classes", load(given.classes, size=32, progress=SILENT), CLASSES),
    ]
    print("| run | images seen | images/s | 10⁹ operations an image | of the rate | Fréchet ÷ floor |")
    print("|---|---|---|---|---|---|")
    for job in jobs:
        known = {k: v for k, v in small.items() if k in job.settings or k in keyword_arguments(TrainingConfig)}
        job = Job(job.name, job.data, {**job.settings, **known})
        print(row(job, ran(job, given.seconds, given.out), peak), flush=True)


def estimate(used: float, per_second: float) -> None:
    """Print the operations and hours of the presets for a GPU."""
    print("| preset | 10⁹ operations an image | images | hours |\n|---|---|---|---|")
    for name in LARGE:
        settings = preset(name)
        schema, shape = DIGITS if name.startswith("digits") else PHOTOGRAPHS
        arguments, _ = split_arguments(model := settings.pop("model"), settings)
        of_image = operations(build(model, schema, shape, **arguments), shape)
        hours = of_image * settings["images"] / (used * per_second) / 3600
        print(f"| {name} | {of_image / 1e9:.2f} | {settings['images']:,} | {hours:.1f} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--faces", default="cars:8000", help="photographs, brought to half of `--side`")
    parser.add_argument("--photographs", default="cars:8000", help="photographs for latents")
    parser.add_argument("--classes", default="shapes:50000", help="small pictures of several classes")
    parser.add_argument("--side", type=int, default=128, help="pixels of photographs for latents")
    parser.add_argument("--seconds", type=float, default=120.0, help="of each of the four trainings")
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", help="settings of every training")
    parser.add_argument("--out", type=Path, default=Path("runs/gpu"))
    parser.add_argument("--estimate", action="store_true", help="train nothing, count the presets' operations")
    parser.add_argument("--rate", type=float, default=300e12, help="operations a second of the card to estimate for")
    parser.add_argument("--used", type=float, default=0.2, help="share of that rate in training")
    given = parser.parse_args()
    if given.estimate:
        estimate(given.used, given.rate)
    else:
        measure(given)


if __name__ == "__main__":
    main()
