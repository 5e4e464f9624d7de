"""Measurements of earlier runs, kept in the user's cache, one readable file for a machine, a model and a batch.

Another processor, another version of PyTorch or other settings mean another file, so nothing stale is read.
"""

import json
import os
import platform
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from hashlib import blake2b
from typing import Any

import torch

from condgen.cache import cache_folder
from condgen.errors import RunError
from condgen.files import write_text
from condgen.models import Model
from condgen.training.arithmetic import Arithmetic
from condgen.training.machine import processor


@dataclass(frozen=True)
class Choice:
    """The fastest arithmetic, the seconds of a step by it and by the usual one, and those that measuring took."""

    fastest: Arithmetic
    usual: Arithmetic
    seconds: tuple[float, float]
    took: float = 0.0


def kept(
    model: Model, batch: int, usual: Arithmetic, left_open: Sequence[str], measure: Callable[[], Choice | None]
) -> Choice | None:
    """The measurement of an earlier run, or a new one, which is kept. Beside other work nothing is kept.

    Files are written whole, so several processes may do this at once.
    """
    facts = _facts(model, batch, usual, left_open)
    name = "x".join(map(str, model.shape))
    digest = blake2b(json.dumps(facts).encode(), digest_size=8).hexdigest()
    path = cache_folder() / "arithmetic" / f"{model.recipe.get('model', 'model')}-{name}-{digest}.json"
    with suppress(OSError, ValueError, TypeError, KeyError):
        found = json.loads(path.read_text(encoding="utf-8"))
        fastest, before = Arithmetic(**found["fastest"]), Arithmetic(**found["usual"])
        return Choice(fastest, before, tuple(found["seconds"]), found["took"])
    choice = measure()
    if choice is not None and not _busy():
        with suppress(RunError):  # a cache that cannot be written costs time and nothing else
            write_text(path, json.dumps({**asdict(choice), **facts}, indent=2) + "\n")
    return choice


def _facts(model: Model, batch: int, usual: Arithmetic, left_open: Sequence[str]) -> dict[str, Any]:
    """Everything that a measurement depends on."""
    return {
        "machine": {
            "host": platform.node(),
            "processor": processor(),
            "cores": os.cpu_count(),
            "units": dict(torch.cpu.get_capabilities()),
            "torch": torch.__version__,
        },
        "usual": asdict(usual),
        "left_open": list(left_open),
        "batch": batch,
        "shape": list(model.shape),
        "model": [type(model).__name__, model.recipe],
    }


def _busy() -> bool:
    """Whether the processors have other work, with which fewer threads get on better than they would without it."""
    return hasattr(os, "getloadavg") and os.getloadavg()[0] > (os.cpu_count() or 1)
