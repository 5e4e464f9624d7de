"""The arithmetic of a run, and the fastest one for its training step on this machine, by a short measurement.

Bits depend on it: on the precision, and on the number of threads among which sums are divided. So it is decided once,
when a run begins, and recorded in the checkpoint.
"""

import copy
import json
import os
import platform
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from pydantic import Field
from torch import Tensor

from condgen.data.storage.cache import cache_folder
from condgen.errors import RunError
from condgen.files import write_text
from condgen.messages import setting
from condgen.models import Model
from condgen.progress import Progress
from condgen.schema import Condition
from condgen.training.machine import knows_bf16, quick_at_bf16
from condgen.training.settings import TrainingConfig
from condgen.units import approximately

BETTER = 1.15  # times as fast that other arithmetic must be; within that, a measurement may err
LASTS = 0.15  # seconds that one kind of arithmetic is timed; two steps at least
WORTH = 60.0  # seconds of training from which on it pays to measure
SHARE = 0.05  # of the training that measuring may take
STEPS = 10  # that measuring takes, about, where a step is slow
NUMBERS = 200_000  # of a batch that are measured, where 16 observations have fewer


Precision = Literal["float32", "bf16", "fp16"]


@dataclass(frozen=True)
class Arithmetic:
    """The precision (float32, or bf16 or fp16 where autocast allows), and the number of threads."""

    precision: Precision
    threads: Annotated[int, Field(ge=1)]

    def __str__(self) -> str:
        return f"{self.precision} with {self.threads} thread{'s' * (self.threads > 1)}"

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """A context that computes with this number of threads, or with as many as there are processors."""
        before = torch.get_num_threads()
        torch.set_num_threads(min(self.threads, max(os.cpu_count() or 1, before)))
        try:
            yield
        finally:
            torch.set_num_threads(before)


Seconds = Callable[[Arithmetic], float]  # of a training step


@dataclass(frozen=True)
class Choice:
    """The fastest arithmetic, and the seconds of a step by it and by the usual one."""

    fastest: Arithmetic
    usual: Arithmetic
    seconds: tuple[float, float]

    def __str__(self) -> str:
        fast, slow = self.seconds
        if self.fastest == self.usual:
            return f"Arithmetic: {self.usual}; nothing else is faster here."
        return (
            f"Arithmetic: {self.fastest}, {slow / fast:.1f} times as fast here as {self.usual}, which "
            f"{setting(precision='float32')} keeps."
        )


def fastest(seconds: Seconds, usual: Arithmetic, training: Callable[[float], float], bf16: bool) -> Choice | None:
    """The fastest arithmetic by measurement: fewer threads, then bf16 if the machine knows it. None for a short run.

    seconds: measures a step. training: the seconds of the whole training, from those of a usual step.
    """
    before = seconds(usual)
    whole = training(before)
    if whole < WORTH or STEPS * before > SHARE * whole:
        return None
    best, least = usual, before
    for other in _fewer(usual):
        took = seconds(other)
        if took > least:
            break
        best, least = (other, took) if took * BETTER < before else (best, least)
    if bf16:
        other = Arithmetic("bf16", best.threads)
        took = seconds(other)
        best, least = (other, took) if took * BETTER < least else (best, least)
    return Choice(best, usual, (least, before))


def _fewer(usual: Arithmetic) -> Iterator[Arithmetic]:
    """Half the threads, and half of these, down to one. A person's own choice of them stands."""
    threads = usual.threads
    while threads > 1 and "OMP_NUM_THREADS" not in os.environ:
        threads //= 2
        yield Arithmetic(usual.precision, threads)


def unmeasured(precision: str) -> Arithmetic:
    """The arithmetic of a precision, with as many threads as usual; auto goes by the units that the machine has."""
    auto: Precision = "bf16" if quick_at_bf16() else "float32"
    named: dict[str, Precision] = {"auto": auto, "no": "float32", "float32": "float32", "bf16": "bf16", "fp16": "fp16"}
    return Arithmetic(named[precision], torch.get_num_threads())


