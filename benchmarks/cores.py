"""Cores: images a second in training on one thread and on all, timed in turns, and the most that processes could give.

    python benchmarks/cores.py digits=../shared/data/mnist faces-gan=../shared/data/celeba10k64 --precision bf16

A preset is measured on the built-in digits, or on the data behind `=`. A step of half the batch on one thread says
which share of a step does not depend on the batch: kernels of the weights, the optimiser, orders from Python. Of n
processes that divide a batch, each would repeat that share, so they are at most 1 / (share + (1 − share) / n) as fast.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import torch

from condgen.data import Splits, load
from condgen.models import build
from condgen.presets import preset
from condgen.runs.arguments import split_arguments
from condgen.training import Trainer, TrainingConfig
from condgen.training.arithmetic import Arithmetic

ROUNDS = 5


class Steps:
    """Training steps of a preset, of which one more is timed at every call."""

    def __init__(self, name: str, data: Splits, how: Arithmetic, parts: int = 1):
        arguments = preset(name)
        family = arguments.pop("model")
        of_model, of_training = split_arguments(family, arguments, data)
        batch = of_training["batch"] // parts
        settings = TrainingConfig(**{**of_training, "batch": batch, "images": 10**6, "seconds": None})
        torch.manual_seed(0)
        model = build(family, data.schema, data.shape, **of_model)
        self.how = how
        self.batch = batch
        self.trainer = Trainer(model, data, Path(tempfile.gettempdir()), settings, arithmetic=how)
        with closing(self.trainer.batches()) as batches:
            self.given = next(batches)

    def __call__(self) -> float:
        """The seconds of a step."""
        with self.how.in_use():
            start = time.perf_counter()
            self.trainer.step(*self.given)
            return time.perf_counter() - start


def least(*steps: Steps) -> Iterator[float]:
    """The seconds of the quickest step of each, timed in turns after a first round that is not counted."""
    rounds = [[each() for each in steps] for _ in range(ROUNDS + 1)]
    return map(min, zip(*rounds[1:], strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("presets", nargs="*", default=["demo", "digits-projection", "digits-flow"])
    parser.add_argument("--precision", choices=("float32", "bf16"), default="float32")
    parser.add_argument("--cores", type=int, default=os.cpu_count() or 1)
    args = parser.parse_args()
    one, n = Arithmetic(args.precision, 1), args.cores
    titles = ("1 thread", f"{n} threads", "ratio", "fixed share", f"{n} processes")
    print(f"{args.precision:20}" + "".join(f"{title:>14}" for title in titles))
    for each in args.presets:
        name, _, address = each.partition("=")
        values = measured(name, load(address or "digits"), one, n)
        print(f"{name:20}" + "".join(f"{value:>14}" for value in values))


def measured(name: str, data: Splits, one: Arithmetic, n: int) -> Sequence[str]:
    """The line of a preset: images a second on one thread and on n, their ratio, the fixed share, its consequence."""
    alone = Steps(name, data, one)
    single, smaller, whole = least(alone, Steps(name, data, one, 2), Steps(name, data, replace(one, threads=n)))
    share = min(max(2 * smaller / single - 1, 0.0), 1.0)
    most = 1 / (share + (1 - share) / n)
    rates = (f"{alone.batch / single:,.0f}", f"{alone.batch / whole:,.0f}")
    return (*rates, f"{single / whole:.2f}", f"{share:.0%}", f"at most {most:.2f}")


if __name__ == "__main__":
    main()
