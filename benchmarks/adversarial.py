"""Adversarial presets on images of one attribute: obedience, fidelity and diversity, over several seeds.

    python benchmarks/adversarial.py ../shared/data/mnist --budget 5m --out runs/adversarial

Each cell trains as `condgen train --preset P --budget B --seed S` does, samples the test set's own labels, and asks a
judge trained on real data only. The Fréchet distance is on the judge's features, relative to that of as many real
training images: the floor. With `--limit 2000` and perhaps `--augment translation,cutout` it is about few images; judge
and floor still come from all of them. Finished cells are kept: the command can be interrupted and repeated.
"""

import argparse
import time
from dataclasses import replace
from itertools import product
from pathlib import Path

import torch
from cells import Cell, kept, table, trained

from condgen.data import Dataset, Splits, load
from condgen.evaluation import Judge, judge_for
from condgen.evaluation.metrics.feature_sets import fidelity_in_judge_features
from condgen.rng import Rng
from condgen.runs.run import Run
from condgen.runs.samples import Samples

COLUMNS = {
    "obedience": ("obedience", ".2%"),
    "Fréchet / floor": ("ratio", ".2f"),
    "precision": ("precision", ".3f"),
    "recall": ("recall", ".3f"),
    "diversity (real = 1)": ("diversity", ".2f"),
    "images seen": ("images", ",.0f"),
    "samples/s": ("rate", ",.0f"),
}


def sampled_like(run: Run, test: Dataset, batch: int = 500) -> tuple[Samples, float]:
    """One sample per test image, under its own condition, and how many came per second."""
    seeds = torch.arange(len(test))
    parts, started = [], time.perf_counter()
    for part in seeds.split(batch):
        with torch.inference_mode():
            parts.append(run.model.sample(test.condition[part].to(run.model.device), Rng(part.tolist())).cpu())
    rate = len(test) / (time.perf_counter() - started)
    return Samples(torch.cat(parts), test.condition, seeds, torch.zeros_like(seeds)), rate


def quality(judge: Judge, samples: Samples, train: Dataset, test: Dataset) -> Cell:
    """Fidelity and diversity in the judge's features; conditions are the values of the first attribute."""
    name = test.schema.names[0]
    asked = replace(samples, condition=samples.condition.select([name]))
    found = fidelity_in_judge_features(
        judge, asked, *(replace(part, condition=part.condition.select([name])) for part in (train, test))
    )
    distance, nearest = found.overall.frechet.value, found.floor.frechet.value
    return {
        "ratio": distance / nearest,
        "frechet": distance,
        "floor": nearest,
        "precision": found.overall.precision.value,
        "recall": found.overall.recall.value,
        "diversity": found.overall.diversity,
    }


def measured(run: Run, judge: Judge, data: Splits) -> Cell:
    attribute = run.schema.names[0]
    samples, rate = sampled_like(run, data.test)
    return {
        "obedience": judge.agreement(samples.x, samples.condition)[attribute],
        **quality(judge, samples, data.train, data.test),
        "images": run.info.images,
        "seconds": run.info.seconds,
        "rate": rate,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="?", default="digits")
    parser.add_argument("--presets", default="digits-cgan,digits-acgan,digits-projection")
    parser.add_argument("--budget", default=None)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--limit", type=int, default=None, help="train on this many images only")
    parser.add_argument("--augment", default="", help="differentiable augmentations, as in translation,cutout")
    parser.add_argument("--out", type=Path, default=Path("runs/adversarial"))
    args = parser.parse_args()
    data = load(args.data)
    judge = judge_for(data)
    few = replace(data, train=data.train[: args.limit])
    settings = {"augment": tuple(args.augment.split(","))} if args.augment else {}
    attribute = data.schema.names[0]
    presets = args.presets.split(",")
    rows: dict[str, list[Cell]] = {name: [] for name in presets}
    for seed, name in product(range(args.seeds), presets):
        folder = args.out / f"{name}-{seed}"
        cell = kept(
            folder.with_suffix(".json"),
            lambda n=name, s=seed, f=folder: measured(trained(few, n, f, s, args.budget, **settings), judge, data),  # type: ignore[misc]
        )
        rows[name].append(cell)
    accuracy = judge.agreement(data.test.floats, data.test.condition)[attribute]
    print(f"\nJudge on held-out real data: {accuracy:.2%}. {torch.get_num_threads()} threads, {args.seeds} seeds.")
    table("preset", COLUMNS, rows)


if __name__ == "__main__":
    main()
