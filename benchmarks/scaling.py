"""Scaling: the efficiency of training and generation over many workers, from steps measured on this machine.

    python benchmarks/scaling.py faces-gan faces-flow-large=4
    python benchmarks/scaling.py --check 2 4 --presets faces-gan
    python benchmarks/scaling.py faces-gan --speed 50

A preset's step is measured with its own number of images, or with as many as stand behind `=`. Workers and links are
simulated: gradients go round a ring after every player's update (Patarasuk & Yuan 2009), and nothing else goes on
meanwhile. Times are those of computing on one thread in float32, so other work beside it matters little. `--speed` is
the number of times that a worker is as fast as this machine, for one that is not at hand. `--check` starts real
processes here and puts their steps beside the prediction.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

import torch
import torch.distributed as dist
from steps import DIGITS, PHOTOGRAPHS

from condgen.data import Dataset, Splits
from condgen.models import build
from condgen.presets import preset
from condgen.runs.arguments import split_arguments
from condgen.schema import Condition
from condgen.training import Trainer, TrainingConfig
from condgen.training.arithmetic import Arithmetic
from condgen.training.machine import processor
from condgen.training.team import Team, join, leave

WORKERS = (1, 8, 64, 512)
STEPS = 5  # that are timed, after one that is not
GIGABIT = 1e9 / 8  # bytes a second


@dataclass(frozen=True)
class Link:
    """Connections between workers: bytes a second that each sends, and seconds until a message arrives."""

    bandwidth: float
    latency: float = 50e-6

    def all_reduce(self, size: int, workers: int) -> float:
        """Seconds of a sum of so many bytes over a ring: 2 (P − 1) messages of 1/P of them."""
        return 2 * (workers - 1) * (size / workers / self.bandwidth + self.latency)


LINKS = {"10 Gbit/s": Link(10 * GIGABIT), "25 Gbit/s": Link(25 * GIGABIT), "100 Gbit/s": Link(100 * GIGABIT, 20e-6)}


@dataclass(frozen=True)
class Step:
    """A worker's training step.

    image, fixed: seconds for each of its images, and for what does not depend on them.
    drawn: seconds for each image of the whole batch, whose random numbers every worker draws.
    exchanges: bytes of each exchange of gradients.
    copied: seconds to lay a step's gradients side by side before they are exchanged.
    """

    image: float
    fixed: float
    drawn: float
    exchanges: tuple[int, ...]
    copied: float = 0.0

    def seconds(self, images: float, workers: int, link: Link) -> float:
        """Seconds of a step with so many images per worker."""
        others = images * (workers - 1) * self.drawn
        alone = self.fixed + images * self.image
        if workers == 1:
            return alone
        small = link.all_reduce(24, workers)  # of the decisions that all take alike
        return alone + others + self.copied + self.exchanging(workers, link) + small

    def exchanging(self, workers: int, link: Link) -> float:
        """Seconds of its exchanges."""
        return sum(link.all_reduce(size, workers) for size in self.exchanges)

    def growing(self, images: float, workers: int, link: Link) -> float:
        """Efficiency if every worker has so many images, so that the batch grows with their number."""
        return self.seconds(images, 1, link) / self.seconds(images, workers, link)

    def dividing(self, batch: float, workers: int, link: Link) -> float:
        """Efficiency if a batch of this size is divided among workers."""
        return self.seconds(batch, 1, link) / (workers * self.seconds(batch / workers, workers, link))

    def faster(self, times: float) -> "Step":
        """The step of a worker that computes so many times as fast."""
        own = {name: getattr(self, name) / times for name in ("image", "fixed", "drawn", "copied")}
        return replace(self, **own)


def fastest(step: Step, images: float, workers: int, link: Link, efficiency: float = 0.9) -> float:
    """The largest factor on this machine's speed at which workers keep an efficiency."""
    low, high = 1e-3, 1e6
    for _ in range(60):
        middle = (low * high) ** 0.5
        keeps = step.faster(middle).growing(images, workers, link) >= efficiency
        low, high = (middle, high) if keeps else (low, middle)
    return low


def generated(rate: float, size: float, workers: int, store: float) -> float:
    """Images a second of workers that share nothing but a store, which takes so many bytes a second."""
    return min(workers * rate, store / size)


# ---- measuring


def trainer_of(name: str, batch: int, team: Team) -> Trainer:
    """A trainer of a preset on noise."""
    arguments = preset(name)
    family = arguments.pop("model")
    schema, shape = DIGITS if name.startswith("digits") else PHOTOGRAPHS
    codes = {a.name: torch.randint(0, 2, (batch,)).float() for a in schema}
    condition = Condition(schema, codes, torch.ones(batch, len(schema), dtype=torch.bool))
    noise = Dataset(torch.randint(256, (batch, *shape), dtype=torch.uint8), condition)
    splits = Splits(noise, noise, noise)
    of_model, of_training = split_arguments(family, arguments, splits)
    settings = TrainingConfig(**{**of_training, "batch": batch, "images": 10**6, "seconds": None})
    torch.manual_seed(0)
    model = build(family, schema, shape, **of_model)
    nowhere = Path(tempfile.gettempdir())  # nothing is saved
    return Trainer(model, splits, nowhere, settings, arithmetic=Arithmetic("float32", 1), team=team)


def each(work: Callable[[], object], clock: Callable[[], float] = time.perf_counter) -> list[float]:
    """The seconds of a piece of work, several times."""
    took = []
    for _ in range(STEPS + 1):
        start = clock()
        work()
        took.append(clock() - start)
    return took[1:]


def timed(work: Callable[[], object]) -> float:
    """The median seconds of a piece of work."""
    return median(each(work))


