"""What unlabelled data is worth: digits of which 5 % have labels, with and without the rest.

Obedience by a judge that was trained on all labels, and usefulness: the accuracy on real test images of a judge that
was trained on samples alone, which copies of a few images do not make good. Mean ± standard deviation over seeds. The
models know free attributes (learned embeddings with a null), so an unlabelled image is one whose digit is free. Both
arms see equally many images.

    python benchmarks/unlabelled.py --seeds 5
    python benchmarks/unlabelled.py --models flow --seeds 2 --images 100000
"""

import argparse
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from cells import Cell, kept, table

from condgen import Run, load
from condgen.data import Dataset, Splits, as_uint8
from condgen.evaluation.judge.judge import Judge, judge_for, train_judge
from condgen.models import build
from condgen.runs.arguments import split_arguments
from condgen.training import Trainer, TrainingConfig

SHARE = 0.05
MODELS: dict[str, dict[str, Any]] = {
    "cvae": {"likelihood": "gaussian", "embedding": 32, "condition_dropout": 0.1},
    "flow": {"channels": 32, "depth": 1, "embedding": 32, "steps": 8},
}


def few_labels(data: Splits, seed: int, keep_rest: bool) -> Splits:
    """The same data with the labels of 5 % of the training images alone; the others without labels, or left out."""
    chosen = torch.randperm(len(data.train), generator=torch.Generator().manual_seed(seed)) < SHARE * len(data.train)
    part = data.train
    hidden = Dataset(part.x, part.condition.drop(~chosen[:, None].expand_as(part.condition.present)))
    return replace(data, train=hidden if keep_rest else hidden[chosen.nonzero()[:, 0]])


def trained(model: str, data: Splits, folder: Path, images: int, seed: int) -> Run:
    """A run trained on all that it is given: `condgen.train` would leave out the rows that harm a family."""
    settings = {"images": images, "seed": seed, "previews": 0, **MODELS[model]}
    for_model, for_training = split_arguments(model, settings)
    torch.manual_seed(seed)
    Trainer(build(model, data.schema, data.shape, **for_model), data, folder, TrainingConfig(**for_training)).run()
    return Run.open(folder)


def measure(model: str, data: Splits, judge: Judge, folder: Path, images: int, seed: int) -> Cell:
    samples = trained(model, data, folder, images, seed).sample("digit=*", n=200, seed=10_000 * seed)
    learned = train_judge(as_uint8(samples.x), samples.condition, images=60_000, seed=seed)
    test = data.test
    return {
        "obedience": 100 * judge.agreement(samples.x, samples.condition)["digit"],
        "usefulness": 100 * learned.agreement(test.x, test.condition)["digit"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--models", default=",".join(MODELS))
    parser.add_argument("--images", type=int, default=200_000)
    parser.add_argument("--out", type=Path, default=Path("out/unlabelled"))
    options = parser.parse_args()
    data = load("digits")
    judge = judge_for(data)
    rows: dict[str, list[Cell]] = {}
    for model in options.models.split(","):
        for label, keep_rest in ((f"{SHARE:.0%} labelled alone", False), ("with the unlabelled rest", True)):
            for seed in range(options.seeds):
                name = f"{model}-{'rest' if keep_rest else 'alone'}-{options.images}-{seed}"
                few = few_labels(data, seed, keep_rest)
                work = partial(measure, model, few, judge, options.out / name, options.images, seed)
                rows.setdefault(f"{model}, {label}", []).append(kept(options.out / f"{name}.json", work))
    table("training data", {"obedience %": ("obedience", ".2f"), "usefulness %": ("usefulness", ".2f")}, rows)


if __name__ == "__main__":
    main()
