"""The arithmetic of a run: precision, threads, the order of images in memory, compiled or not.

Bits depend on it: on the precision, on the number of threads among which sums are divided, and on the kernels that a
layout or a compiler leads to. So it is decided once, when a run begins (see `tuner`), and recorded in the checkpoint.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import torch
from pydantic import Field

from condgen.training.machine import quick_at_bf16
from condgen.training.settings import Layout, TrainingConfig

Precision = Literal["float32", "bf16", "fp16"]
FORMATS = {"channels-last": torch.channels_last, "contiguous": torch.contiguous_format}


@dataclass(frozen=True)
class Arithmetic:
    """The precision (float32, or bf16 or fp16 where autocast allows), the number of threads, the order of images in
    memory, and whether the model is compiled.
    """

    precision: Precision
    threads: Annotated[int, Field(ge=1)]
    layout: Layout = "channels-last"
    compiled: bool = False

    def __str__(self) -> str:
        threads = f"{self.precision} with {self.threads} thread{'s' * (self.threads > 1)}"
        return threads + ", contiguous" * (self.layout == "contiguous") + ", compiled" * self.compiled

    def memory_format(self, shape: tuple[int, ...]) -> Any:
        """The order in memory of a model for observations of this shape. Vectors have no channels to put last."""
        return FORMATS[self.layout if len(shape) == 3 else "contiguous"]

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """A context that computes with this number of threads, or with as many as it has processors."""
        before = torch.get_num_threads()
        torch.set_num_threads(min(self.threads, max(cores(), before)))
        try:
            yield
        finally:
            torch.set_num_threads(before)


def placed() -> str:
    """The type of the device that trains."""
    from accelerate import PartialState  # slow to import, and of no use to an opened run

    return str(PartialState().device.type)


def cores() -> int:
    """The processors for each of the processes that train on this machine."""
    return max((os.cpu_count() or 1) // int(os.environ.get("LOCAL_WORLD_SIZE", 1)), 1)


def unmeasured(settings: TrainingConfig) -> Arithmetic:
    """The arithmetic that settings ask for, and where they leave it open, the usual one.

    Usual are all threads, channels last, not compiled. The precision auto goes by the units that the machine has.
    """
    auto: Precision = "bf16" if quick_at_bf16() else "float32"
    named: dict[str, Precision] = {"auto": auto, "no": "float32", "float32": "float32", "bf16": "bf16", "fp16": "fp16"}
    threads = settings.threads or torch.get_num_threads()
    return Arithmetic(named[settings.precision], threads, settings.layout or "channels-last", bool(settings.compiled))
