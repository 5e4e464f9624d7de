"""Scaling: the efficiency of training and generation over many workers, from steps measured on this machine.

    python benchmarks/scaling.py faces-gan faces-flow-large=4
    python benchmarks/scaling.py faces-gan=16 --check 2 4
    python benchmarks/scaling.py --generate RUN --check 1 2 4
    python benchmarks/scaling.py faces-gan --speed 50

A preset's step is measured with its own number of images, or with as many as stand behind `=`. Workers and links are
simulated: gradients go round a ring (Patarasuk & Yuan 2009), in buckets, each as soon as the backward pass has computed
it and the link is free. What is still on its way at the end of the backward pass is waited for.

Times are those of computing on one thread in float32, so other work beside it matters little. `--speed` is the number
of times that a worker is as fast as this machine, for one that is not at hand. `--check` starts real processes here and
puts their steps, or with `--generate` the samples that they write, beside the prediction.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import astuple, dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any, ClassVar

import torch
import torch.distributed as dist
from steps import DIGITS, PHOTOGRAPHS

from condgen.bulk.job import Job
from condgen.bulk.plan import Plan
from condgen.data import Dataset, Splits
from condgen.imprint import Origin
from condgen.models import build
from condgen.presets import preset
from condgen.runs.addresses import open_generator
from condgen.runs.arguments import split_arguments
from condgen.runs.costs import bytes_to_train
from condgen.runs.generator import name_of
from condgen.runs.sampling import SamplingOptions
from condgen.schema import Condition
from condgen.stores import folder_at
from condgen.stores.folder import write
from condgen.training import Trainer, TrainingConfig
from condgen.training.arithmetic import Arithmetic
from condgen.training.exchange import EACH, buckets
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
class Gradient:
    """The gradient of a parameter.

    size: in bytes.
    left: seconds of computing that follow in its backward pass when it is there, as a share of the step's.
    """

    size: int
    left: float = 0.0


def waited(gradients: Sequence[Gradient], step: float, workers: int, link: Link) -> float:
    """Seconds from the end of a backward pass until all gradients are there. step: seconds of the step's computing."""
    free = -step
    for part in buckets([each.size for each in gradients], EACH * workers):
        full = -step * min(gradients[k].left for k in part)
        free = max(free, full) + link.all_reduce(sum(gradients[k].size for k in part), workers)
    return max(free, 0.0)


@dataclass(frozen=True)
class Step:
    """A worker's training step.

    image, fixed: seconds for each of its images, and for what does not depend on them.
    drawn: seconds for each image of the whole batch, whose random numbers every worker draws.
    players: the gradients of each player's update, in the order of its parameters.
    copied: seconds to lay a step's gradients side by side before they are exchanged.
    """

    image: float
    fixed: float
    drawn: float
    players: tuple[tuple[Gradient, ...], ...]
    copied: float = 0.0

    def seconds(self, images: float, workers: int, link: Link) -> float:
        """Seconds of a step with so many images per worker."""
        others = images * (workers - 1) * self.drawn
        alone = self.fixed + images * self.image
        if workers == 1:
            return alone
        small = link.all_reduce(24, workers)  # of the decisions that all take alike
        waits = sum(waited(gradients, alone, workers, link) for gradients in self.players)
        return alone + others + self.copied + waits + small

    @property
    def size(self) -> int:
        """Bytes of its gradients."""
        return sum(each.size for gradients in self.players for each in gradients)

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


class Watched(Team):
    """A process by itself that notes when gradients are there."""

    noted: ClassVar[list[list[tuple[int, float]]]] = []  # of every update, bytes and seconds until its end

    @contextmanager
    def averaging(self, parameters: Sequence[torch.Tensor]) -> Iterator[None]:
        """See `Team`."""
        there = dict[torch.Tensor, float]()
        hooks = [
            p.register_post_accumulate_grad_hook(lambda p: there.update({p: time.process_time()})) for p in parameters
        ]
        yield
        end = time.process_time()
        for hook in hooks:
            hook.remove()
        self.noted.append([(4 * p.numel(), end - there.get(p, end)) for p in parameters])

    def players(self, number: int, step: float) -> tuple[tuple[Gradient, ...], ...]:
        """The gradients of the last step, which had so many updates and took so long."""
        return tuple(tuple(Gradient(size, left / step) for size, left in update) for update in self.noted[-number:])


