"""One row's trial, in a process of its own: the data goes in as a file, samples and figures come out as files."""

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .environment import last_words

INSIDE = Path(__file__).with_name("inside.py")
GRACE = 20  # times training and sampling after which a process is ended


class Failed(Exception):  # noqa: N818  (a peer that fails is a row of the table)
    """A trial ended without samples. The text says why."""


@dataclass(frozen=True)
class Plan:
    """The terms of a trial, alike for all rows.

    seconds: for training.
    sampling: most seconds for sampling.
    threads: of every process. None leaves that to PyTorch.
    processor: count processor time, not the clock on the wall: for one thread of a machine with other work.
    """

    seconds: float
    sampling: float
    seed: int = 0
    threads: int | None = None
    processor: bool = False


@dataclass(frozen=True)
class Outcome:
    """The samples of a trial, uint8 [n, channel, height, width], and what it took."""

    samples: NDArray[np.uint8]
    figures: Mapping[str, Any]


def written(folder: Path, images: NDArray[np.uint8], labels: NDArray[np.int64], asked: NDArray[np.int64]) -> Path:
    """A file with what every trial is given. Images: [n, channel, height, width]. Labels: [n], or flags [n, flag]."""
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(folder / "data.npz", images=images, labels=labels, asked=asked)
    return folder / "data.npz"


def tried(python: Path, adapter: Path, settings: Mapping[str, str], data: Path, folder: Path, plan: Plan) -> Outcome:
    """Run an adapter in a peer's Python, and read what it wrote into the folder. Raises Failed."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "data.npz").symlink_to(data.resolve())
    given = json.dumps({**asdict(plan), "settings": dict(settings)})
    command = [str(python), "-P", str(INSIDE), str(adapter), str(folder.resolve()), given]
    threads = {"OMP_NUM_THREADS": str(plan.threads)} if plan.threads else {}
    log = folder / "log.txt"
    with log.open("w") as file:
        try:
            done = subprocess.run(
                command,
                stdout=file,
                stderr=subprocess.STDOUT,
                env={**os.environ, **threads},
                timeout=GRACE * (plan.seconds + plan.sampling),
            )
        except subprocess.TimeoutExpired:
            raise Failed(f"it did not end in {GRACE} times its time") from None
    if done.returncode:
        raise Failed(last_words(log.read_text(errors="replace")))
    return Outcome(np.load(folder / "samples.npy"), json.loads((folder / "figures.json").read_text()))
