"""Samples a second: drawn, and written as PNG with their table and grid, to a disk and into memory.

    python benchmarks/writing.py ../shared/data/mnist
    python benchmarks/writing.py ../shared/data/mnist --run my-run --threads 1

Without `--run`, a preset is trained for a moment: speed does not depend on the quality of what is drawn. Each round
draws and writes to every place in turn, so that other work on the machine harms all alike, and the table has the best
round. Folders are removed in the end only: for minutes, ext4 makes new files twenty times as slowly where thousands
have just been removed.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from condgen.data import load
from condgen.presets import preset
from condgen.runs.arguments import overridden
from condgen.runs.generator import save_answers
from condgen.runs.run import Run
from condgen.runs.train import train

MEMORY = Path("/dev/shm")


def places(given: list[Path]) -> dict[str, Path]:
    """The folders to write below: those that are given, or this system's disk and memory."""
    system = {"disk": Path("/var/tmp"), "memory": MEMORY}
    return {str(place): place for place in given} or {name: path for name, path in system.items() if path.exists()}


@contextmanager
def opened(data: str, name: str, run: Path | None) -> Iterator[Run]:
    """A run, or a new one of a preset that has hardly learned."""
    if run is not None:
        yield Run.open(run)
        return
    with TemporaryDirectory() as folder:
        recipe, _ = overridden(preset(name), {"images": 5000, "previews": 0})
        recipe.pop("seconds", None)
        train(recipe.pop("model"), load(data), Path(folder) / "run", **recipe)
        yield Run.open(Path(folder) / "run")


@dataclass(frozen=True)
class Round:
    """A round's wall time and processor time for a sample, in seconds."""

    wall: float
    processor: float


def timed(call: Callable[[], object], n: int) -> Round:
    """The time that a call takes for each of n samples."""
    wall, processor = time.perf_counter(), time.process_time()
    call()
    return Round((time.perf_counter() - wall) / n, (time.process_time() - processor) / n)


def rounds(run: Run, where: dict[str, Path], n: int, repeat: int) -> dict[str, list[Round]]:
    """The times of drawing, and of drawing and writing to each place."""
    asked = run.requests()

    def draw() -> None:
        for _ in run.stream(asked, n):
            pass

    draw()
    found: dict[str, list[Round]] = {"drawn": [], **{f"written, {name}": [] for name in where}}
    with ExitStack() as stack:
        folders = {name: Path(stack.enter_context(TemporaryDirectory(dir=path))) for name, path in where.items()}
        for k in range(repeat):
            found["drawn"].append(timed(draw, n))
            for name, folder in folders.items():
                write = partial(save_answers, run, asked, n, 0, folder / str(k))
                found[f"written, {name}"].append(timed(write, n))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="?", default="digits")
    parser.add_argument("--preset", default="digits")
    parser.add_argument("--run", type=Path, default=None)
    parser.add_argument("--to", type=Path, action="append", default=[], help="a folder to write below")
    parser.add_argument("-n", type=int, default=10_000)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    with opened(args.data, args.preset, args.run) as run:
        found = rounds(run, places(args.to), args.n, args.repeat)
    print(f"{args.n:,} samples of shape {run.shape}, {args.threads} threads, best of {args.repeat}")
    print("\n| | samples/s | of drawn | processor time each |\n|---|---:|---:|---:|")
    drawn = min(each.wall for each in found["drawn"])
    for name, each in found.items():
        wall, processor = min(r.wall for r in each), min(r.processor for r in each)
        print(f"| {name} | {1 / wall:,.0f} | {drawn / wall:.2f} | {processor * 1e6:,.0f} µs |")


if __name__ == "__main__":
    main()
