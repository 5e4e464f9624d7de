"""Seconds of a training step by some arithmetic, measured on copies of a model."""

import copy
import math
import time
from collections.abc import Callable

import torch
from torch import Tensor

from condgen.models import Model
from condgen.models.base import loss_of
from condgen.schema import Condition
from condgen.training.arithmetic import Arithmetic
from condgen.training.compiling import compiled
from condgen.training.settings import Layout

Seconds = Callable[[Arithmetic], float]  # of a training step

LASTS = 0.03  # seconds that are timed at once; one step at least
NUMBERS = 50_000  # of a batch that are measured, where 16 observations have fewer


class Stopwatch:
    """Measures training steps of copies of a model on one batch, on the device of that batch.

    The model stays as it is. A copy is made for each layout, compiled or not, so that they can be timed in turns.
    """

    def __init__(self, model: Model, x: Tensor, condition: Condition):
        measured = max(NUMBERS // x[0].numel(), 16)  # a part of a large batch is as telling, and sooner done
        self.model = model
        self.x = x[:measured]
        self.condition = condition[:measured]
        self.whole = len(x) / len(self.x)
        self._twins: dict[tuple[Layout, bool], tuple[Model, Model]] = {}
        self._warm: set[Arithmetic] = set()

    def __call__(self, how: Arithmetic) -> float:
        """The seconds of a step of a whole batch, infinite where this machine cannot compute that way.

        The quickest of a few steps counts. Others may have waited for other processes. The first step, which compiles
        and makes room, is not timed.
        """
        with how.in_use(), torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            try:
                return self.whole * self._quickest(how)
            except RuntimeError:  # no such kernel, no compiler, or no second derivative of what is compiled
                return math.inf

    def _quickest(self, how: Arithmetic) -> float:
        if how not in self._warm:
            self._timed(how)
            self._warm.add(how)
        took = [self._timed(how)]
        while sum(took) < LASTS:
            took.append(self._timed(how))
        return min(took)

    def _timed(self, how: Arithmetic) -> float:
        wait = torch.get_device_module(self.x.device).synchronize
        wait()
        started = time.perf_counter()
        self._step(how)
        wait()
        return time.perf_counter() - started

    def _step(self, how: Arithmetic) -> None:
        model, runs = self._twin(how)
        x = self.x.contiguous(memory_format=how.memory_format(model.shape)) if self.x.dim() == 4 else self.x
        dtype = torch.bfloat16 if how.precision == "bf16" else torch.float16
        for player, parameters in model.players().items():
            with torch.autocast(x.device.type, dtype, enabled=how.precision != "float32"):
                loss = loss_of(runs(x, self.condition, player), model)
            loss.float().backward(inputs=parameters)
            model.zero_grad()

    def _twin(self, how: Arithmetic) -> tuple[Model, Model]:
        """A copy of the model, and what computes its losses: itself, or its compiled form."""
        kind = (how.layout, how.compiled)
        if kind not in self._twins:
            twin = copy.deepcopy(self.model).to(self.x.device).train()
            twin.to(memory_format=how.memory_format(twin.shape))  # type: ignore[call-overload]
            self._twins[kind] = twin, compiled(twin) if how.compiled else twin
        return self._twins[kind]
