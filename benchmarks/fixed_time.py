"""Quality after the same time of computing on one core, with the code of an earlier commit and with this one.

    python benchmarks/before.py --before ../before digits=../shared/data/mnist cars-gan=../shared/data/cars64
    python benchmarks/fixed_time.py --before ../before --seconds 60 digits=../shared/data/mnist \\
        cars-gan=../shared/data/cars64:color,body

The first command measures images a second of both. Each then trains, in float32 before and in the quicker precision
after, on the images that it computes in that time. One judge, of this commit, reads the samples of both. Finished cells
are kept.
"""

import argparse
import json
import os
import subprocess
import sys
from functools import partial
from itertools import product
from pathlib import Path

import torch
from cells import Cell, kept, table, trained

from condgen.data import Splits, load

COLUMNS = {
    "as asked": ("obedience", ".1%"),
    "Fréchet / floor": ("ratio", ".2f"),
    "recall": ("recall", ".2f"),
    "images seen": ("images", ",.0f"),
}
JUDGE = 30_000  # images that the judge learns from
SAMPLES = 1_000


def budget(rates: Path, preset: str, when: str, seconds: float) -> tuple[str, int]:
    """The precision in which a commit trains, and the images that it computes in this time."""
    row = json.loads((rates / f"{preset}-1.json").read_text(encoding="utf-8"))
    ways = ("float32",) if when == "before" else ("float32", "bf16")
    precision = max(ways, key=lambda way: row[f"{when} {way}"])
    return precision, round(row[f"{when} {precision}"] * seconds)


def train_with(source: Path, address: str, preset: str, folder: Path, seed: int, precision: str, images: int) -> None:
    """Train a preset with the code of a commit, in a process of its own."""
    paths = os.pathsep.join(str(source.absolute() / name) for name in ("src", "benchmarks"))
    order = [__file__, "--worker", address, preset, str(folder), str(seed), precision, str(images)]
    environment = {**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1", "PYTHONSAFEPATH": "1"}
    subprocess.run([sys.executable, *order], env=environment, check=True)


def loaded(address: str) -> Splits:
    """The data behind a path, perhaps with some of its attributes only."""
    path, _, names = address.partition(":")
    return load(path, attributes=names.split(",") if names else None)


def work(address: str, preset: str, folder: str, seed: str, precision: str, images: str) -> None:
    """Train in this process."""
    settings = {"precision": precision, "images": int(images), "seconds": None, "previews": 0}
    trained(loaded(address), preset, Path(folder), int(seed), None, **settings)


def cell(source: Path, address: str, preset: str, folder: Path, seed: int, precision: str, images: int) -> Cell:
    """The judge's figures of a run."""
    train_with(source, address, preset, folder, seed, precision, images)
    from peers.judging import judged

    from condgen.evaluation import judge_for
    from condgen.evaluation.subject import EvaluatedRun
    from condgen.runs.run import Run

    data = loaded(address)
    n = min(len(data.test), SAMPLES)
    made = EvaluatedRun(Run.open(folder), data).answer(data.test[:n].condition, torch.arange(n))
    return {**judged(judge_for(data, images=JUDGE), made.x.numpy(), data), "images": images}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("presets", nargs="*", help="PRESET=DATA or PRESET=DATA:ATTRIBUTE,ATTRIBUTE")
    parser.add_argument("--before", type=Path, help="a worktree of the earlier commit")
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--rates", type=Path, default=Path("runs/before"), help="rows of before.py")
    parser.add_argument("--out", type=Path, default=Path("runs/fixed-time"))
    parser.add_argument("--worker", nargs=6, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.worker:
        work(*args.worker)
        return
    sources = {"before": args.before, "after": Path(__file__).parents[1]}
    rows: dict[str, list[Cell]] = {}
    for seed, each, when in product(range(args.seeds), args.presets, sources):
        preset, _, address = each.partition("=")
        precision, images = budget(args.rates, preset, when, args.seconds)
        folder = (args.out / f"{preset}-{when}-{seed}").absolute()
        measure = partial(cell, sources[when], address, preset, folder, seed, precision, images)
        rows.setdefault(f"`{preset}`, {when}, {precision}", []).append(kept(folder.with_suffix(".json"), measure))
    table("preset", COLUMNS, dict(sorted(rows.items())))


if __name__ == "__main__":
    main()