def placed() -> tuple[str, int]:
    """The type of the device that trains, and the number of processes."""
    from accelerate import PartialState  # slow to import, and of no use to an opened run

    state = PartialState()
    return state.device.type, state.num_processes


def decided(
    model: Model,
    settings: TrainingConfig,
    stopwatch: Callable[[], Seconds],
    training: Callable[[float], float],
    progress: Progress,
) -> Arithmetic:
    """The arithmetic of a new run: as set or, for auto on one CPU, the fastest. A measurement is shown, and the
    time of the whole training by it.

    stopwatch: makes what measures a step. training: as for `fastest`.
    """
    if settings.precision != "auto":
        return unmeasured(settings.precision)
    if placed() != ("cpu", 1):
        return unmeasured("auto")
    usual = unmeasured("float32")
    choice = kept(model, settings.batch, usual, lambda: fastest(stopwatch(), usual, training, knows_bf16()))
    if choice is None:
        return usual
    progress.note(f"{choice} The whole training takes {approximately(training(choice.seconds[0]))}.")
    return choice.fastest


class Stopwatch:
    """Measures training steps of a copy of a model on one batch, on the CPU. The model stays as it is."""

    def __init__(self, model: Model, x: Tensor, condition: Condition):
        measured = max(NUMBERS // x[0].numel(), 16)  # a part of a large batch is as telling, and sooner done
        self.model = model
        self.x = x[:measured]
        self.condition = condition[:measured]
        self.whole = len(x) / len(self.x)

    def __call__(self, how: Arithmetic) -> float:
        """The seconds of the quickest step of a whole batch. Others may have waited for other processes."""
        model = copy.deepcopy(self.model).train()
        with how.in_use(), torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self._step(model, how)  # the first one is slower
            return self.whole * min(self._timed(model, how))

    def _timed(self, model: Model, how: Arithmetic) -> Sequence[float]:
        took: list[float] = []
        while not took or sum(took) < LASTS:
            started = time.perf_counter()
            self._step(model, how)
            took.append(time.perf_counter() - started)
        return took

    def _step(self, model: Model, how: Arithmetic) -> None:
        for player, parameters in model.players().items():
            with torch.autocast("cpu", torch.bfloat16, enabled=how.precision == "bf16"):
                loss = model(self.x, self.condition, player)["loss"]
            loss.float().backward(inputs=parameters)
            model.zero_grad()


def kept(model: Model, batch: int, usual: Arithmetic, measure: Callable[[], Choice | None]) -> Choice | None:
    """A measurement of an earlier run of this model and batch on this machine, or a new one, which is kept."""
    path = _path(model, batch, usual)
    with suppress(OSError, ValueError, TypeError, KeyError):
        found = json.loads(path.read_text(encoding="utf-8"))
        return Choice(Arithmetic(**found["fastest"]), Arithmetic(**found["usual"]), tuple(found["seconds"]))
    choice = measure()
    if choice is not None and not _busy():
        with suppress(RunError):  # a cache that cannot be written costs time and nothing else
            write_text(path, json.dumps(asdict(choice)) + "\n")
    return choice


def _busy() -> bool:
    """Whether the processors have other work, with which fewer threads get on better than they would without it."""
    return hasattr(os, "getloadavg") and os.getloadavg()[0] > (os.cpu_count() or 1)


def _path(model: Model, batch: int, usual: Arithmetic) -> Path:
    machine = [platform.node(), dict(torch.cpu.get_capabilities()), os.cpu_count(), torch.__version__]
    what: list[Any] = [*machine, asdict(usual), model.recipe, type(model).__name__, list(model.shape), batch]
    return cache_folder() / "arithmetic" / f"{blake2b(json.dumps(what).encode(), digest_size=8).hexdigest()}.json"
