"""One batch over several processes: each computes a part of a training step, and the result is that of one process.

Process p of P has the observations p, p + P, p + 2P, … of a batch. Random numbers are drawn for the whole batch in
every process, which keeps those of its own observations. What looks at several observations at once gathers the whole
batch (`gathered`, `own`) or averages (`averaged`). So the number of processes changes the result by rounding only.

Outside `shared`, as with one process, the functions are PyTorch's, on torch's global generator. Dimensions that count
observations may hold several batches one after the other, such as the real and the generated one.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import torch
from jaxtyping import Int, Shaped
from torch import Tensor
from torch.autograd import Function

from condgen.errors import RunError
from condgen.schema import Condition

Rows = TypeVar("Rows", Tensor, Condition)


class Lost(RunError):  # noqa: N818 (it says what happened)
    """Another process of this training has ended, or cannot be reached."""


@contextmanager
def reaching() -> Iterator[None]:
    """Turn the errors of exchanges between processes into `Lost`."""
    try:
        yield
    except RuntimeError as error:
        if isinstance(error, RunError):
            raise
        reason = str(error).strip().splitlines()[0][:200]
        raise Lost(f"Another process of this training ended, or does not answer ({reason}).") from None


@dataclass(frozen=True)
class Part:
    """The part of a batch that one of several processes has.

    rows: its number of observations.
    seed: of the random numbers that all processes draw alike.
    """

    process: int
    processes: int
    rows: int
    seed: int
    _generators: dict[torch.device, torch.Generator] = field(default_factory=dict)

    def generator(self, device: torch.device) -> torch.Generator:
        """The generator whose state is the same in all processes."""
        if device not in self._generators:
            self._generators[device] = torch.Generator(device).manual_seed(self.seed)
        return self._generators[device]

    def of(self, whole: Shaped[Tensor, "..."], along: int = 0) -> Shaped[Tensor, "..."]:
        """This process's observations among those of the whole batch."""
        parts = whole.unflatten(along, (-1, self.rows, self.processes))
        return parts.select(along + 2, self.process).flatten(along, along + 1)

    def gather(self, x: Shaped[Tensor, "n ..."]) -> Shaped[Tensor, "whole ..."]:
        """The observations of all processes, in the order of the whole batch."""
        parts = [torch.empty_like(x, memory_format=torch.contiguous_format) for _ in range(self.processes)]
        with reaching():
            torch.distributed.all_gather(parts, x.detach().contiguous())
        return torch.stack([part.unflatten(0, (-1, self.rows)) for part in parts], 2).flatten(0, 2)

    def sum(self, x: Shaped[Tensor, "..."]) -> Shaped[Tensor, "..."]:
        """The sum over processes."""
        total = x.detach().clone(memory_format=torch.contiguous_format)
        with reaching():
            torch.distributed.all_reduce(total)
        return total


_part: Part | None = None


@contextmanager
def shared(part: Part | None) -> Iterator[None]:
    """A context in which the batch is this part of a whole one. None: it is whole."""
    global _part
    before, _part = _part, part
    try:
        yield
    finally:
        _part = before


def size(n: int) -> int:
    """The number of observations in all processes together."""
    return n * _part.processes if _part else n


def index(n: int, device: torch.device | str = "cpu") -> Int[Tensor, " n"]:
    """The positions of n own observations in the whole batch."""
    positions = torch.arange(size(n), device=device)
    return own(positions)


def among(first: int) -> int:
    """The number of own observations among the first ones of the whole batch."""
    return len(range(_part.process, first, _part.processes)) if _part else first


def own(whole: Shaped[Tensor, "whole ..."]) -> Shaped[Tensor, "n ..."]:
    """This process's part of something that has one row per observation of the whole batch."""
    return _part.of(whole) if _part else whole


# ---- random numbers


def generator(device: torch.device) -> torch.Generator | None:
    """The generator of numbers that do not belong to one observation. None is torch's global one."""
    return _part.generator(device) if _part else None


def rand(*shape: int, along: int | None = 0, **options: Any) -> Shaped[Tensor, "..."]:
    """Uniform numbers in [0, 1). along: the dimension that counts observations, None if there is none."""
    return _drawn(torch.rand, (), shape, along, options)


