"""The time of a training step, by part of the model and by kind of operation, over a few steps.

PyTorch's profiler notes every operation. A backward operation has the number of the forward one that it belongs to, and
so belongs to the same part.
"""

import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import nn
from torch.profiler import ProfilerActivity, profile, record_function, schedule

from condgen.files import write_text
from condgen.progress import Progress

TABLE, TRACE = "profile.txt", "trace.json.gz"
BEFORE, WARM, MEASURED = 10, 2, 5  # steps: before the profiler, under it and not counted, counted
DEPTH = 3  # names in the name of a part
SMALL = 0.005  # share of a step below which a row is left out
PART, STEP, OPTIMISER, BACKWARD = "part: ", "ProfilerStep", "Optimizer.step#", "autograd::engine::evaluate_function: "
OUTSIDE = "(between the parts)"

# An operation is of the first kind that has one of its words in the operation's name.
KINDS: Mapping[str, Sequence[str]] = {
    "convolutions": ("conv",),
    "matrix products": ("mm", "linear", "attention"),
    "normalisation": ("norm",),
    "the optimiser's fused step": ("_fused_", "_foreach_"),
    "copies and layout": ("copy", "clone", "cat", "stack", "empty", "resize", "pad", "fold", "shuffle", "view", "fill"),
    "sums, means, largest": ("sum", "mean", "max", "min"),
    "random numbers": ("rand", "normal_", "bernoulli"),
    "element by element": ("aten::",),
}
REST = "autograd and the rest"
ERRORS = "99"  # libkineto's level above which nothing is printed
Event = Any  # torch.autograd.profiler_util.FunctionEvent
T = TypeVar("T")


def profiled(batches: Iterable[T], model: nn.Module | None, folder: Path, progress: Progress) -> Iterator[T]:
    """The batches, with a few of the steps between them on record (see `Profile`)."""
    with Profile(model, folder, progress) as profile:
        for batch in batches:
            yield batch
            profile.step()


class Profile(AbstractContextManager["Profile"]):
    """A record of a few training steps, which are written into a folder as soon as they are done.

    model: whose parts are told apart. None where they cannot be: a compiled model is one part.
    """

    def __init__(self, model: nn.Module | None, folder: Path, progress: Progress):
        self._model, self._folder, self._progress = model, folder, progress
        self._stack, self._written = ExitStack(), False

    def __enter__(self) -> "Profile":
        os.environ.setdefault("KINETO_LOG_LEVEL", ERRORS)
        for name, part in parts(self._model) if self._model else ():
            self._stack.enter_context(_named(part, name))
        on = [ProfilerActivity.CPU] + [ProfilerActivity.CUDA] * torch.cuda.is_available()
        steps = schedule(wait=BEFORE, warmup=WARM, active=MEASURED, repeat=1)
        self._profiler = self._stack.enter_context(profile(activities=on, schedule=steps, on_trace_ready=self._write))
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()
        if not self._written:
            most = BEFORE + WARM + MEASURED
            self._progress.note(f"Nothing was profiled: the run has fewer than {most} steps.")

    def step(self) -> None:
        """Note that a step has ended."""
        self._profiler.step()

    def _write(self, profiler: profile) -> None:
        if profiler.step_num < BEFORE + WARM + MEASURED:
            return
        self._written = True
        profiler.export_chrome_trace(str(self._folder / TRACE))
        write_text(self._folder / TABLE, str(Times.of(profiler.events() or [])))
        place = self._folder / TABLE
        self._progress.note(f"Where the time of a step goes: {place}, and step by step in {TRACE} beside it.")


