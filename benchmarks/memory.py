"""Memory: the peak of training and of sampling, beside the model's own size and the estimate by which runs are refused.

    python benchmarks/memory.py digits-flow faces=../shared/data/celeba10k64 --batch 64

A preset is measured on the built-in digits, or on the data behind `=`. Each measurement is a process of its own: a few
training steps, plain and with `checkpointing`, and one batch of samples. Peaks are those above the memory before the
model was built, and of the GPU where there is one.
"""

import argparse
import resource
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from multiprocessing import get_context
from pathlib import Path

import psutil
import torch

from condgen.data import load
from condgen.models import Model, build
from condgen.presets import preset
from condgen.rng import Rng
from condgen.runs.arguments import split_arguments
from condgen.runs.costs import bytes_to_train
from condgen.runs.opening import best_device
from condgen.runs.sampling import BATCH
from condgen.schema import LabelDistribution
from condgen.training import Trainer, TrainingConfig

STEPS = 3
UNIT = 1 if sys.platform == "darwin" else 1024  # bytes in one of `ru_maxrss`


def peak() -> int:
    """The largest number of bytes that this process has had, on the GPU where there is one."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * UNIT


def measured(name: str, address: str, batch: int | None, sampling: bool, checkpointing: bool) -> tuple[int, int, float]:
    """Bytes of the weights, the peak above those before the model was built, and the estimate."""
    data = load(address)
    arguments = preset(name)
    family = arguments.pop("model")
    of_model, of_training = split_arguments(family, arguments, data)
    of_training |= {"images": 10**6, "seconds": None, "checkpointing": checkpointing}
    settings = TrainingConfig(**of_training | ({"batch": batch} if batch else {}))
    before = 0 if torch.cuda.is_available() else psutil.Process().memory_info().rss
    model = build(family, data.schema, data.shape, **of_model)
    joint = LabelDistribution.of(data.train.condition)
    weights = 4 * sum(p.numel() for p in model.parameters())
    if sampling:
        _sample(model, joint)
        return weights, peak() - before, 0.0
    _train(Trainer(model, data, Path(tempfile.gettempdir()), settings))
    return weights, peak() - before, bytes_to_train(model, data, settings.batch, checkpointing)


def _train(trainer: Trainer) -> None:
    with closing(trainer.batches()) as batches:
        for _ in range(STEPS):
            trainer.step(*next(batches))


@torch.inference_mode()
def _sample(model: Model, joint: LabelDistribution) -> None:
    model = model.to(best_device()).eval()
    condition = model.joint(joint).draw({}, Rng(range(BATCH))).to(model.device)
    model.sample(condition, Rng(range(BATCH)))


def apart(measure: Callable[..., tuple[int, int, float]], *arguments: object) -> tuple[int, int, float]:
    """A measurement in a process of its own, whose peak is that of this work alone."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(measure, *arguments).result()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("presets", nargs="*", default=["demo", "digits-flow", "digits-projection"])
    parser.add_argument("--batch", type=int)
    args = parser.parse_args()
    print(
        f"{'MB':20}{'weights':>9}{'training':>10}{'estimate':>10}{'checkpointing':>15}{'estimate':>10}{'sampling':>10}"
    )
    for each in args.presets:
        name, _, address = each.partition("=")
        weights, plain, guess = apart(measured, name, address or "digits", args.batch, False, False)
        _, less, lower = apart(measured, name, address or "digits", args.batch, False, True)
        _, sampling, _ = apart(measured, name, address or "digits", args.batch, True, False)
        mb = [f"{value / 1e6:,.0f}" for value in (weights, plain, guess, less, lower, sampling)]
        print(f"{name:20}{mb[0]:>9}{mb[1]:>10}{mb[2]:>10}{mb[3]:>15}{mb[4]:>10}{mb[5]:>10}")


if __name__ == "__main__":
    main()