def computing(work: Callable[[], object]) -> float:
    """The median seconds that a piece of work computes, whatever else the machine does beside it."""
    return median(each(work, time.process_time))


def stepping(trainer: Trainer) -> Callable[[], object]:
    """A step of training."""
    with closing(trainer.batches()) as batches:
        given = next(batches)
    return lambda: trainer.step(*given)


def slowest(took: list[float]) -> float:
    """The median over steps of the time of the slowest process, for which the others would wait."""
    every = torch.tensor(took)
    dist.all_reduce(every, dist.ReduceOp.MAX)
    return float(every.median())


def measured(name: str, images: int) -> Step:
    """A preset's step on this machine, on one thread in float32."""
    alone = Team()
    trainer = trainer_of(name, images, alone)
    whole, half = (computing(stepping(t)) for t in (trainer, trainer_of(name, max(images // 2, 1), alone)))
    image = max(whole - half, 0.0) / max(images - images // 2, 1)
    exchanges = [4 * sum(p.numel() for p in players) for players in trainer.raw.players().values()]
    gradients = [p.grad.flatten() for p in trainer.raw.parameters() if p.grad is not None]
    copied = computing(lambda: torch.cat(gradients))
    return Step(image, max(whole - images * image, 0.0), drawing(name), tuple(exchanges), copied)


def drawing(name: str) -> float:
    """Seconds to draw a training image's random numbers: those of its pixels for a flow, a few for others."""
    if preset(name)["model"] not in ("flow", "meanflow"):
        return 0.0
    _, shape = DIGITS if name.startswith("digits") else PHOTOGRAPHS
    return computing(lambda: torch.randn(64, *shape)) / 64


def working(name: str, images: int) -> dict[str, float]:
    """In one of several processes: seconds of steps side by side, of steps together, and of exchanges."""
    team = join()
    apart = each(stepping(trainer_of(name, images, team.apart)))
    trainer = trainer_of(name, images * team.processes, team)
    small, players = torch.zeros(6), trainer.raw.players().values()

    def exchanged() -> None:
        for parameters in players:
            team.average(parameters)

    return {
        "apart": slowest(apart),
        "together": timed(stepping(trainer)),
        "small": timed(lambda: dist.all_reduce(small)),
        "large": timed(exchanged),
        "bytes": 4.0 * sum(p.numel() for parameters in players for p in parameters),
    }


def started(name: str, images: int, workers: int) -> dict[str, float]:
    """The measurements of real processes on this machine."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "measured.json"
        launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(workers)]
        command = [*launch, __file__, f"{name}={images}", "--worker", str(out)]
        subprocess.run(command, check=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
        found: dict[str, float] = json.loads(out.read_text())
        return found


def checked(name: str, images: int, numbers: Sequence[int]) -> None:
    """Print steps of real processes beside the prediction. The link is that between two processes."""
    link: Link | None = None
    print(f"\n{name}, {images} images a worker and step: seconds of a step, on {processor()}")
    print(f"{'processes':>10}{'no exchange':>14}{'together':>10}{'predicted':>11}{'off by':>8}")
    for workers in numbers:
        found = started(name, images, workers)
        latency = found["small"] / (2 * (workers - 1))
        link = link or Link(found["bytes"] / max(found["large"] - found["small"], 1e-6), latency)
        exchange = link.all_reduce(int(found["bytes"]), workers)
        predicted = found["apart"] + exchange
        off = predicted / found["together"] - 1
        print(f"{workers:>10}{found['apart']:>14.3f}{found['together']:>10.3f}{predicted:>11.3f}{off:>+8.0%}")
    print(f"The link between two processes here: {link.bandwidth / GIGABIT:.1f} Gbit/s." if link else "")


def table(name: str, step: Step, images: int) -> None:
    """Print the predicted efficiency of a preset."""
    seconds, size = step.seconds(images, 1, LINKS["25 Gbit/s"]), sum(step.exchanges)
    print(
        f"\n{name}: {seconds:.2f} s for {images} images, of these {step.fixed:.2f} s in any case; {size / 1e6:.0f} MB"
    )
    print(f"{'workers':30}" + "".join(f"{n:>8}" for n in WORKERS) + f"{'90 % at 8 up to':>20}")
    for title, link in LINKS.items():
        growing = (f"{step.growing(images, n, link):>8.0%}" for n in WORKERS)
        most = f"{fastest(step, images, 8, link):,.1f} × this speed"
        print(f"{f'{title}, {images} images each':30}" + "".join(growing) + f"{most:>20}")
    for title, link in LINKS.items():
        dividing = (f"{step.dividing(images, n, link):>8.0%}" if images >= n else f"{'–':>8}" for n in WORKERS)
        print(f"{f'{title}, {images} images in all':30}" + "".join(dividing))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("presets", nargs="*", default=["faces-gan", "faces-flow-large=4"])
    parser.add_argument("--check", type=int, nargs="+", default=(), metavar="N", help="numbers of real processes")
    parser.add_argument("--speed", type=float, default=1.0)
    parser.add_argument("--worker", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    torch.set_num_threads(1)
    for asked in args.presets:
        name, _, number = asked.partition("=")
        batch = TrainingConfig().batch if "batch" not in preset(name) else preset(name)["batch"]
        images = int(number or batch)
        if args.worker:
            found = working(name, images)
            if os.environ["RANK"] == "0":
                args.worker.write_text(json.dumps(found))
            leave()
        elif args.check:
            checked(name, images, args.check)
        else:
            table(name, measured(name, images).faster(args.speed), batch)


if __name__ == "__main__":
    main()
