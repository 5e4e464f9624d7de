"""One trial of one adapter, in the peer's environment: trains, samples, writes samples and figures. Needs PyTorch only.

    python -P inside.py ADAPTER FOLDER '{"seconds": 120, "sampling": 30, "seed": 0, "processor": false, "settings": {}}'

FOLDER holds `data.npz` (images and labels to train on, the labels to ask for). `samples.npy` and `figures.json` are
written into it.
"""

import importlib.util
import json
import resource
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor

FIRST, MOST = 8, 256  # sizes of batches of samples: they double while a batch takes little time


class Over(Exception):  # noqa: N818  (the end of the time is no error)
    """The time for training is over."""


class Clock:
    """The time for training, and the images seen in it.

    seconds: that remain when it is made.
    """

    Over = Over

    def __init__(self, seconds: float):
        self.images = 0
        self._end = time.perf_counter() + seconds

    @property
    def left(self) -> float:
        """Seconds that remain."""
        return self._end - time.perf_counter()

    def count(self, images: int) -> None:
        """Count images that were trained on. Raises Over at the end of the time."""
        self.images += images
        if self.left <= 0:
            raise Over

    def batches(self, images: Tensor, labels: Tensor, size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Shuffled batches, images in [0, 1], until the time is over. Asking for the next one counts the last."""
        while True:
            for rows in torch.randperm(len(images)).split(size):
                yield images[rows].float() / 255, labels[rows]
                try:
                    self.count(len(rows))
                except Over:
                    return


def sampled(sample: Callable[[Tensor], Tensor], labels: Tensor, seconds: float) -> tuple[Tensor, float]:
    """Samples of labels in order, as many as the time allows, and how many come in a second after the first batch."""
    parts: list[Tensor] = []
    took: list[float] = []
    size, done = FIRST, 0
    while done < len(labels):
        began = time.perf_counter()
        parts.append(sample(labels[done : done + size]).detach().clamp(0, 1).mul(255).round().byte().cpu())
        took.append(time.perf_counter() - began)
        done += len(parts[-1])
        larger = min(2 * size, MOST)
        if took[-1] * larger / size > seconds / 10:
            larger = size
        if sum(took) + took[-1] * larger / size > seconds:
            break
        size = larger
    warm = slice(1, None) if len(took) > 1 else slice(None)
    return torch.cat(parts), sum(map(len, parts[warm])) / sum(took[warm])


def trial(adapter: ModuleType, folder: Path, plan: dict[str, Any]) -> None:
    """Train for the plan's seconds, sample for its seconds of sampling at most, and write what came of it."""
    data = np.load(folder / "data.npz")
    images, labels, asked = (torch.from_numpy(data[name]) for name in ("images", "labels", "asked"))
    torch.manual_seed(plan["seed"])
    np.random.seed(plan["seed"])
    clock, began = Clock(plan["seconds"]), time.perf_counter()
    model = adapter.train(images, labels, clock, **plan["settings"])
    seconds = time.perf_counter() - began
    with torch.no_grad():
        samples, rate = sampled(lambda part: adapter.sample(model, part), asked, plan["sampling"])
    np.save(folder / "samples.npy", samples.numpy())
    figures = {
        "images": clock.images,
        "seconds": seconds,
        "samples": len(samples),
        "rate": rate,
        "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
    }
    (folder / "figures.json").write_text(json.dumps(figures))


def loaded(path: Path) -> ModuleType:
    """The module in a file, under a name that hides no package.

    PyPI's torchvision is built for CUDA, so beside PyTorch for the CPU its operators are missing, and it cannot even be
    imported. No peer uses them: the two it asks for are named, and the import then succeeds.
    """
    try:
        return _executed(path)
    except RuntimeError as error:
        if "torchvision::nms" not in str(error):
            raise
    for name in ("nms", "qnms"):
        torch.library.define(f"torchvision::{name}", "(Tensor boxes) -> Tensor")
    return _executed(path)


def _executed(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("adapter", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def count_processor_time() -> None:
    """From now on every clock of this process, its libraries' too, shows the processor time that it used.

    On one thread of a machine with other work, or one that is paused, that is the time of a core that it has to itself.
    """
    time.perf_counter = time.monotonic = time.process_time


if __name__ == "__main__":
    terms = json.loads(sys.argv[3])
    if terms["processor"]:
        count_processor_time()
    trial(loaded(Path(sys.argv[1])), Path(sys.argv[2]), terms)