def randn(*shape: int, along: int | None = 0, **options: Any) -> Shaped[Tensor, "..."]:
    """Standard normal numbers. along: as for `rand`."""
    return _drawn(torch.randn, (), shape, along, options)


def randint(low: int, high: int, shape: tuple[int, ...], along: int | None = 0, **options: Any) -> Int[Tensor, "..."]:
    """Whole numbers from `low` to `high` − 1. along: as for `rand`."""
    return _drawn(torch.randint, (low, high), shape, along, options)


def rand_like(x: Shaped[Tensor, "n ..."]) -> Shaped[Tensor, "n ..."]:
    """Uniform numbers in [0, 1), of the shape and layout of x."""
    return _part.of(_whole_like(x).uniform_(generator=generator(x.device))) if _part else torch.rand_like(x)


def randn_like(x: Shaped[Tensor, "n ..."]) -> Shaped[Tensor, "n ..."]:
    """Standard normal numbers, of the shape and layout of x."""
    return _part.of(_whole_like(x).normal_(generator=generator(x.device))) if _part else torch.randn_like(x)


def _whole_like(x: Tensor) -> Tensor:
    """Room for the whole batch, in the layout that observations have here, in which numbers are drawn."""
    last = x.dim() == 4 and not x.is_contiguous() and x.is_contiguous(memory_format=torch.channels_last)
    layout = torch.channels_last if last else torch.contiguous_format
    return torch.empty(size(len(x)), *x.shape[1:], dtype=x.dtype, device=x.device, memory_format=layout)


def _drawn(draw: Any, arguments: tuple[int, ...], shape: tuple[int, ...], along: int | None, options: Any) -> Tensor:
    if _part is None:
        return draw(*arguments, shape, **options)
    whole = list(shape)
    if along is not None:
        whole[along] *= _part.processes
    source = _part.generator(torch.device(options.get("device", "cpu")))
    found: Tensor = draw(*arguments, tuple(whole), generator=source, **options)
    return found if along is None else _part.of(found, along)


# ---- exchanges: differentiable, any number of times


def gathered(rows: Rows) -> Rows:
    """The whole batch, of which these are the own observations or conditions."""
    if _part is None:
        return rows
    return _gathered(rows, _part) if isinstance(rows, Condition) else _Gathered.apply(rows, _part)


def averaged(x: Shaped[Tensor, "..."]) -> Shaped[Tensor, "..."]:
    """The mean over processes: of means over own observations, the mean over the whole batch."""
    return _Averaged.apply(x, _part) if _part else x


@torch.no_grad()
def first(x: Shaped[Tensor, "..."]) -> None:
    """Overwrite a tensor with that of the first process."""
    if _part:
        with reaching():
            torch.distributed.broadcast(x, src=0)


def _gathered(condition: Condition, part: Part) -> Condition:
    """All conditions in one exchange, with the values of attributes that are left free, too."""
    schema, n = condition.schema, len(condition)
    columns = [condition.values[name].float().reshape(n, -1) for name in schema.names]
    whole = part.gather(torch.cat([*columns, condition.present.float()], 1))
    codes, present = whole.split([whole.shape[1] - len(schema), len(schema)], 1)
    return Condition.of_matrix(schema, codes, present > 0)


class _Gathered(Function):
    """Rows of all processes. The gradient of own rows is the sum over what every process made of them."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, part: Part) -> Tensor:
        ctx.part = part
        return part.gather(x)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        return _Summed.apply(*gradients, ctx.part), None


class _Summed(Function):
    """Own rows of the sum over processes, the adjoint of `_Gathered`."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, part: Part) -> Tensor:
        ctx.part = part
        return part.of(part.sum(x))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        return _Gathered.apply(*gradients, ctx.part), None


class _Averaged(Function):
    """The mean over processes, which is its own adjoint."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, part: Part) -> Tensor:
        ctx.part = part
        return part.sum(x) / part.processes

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        return _Averaged.apply(*gradients, ctx.part), None