def measured(name: str, images: int) -> Step:
    """A preset's step on this machine, on one thread in float32."""
    half, team = computing(stepping(trainer_of(name, max(images // 2, 1), Team()))), Watched()
    trainer = trainer_of(name, images, team)
    whole = computing(stepping(trainer))
    image = max(whole - half, 0.0) / max(images - images // 2, 1)
    players = team.players(len(trainer.raw.players()), whole)
    gradients = [p.grad.flatten() for p in trainer.raw.parameters() if p.grad is not None]
    copied = computing(lambda: torch.cat(gradients))
    return Step(image, max(whole - images * image, 0.0), drawing(name), players, copied)


def drawing(name: str) -> float:
    """Seconds to draw a training image's random numbers: those of its pixels for a flow, a few for others."""
    if preset(name)["model"] not in ("flow", "meanflow"):
        return 0.0
    _, shape = DIGITS if name.startswith("digits") else PHOTOGRAPHS
    return computing(lambda: torch.randn(64, *shape)) / 64


def working(name: str, images: int) -> dict[str, Any]:
    """In one of several processes: seconds of steps side by side, of steps together, and of exchanges."""
    team, watched = join(), Watched()
    alone = trainer_of(name, images, watched)
    apart = each(stepping(alone))
    trainer = trainer_of(name, images * team.processes, team)
    small, large = torch.zeros(6), torch.zeros(sum(p.numel() for p in trainer.raw.parameters()))
    return {
        "apart": slowest(apart),
        "players": watched.players(len(alone.raw.players()), computing(stepping(alone))),
        "together": timed(stepping(trainer)),
        "small": timed(lambda: dist.all_reduce(small)),
        "large": timed(lambda: dist.all_reduce(large)),
        "bytes": 4.0 * large.numel(),
    }


def started(name: str, images: int, workers: int) -> dict[str, Any]:
    """The measurements of real processes on this machine."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "measured.json"
        launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(workers)]
        command = [*launch, __file__, f"{name}={images}", "--worker", str(out)]
        subprocess.run(command, check=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
        found: dict[str, Any] = json.loads(out.read_text())
        return found | {"players": [[Gradient(*pair) for pair in update] for update in found["players"]]}


def checked(name: str, images: int, numbers: Sequence[int]) -> None:
    """Print steps of real processes beside the prediction. The link is that between two processes."""
    link: Link | None = None
    print(f"\n{name}, {images} images a worker and step: seconds of a step, on {processor()}")
    print(
        f"{'processes':>10}{'no exchange':>14}{'together':>10}{'predicted':>11}{'off by':>8}{'exchange at the end':>21}"
    )
    for workers in numbers:
        found = started(name, images, workers)
        latency = found["small"] / (2 * (workers - 1))
        link = link or Link(found["bytes"] / max(found["large"] - found["small"], 1e-6), latency)
        predicted = found["apart"] + sum(waited(g, found["apart"], workers, link) for g in found["players"])
        off = predicted / found["together"] - 1
        late = found["apart"] + link.all_reduce(int(found["bytes"]), workers)
        row = f"{workers:>10}{found['apart']:>14.3f}{found['together']:>10.3f}{predicted:>11.3f}"
        print(f"{row}{off:>+8.0%}{late:>21.3f}")
    print(f"The link between two processes here: {link.bandwidth / GIGABIT:.1f} Gbit/s." if link else "")


# ---- generation

SHARDS, SHARD = 3, 10_000  # made by every process, and their samples


def job_of(run: str, into: str, processes: int) -> Job:
    """Shards of a request for anything, so many that every process makes a few and one before."""
    generator = open_generator(run)
    requests = generator.requests("", False)
    plan = Plan(1, processes * (SHARDS + 1) * SHARD, 0, SHARD)
    origin = Origin([each.text for each in requests], name_of(generator), generator.fingerprint, {})
    return Job(run, generator.fingerprint, requests, plan, SamplingOptions(), origin, into, "parquet")


def making(run: str, into: str, number: int, processes: int) -> None:
    """In one of several processes: wait for the others, make shards, and print samples a second and bytes a sample."""
    make = job_of(run, into, processes).start()
    make(SHARDS * processes + number)
    print("ready", flush=True)
    sys.stdin.readline()
    start = time.perf_counter()
    size = sum(make(number + k * processes).size for k in range(SHARDS))
    print(json.dumps([SHARDS * SHARD / (time.perf_counter() - start), size / SHARDS / SHARD]))


def made(run: str, into: str, processes: int) -> tuple[float, float]:
    """Samples a second of several processes together, and bytes a sample."""
    command = [sys.executable, __file__, "--generate", run, "--into", into]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    makers: list[Any] = [
        subprocess.Popen([*command, "--worker", f"{number}/{processes}"], env=environment, **pipes)
        for number in range(processes)
    ]
    for maker in makers:
        assert maker.stdout.readline() == "ready\n", "a process has failed"
    for maker in makers:
        maker.stdin.write("go\n")
        maker.stdin.flush()
    found = [json.loads(maker.communicate()[0]) for maker in makers]
    return sum(rate for rate, _ in found), found[0][1]


def checked_generation(run: str, numbers: Sequence[int]) -> None:
    """Print the samples that real processes write into one folder beside the prediction."""
    print(f"\n{run}: samples a second that are written, on {processor()}")
    print(f"{'processes':>10}{'not written':>14}{'written':>10}{'predicted':>11}{'off by':>8}")
    for processes in numbers:
        alone, size = made(run, "memory://shards", processes)
        with tempfile.TemporaryDirectory() as folder:
            written, _ = made(run, folder, processes)
            predicted = generated(alone / processes, size, processes, storing(Path(folder)))
        print(f"{processes:>10}{alone:>14,.0f}{written:>10,.0f}{predicted:>11,.0f}{predicted / written - 1:>+8.0%}")


def storing(folder: Path) -> float:
    """Bytes a second that a folder takes, in files like shards."""
    content, number = os.urandom(SHARD * 300), iter(range(10**6))
    return len(content) / timed(lambda: write(folder_at(folder), f"{next(number)}", content))


def memory(name: str, images: int) -> tuple[float, float]:
    """Bytes of AdamW's two moments, and of all that training with so many images takes."""
    trainer = trainer_of(name, 16, Team())
    return 8.0 * sum(p.numel() for p in trainer.raw.parameters()), bytes_to_train(trainer.raw, trainer.data, images)


def table(name: str, step: Step, images: int) -> None:
    """Print the predicted efficiency of a preset."""
    seconds, (moments, whole) = step.seconds(images, 1, LINKS["25 Gbit/s"]), memory(name, images)
    print(f"\n{name}: {seconds:.2f} s for {images} images, of these {step.fixed:.2f} s in any case")
    print(
        f"{step.size / 1e6:.0f} MB of gradients, {moments / 1e6:.0f} MB of AdamW's state, {whole / 1e9:.1f} GB in all"
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
    parser.add_argument("--generate", metavar="RUN", help="check samples of this run, not training")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    parser.add_argument("--into", help=argparse.SUPPRESS)
    args = parser.parse_args()
    torch.set_num_threads(1)
    if args.generate and args.worker:
        making(args.generate, args.into, *map(int, args.worker.split("/")))
    elif args.generate:
        checked_generation(args.generate, args.check or (1, 2, 4))
    for asked in () if args.generate else args.presets:
        name, _, number = asked.partition("=")
        batch = TrainingConfig().batch if "batch" not in preset(name) else preset(name)["batch"]
        images = int(number or batch)
        if args.worker:
            found = working(name, images)
            if os.environ["RANK"] == "0":
                Path(args.worker).write_text(json.dumps(found, default=astuple))
            leave()
        elif args.check:
            checked(name, images, args.check)
        else:
            table(name, measured(name, images).faster(args.speed), batch)


if __name__ == "__main__":
    main()
