"""The processes of one training, on one machine or several: they take the same decisions, and the first one writes.

Started by `torchrun` or `accelerate launch` (docs/guides/machines.md). Each computes its part of every batch
(`models/together.py`), gradients are averaged, and so all have the same weights after every step.
"""

import atexit
import gc
import hashlib
import json
import os
import signal
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import timedelta
from importlib import import_module
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from condgen.errors import RequestError
from condgen.messages import setting
from condgen.models.together import Part, reaching
from condgen.progress import Values
from condgen.training.arithmetic import Arithmetic
from condgen.training.exchange import averaging
from condgen.training.signals import Signals

ANSWERS = timedelta(minutes=10)  # within which all processes have to reach an exchange of gradients
WAITS = timedelta(days=1)  # as long as data is prepared, or the first process looks at the run and saves


CPU = torch.device("cpu")


@dataclass(frozen=True)
class Heard:
    """Facts known to all processes: seconds that the first one measured, and the signals that any has received."""

    seconds: float
    stop: str | None
    save: bool


@dataclass(frozen=True)
class Team:
    """This process and the others, by default none."""

    process: int = 0
    processes: int = 1
    device: torch.device = CPU

    @classmethod
    def here(cls) -> "Team":
        """The processes that were started together with this one. The first call joins them.

        Raises RequestError for more processes than GPUs, and Lost if the others cannot be reached.
        """
        from accelerate import PartialState  # slow to import, and of no use to an opened run

        several = int(os.environ.get("WORLD_SIZE", 1)) > 1
        with reaching():
            if several:
                import_module("torch.distributed.nn.functional")  # after joining, its defaults would hold the group
            state = PartialState(cpu=_without_gpus(), timeout=ANSWERS) if several else PartialState()
            _make_group(state.num_processes)
            return cls(state.process_index, state.num_processes, state.device)

    @property
    def group(self) -> Any:
        """The group for exchanges of numbers that need no GPU, and that may take long. Kept nowhere else (`leave`)."""
        return _groups[self.processes]

    @property
    def apart(self) -> "Team":
        """This process by itself, on its device."""
        return Team(device=self.device)

    @property
    def first(self) -> bool:
        """Whether this process is the one that writes."""
        return self.process == 0

    @property
    def alone(self) -> bool:
        """Whether there is no other."""
        return self.processes == 1

    def part(self, rows: int, seed: int) -> Part | None:
        """This process's part of a batch, None for the whole. seed: of random numbers that all draw alike."""
        return None if self.alone else Part(self.process, self.processes, rows, seed)

    def rows(self, batch: int) -> int:
        """The observations of a batch for each process. Raises RequestError if they cannot be divided."""
        if batch % self.processes:
            less = batch // self.processes * self.processes
            nearest = setting(batch=less or self.processes)
            raise RequestError(
                f"A batch of {batch} cannot be divided among {self.processes} processes. Choose another ({nearest}), "
                "or another number of processes."
            )
        return batch // self.processes

    def must_agree(self, facts: Mapping[str, str]) -> None:
        """Raise RequestError unless the named facts are the same in all processes. Waits for those that still load."""
        if self.alone:
            return
        own = torch.tensor([_digest(fact) for fact in facts.values()])
        every = [torch.empty_like(own) for _ in range(self.processes)]
        with reaching():
            dist.all_gather(every, own, group=self.group)
        for process, other in enumerate(every):
            unlike = [name for name, same in zip(facts, (other == every[0]).tolist(), strict=True) if not same]
            if unlike:
                raise RequestError(
                    f"Process {process} of {self.processes} has another {unlike[0]} than process 0. Start all with the "
                    "same command, on the same data, with the same versions."
                )

    def agreed(self, seconds: float, signals: Signals) -> Heard:
        """The time of the first process, and the signals to any."""
        if self.alone:
            return Heard(seconds, signals.received, signals.asked)
        stop = signal.Signals[signals.received].value if signals.received else 0
        said = torch.tensor([seconds if self.first else 0.0, stop, signals.asked], dtype=torch.float64)
        with reaching():
            dist.all_reduce(said, dist.ReduceOp.MAX, group=self.group)
        seconds, stop, asked = said.tolist()
        return Heard(seconds, signal.Signals(int(stop)).name if stop else None, bool(asked))

    def text(self, text: str) -> str:
        """The text of the first process."""
        if self.alone:
            return text
        content = torch.tensor(list(text.encode()), dtype=torch.uint8)
        length = torch.tensor([len(content)])
        with reaching():
            dist.broadcast(length, src=0, group=self.group)
            content = content if self.first else torch.empty(int(length), dtype=torch.uint8)
            dist.broadcast(content, src=0, group=self.group)
        return bytes(content.tolist()).decode()

    def choice(self, made: Callable[[], Arithmetic]) -> Arithmetic:
        """The arithmetic that the first process chooses."""
        if self.alone:
            return made()
        text = self.text(json.dumps(asdict(made())) if self.first else "")
        return Arithmetic(**json.loads(text))

    def means(self, values: Values) -> Values:
        """The means over processes of numbers with the same names in all."""
        if self.alone or not values:
            return values
        numbers = torch.tensor([*values.values()], dtype=torch.float64)
        with reaching():
            dist.all_reduce(numbers, group=self.group)
        return dict(zip(values, (numbers / self.processes).tolist(), strict=True))

    def spread(self, tensors: Iterable[Tensor]) -> None:
        """Overwrite tensors with those of the first process."""
        if self.alone:
            return
        for tensor in tensors:
            content = tensor.detach().contiguous()
            with reaching():
                dist.broadcast(content, src=0)
            tensor.detach().copy_(content)

    @contextmanager
    def averaging(self, parameters: Sequence[Tensor]) -> Iterator[None]:
        """A context of a backward pass whose gradients are averaged over processes, as soon as they are there."""
        if self.alone:
            yield
        else:
            with averaging(parameters, self.processes):
                yield


