"""Averaging of gradients over processes, while the backward pass still computes others.

Parameters are divided into buckets, from the last to the first, roughly in the order in which their gradients appear. A
bucket is sent as soon as it is full and those before it are sent, so all processes send the same in the same order (Li
et al. 2020, PyTorch Distributed, section 3.2). `DistributedDataParallel` averages all gradients of every backward pass.
Players of one model take turns, and each needs its own gradients only.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
import torch.distributed as dist
from jaxtyping import Float
from torch import Tensor

from condgen.models.together import reaching

EACH = 2**18  # bytes of a bucket for each process: a ring sends messages of this size, which outweigh their latency


@contextmanager
def averaging(parameters: Sequence[Tensor], processes: int) -> Iterator[None]:
    """A context in which a backward pass fills the gradients of these parameters. After it, they are averaged.

    A gradient that no process has stays absent. Raises Lost if another process does not answer.
    """
    sizes = [p.numel() * p.element_size() for p in parameters]
    queue = _Queue([[parameters[k] for k in part] for part in buckets(sizes, EACH * processes)])
    hooks = [p.register_post_accumulate_grad_hook(queue.filled) for p in parameters]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
    queue.finish(processes)


def buckets(sizes: Sequence[int], size: int) -> list[list[int]]:
    """The numbers of parameters with so many bytes, from the last to the first, in parts of at least `size` bytes."""
    parts: list[list[int]] = [[]]
    for k in reversed(range(len(sizes))):
        if sum(sizes[other] for other in parts[-1]) >= size:
            parts.append([])
        parts[-1].append(k)
    return parts


class _Queue:
    """Buckets that are sent in turn, each when all of its gradients are there."""

    def __init__(self, parts: Sequence[Sequence[Tensor]]):
        self._buckets = [_Bucket(part) for part in parts]
        self._of = {p: bucket for bucket in self._buckets for p in bucket.parameters}
        self._sent = 0

    def filled(self, p: Tensor) -> None:
        """Note that a gradient is there, and send what can be sent."""
        self._of[p].missing -= 1
        while self._sent < len(self._buckets) and not self._buckets[self._sent].missing:
            self._send()

    def finish(self, processes: int) -> None:
        """Send the buckets that lack a gradient, too, and wait for all."""
        while self._sent < len(self._buckets):
            self._send()
        for bucket in self._buckets:
            bucket.receive(processes)

    def _send(self) -> None:
        self._buckets[self._sent].send()
        self._sent += 1


class _Bucket:
    """Gradients that are exchanged together, and whether a process has them."""

    def __init__(self, parameters: Sequence[Tensor]):
        self.parameters = parameters
        self.missing = len(parameters)
        self._flat = torch.empty(0)
        self._work: Any = None

    def send(self) -> None:
        there = [p.grad is not None for p in self.parameters]
        present = torch.tensor(there, dtype=torch.float32, device=self.parameters[0].device)
        self._flat = torch.cat([*(_in_memory(p, p.grad) for p in self.parameters), present])
        with reaching():
            self._work = dist.all_reduce(self._flat, async_op=True)

    def receive(self, processes: int) -> None:
        """Wait, and put the means in place."""
        with reaching():
            self._work.wait()
        sizes = [*(p.numel() for p in self.parameters), len(self.parameters)]
        *gradients, present = self._flat.div_(processes).split(sizes)
        for p, gradient, known in zip(self.parameters, gradients, (present > 0).tolist(), strict=True):
            p.grad = _as_stored(p, gradient) if known else None


def _order(like: Tensor) -> list[int]:
    """The dimensions of a tensor in the order of memory."""
    strides = like.stride()
    return sorted(range(like.dim()), key=lambda d: -strides[d])


def _in_memory(p: Tensor, gradient: Tensor | None) -> Float[Tensor, " n"]:
    """The numbers of a gradient in the order in which its parameter is stored, which costs least."""
    if gradient is None:
        return p.new_zeros(p.numel())
    return gradient.permute(_order(p)).reshape(-1)


def _as_stored(p: Tensor, numbers: Float[Tensor, " n"]) -> Tensor:
    """The inverse of `_in_memory`."""
    order = _order(p)
    back = [order.index(d) for d in range(p.dim())]
    return numbers.view([p.shape[d] for d in order]).permute(back)