def parts(model: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """The parts of a model by name. The members of a list share its name."""
    for name, module in model.named_modules():
        short = ".".join(each for each in name.split(".") if not each.isdigit())
        if short and short.count(".") < DEPTH and not isinstance(module, nn.ModuleList | nn.ModuleDict):
            yield short, module


class _named(AbstractContextManager[None]):  # noqa: N801 (a context manager)
    """Gives the operations of a module a name in the profile."""

    def __init__(self, module: nn.Module, name: str):
        self._module, self._name = module, PART + name
        self._open: list[record_function] = []

    def __enter__(self) -> None:
        before = self._module.register_forward_pre_hook(self._begin)
        after = self._module.register_forward_hook(self._end, always_call=True)
        self._hooks = (before, after)

    def __exit__(self, *error: object) -> None:
        for hook in self._hooks:
            hook.remove()

    def _begin(self, *_: Any) -> None:
        self._open.append(record_function(self._name))
        self._open[-1].__enter__()

    def _end(self, *_: Any) -> None:
        self._open.pop().__exit__(None, None, None)


@dataclass(frozen=True)
class Times:
    """Milliseconds of a step: whole, by part (forward, backward) and by kind of operation."""

    whole: float
    forward: Mapping[str, float]
    backward: Mapping[str, float]
    kinds: Mapping[str, float]

    @classmethod
    def of(cls, events: Sequence[Event]) -> "Times":
        """The means over the steps of a profile."""
        steps = [event for event in events if event.name.startswith(STEP)]
        operations = [event for event in events if not event.name.startswith((STEP, PART))]
        ahead = [event for event in operations if event.sequence_nr >= 0 and _node(event) is None]
        owners = {event.sequence_nr: _part(event) for event in ahead}
        forward, backward, kinds = (defaultdict[str, float](float) for _ in range(3))
        for event in operations:
            spent, node = _milliseconds(event) / len(steps), _node(event)
            if node is None:
                forward[_part(event)] += spent
            else:
                backward[owners.get(node.sequence_nr, OUTSIDE)] += spent
            kinds[_kind(event.name)] += spent
        whole = sum(event.time_range.elapsed_us() for event in steps) / 1000 / len(steps)
        return cls(whole, forward, backward, kinds)

    def __str__(self) -> str:
        parts = {name: (self.forward.get(name, 0.0), self.backward.get(name, 0.0)) for name in self._names}
        kinds = {kind: (spent,) for kind, spent in self.kinds.items()}
        kinds["Python, and waiting"] = (self.whole - sum(self.kinds.values()),)
        lines = [f"A training step takes {self.whole:,.1f} ms, that of the profiler included (mean of {MEASURED}).", ""]
        lines += self._table(("part of the model", "forward", "backward", "share"), parts)
        lines += self._table(("kind of operation", "time", "share"), kinds)
        return "\n".join(lines)

    @property
    def _names(self) -> set[str]:
        return {*self.forward, *self.backward}

    def _table(self, head: Sequence[str], rows: Mapping[str, tuple[float, ...]]) -> Iterator[str]:
        """The lines of a table with the share of each row, the largest first. Tiny rows are left out."""
        yield f"{head[0]:40}" + "".join(f"{each:>12}" for each in head[1:])
        for name, spent in sorted(rows.items(), key=lambda row: -sum(row[1])):
            if (share := sum(spent) / self.whole) >= SMALL:
                yield f"{name:40}" + "".join(f"{each:9,.1f} ms" for each in spent) + f"{share:12.1%}"
        yield ""


def _milliseconds(event: Event) -> float:
    """An operation's own time, without that of the operations in it: on the GPU if it computed there."""
    return (event.self_device_time_total or event.self_cpu_time_total) / 1000


def _above(event: Event) -> Iterator[Event]:
    """An event and those that contain it, from the inside to the outside."""
    while event is not None:
        yield event
        event = event.cpu_parent


def _node(event: Event) -> Event | None:
    """The node of autograd whose backward operations contain an event. None for others."""
    return next((each for each in _above(event) if each.name.startswith(BACKWARD)), None)


def _part(event: Event) -> str:
    """The innermost part of the model that contains a forward operation."""
    names = (each.name for each in _above(event) if each.name.startswith((PART, OPTIMISER)))
    found = next(names, OUTSIDE)
    return "(optimiser)" if found.startswith(OPTIMISER) else found.removeprefix(PART)


def _kind(name: str) -> str:
    return next((kind for kind, words in KINDS.items() if any(word in name.lower() for word in words)), REST)