def join() -> Team:
    """Join the processes that were started together with this one, if any, before long work of which one may fail."""
    return Team.here() if int(os.environ.get("WORLD_SIZE", 1)) > 1 else Team()


def leave() -> None:
    """Part from the other processes in order, at the end of a program.

    Gloo's threads end with the last reference to its group. One that still released a tensor while Python shuts down
    would abort the process.
    """
    if dist.is_initialized():
        _groups.clear()
        dist.destroy_process_group()


def _end_threads() -> None:
    """End gloo's threads where a program ends without `leave`, as after an error. NCCL would wait for the others."""
    if not _groups:
        return
    if dist.is_initialized():
        dist.destroy_process_group(None if dist.get_backend() == "gloo" else _groups.pop(dist.get_world_size()))
    _groups.clear()
    gc.collect()  # an error in an exchange holds its group


def _without_gpus() -> bool:
    """Whether processes train on the CPU. Raises RequestError if there are more of them than GPUs."""
    if not torch.cuda.is_available() or os.environ.get("ACCELERATE_USE_CPU", "").lower() in ("1", "true", "yes"):
        return True
    here, gpus = int(os.environ.get("LOCAL_WORLD_SIZE", 1)), torch.cuda.device_count()
    if here > gpus:
        raise RequestError(
            f"{here} processes were started on a machine with {gpus} GPU{'s' * (gpus > 1)}. Start at most one for "
            "each, or set ACCELERATE_USE_CPU=1 to train on the processor."
        )
    return False


_groups: dict[int, Any] = {}


def _make_group(processes: int) -> None:
    """Make `Team.group`, once."""
    if processes > 1 and processes not in _groups:
        _groups[processes] = dist.new_group(timeout=WAITS, backend="gloo")
        atexit.register(_end_threads)


def _digest(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=7).digest(), "big")
