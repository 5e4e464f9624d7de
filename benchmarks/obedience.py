"""Obedience of the CVAE for every mechanism and prior, over several seeds, as one table.

    python benchmarks/obedience.py ../shared/data/mnist --budget 3m --out runs/obedience

Each cell trains as `condgen train --model cvae --mechanism M --prior P --budget B --seed S` does, samples every value
of the first attribute 500 times, and asks a judge trained on real data only. Beside obedience stands how varied the
samples of one value are, relative to real images. Finished cells are kept: the command can be interrupted and repeated.
"""

import argparse
import shutil
from itertools import product
from pathlib import Path

import torch
from cells import Cell, kept, table
from torch import Tensor

from condgen.data import Splits, load
from condgen.evaluation import Judge, judge_for, spread_within
from condgen.evaluation.metrics.feature_sets import features
from condgen.runs.run import Run
from condgen.runs.train import train
from condgen.units import parse_duration

COLUMNS = {
    "obedience": ("obedience", ".2%"),
    "diversity (real = 1)": ("diversity", ".2f"),
    "images seen": ("images", ",.0f"),
}


def trained(data: Splits, folder: Path, mechanism: str, prior: str, seed: int, budget: str) -> Run:
    shutil.rmtree(folder, ignore_errors=True)
    seconds = parse_duration(budget)
    return train("cvae", data, folder, mechanism=mechanism, prior=prior, seconds=seconds, seed=seed, previews=0)


def measured(run: Run, judge: Judge, data: Splits, n: int = 500) -> Cell:
    name = run.schema.names[0]
    samples = run.sample({name: "*"}, n=n)

    def spread(x: Tensor, codes: Tensor) -> float:
        return spread_within(features(judge, x), codes)

    real = spread(data.test.floats, data.test.condition.values[name])
    return {
        "obedience": judge.agreement(samples.x, samples.condition)[name],
        "diversity": spread(samples.x, samples.condition.values[name]) / real,
        "images": run.info.images,
        "seconds": run.info.seconds,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="?", default="digits")
    parser.add_argument("--budget", default="3m")
    parser.add_argument("--mechanisms", default="concat,film,norm,modulate")
    parser.add_argument("--priors", default="standard,gaussian")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("runs/obedience"))
    args = parser.parse_args()
    data = load(args.data)
    judge = judge_for(data)
    pairs = list(product(args.mechanisms.split(","), args.priors.split(",")))
    rows: dict[str, list[Cell]] = {f"{mechanism}, {prior}": [] for mechanism, prior in pairs}

    def cell(folder: Path, mechanism: str, prior: str, seed: int) -> Cell:
        return measured(trained(data, folder, mechanism, prior, seed, args.budget), judge, data)

    for seed, (mechanism, prior) in product(range(args.seeds), pairs):
        folder = args.out / f"{mechanism}-{prior}-{seed}"
        found = kept(folder.with_suffix(".json"), lambda f=folder, m=mechanism, p=prior, s=seed: cell(f, m, p, s))  # type: ignore[misc]
        rows[f"{mechanism}, {prior}"].append(found)
    accuracy = judge.agreement(data.test.floats, data.test.condition)[data.schema.names[0]]
    print(f"\nJudge on held-out real data: {accuracy:.2%}. Budget {args.budget}, {torch.get_num_threads()} threads.")
    table("mechanism, prior", COLUMNS, rows)


if __name__ == "__main__":
    main()
