"""A generator without a model: every sample shows its own seed and request, and the test says when it answers."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch

from condgen.requests.request import Request, Requestable, parse_requests
from condgen.runs.samples import Samples
from condgen.runs.sampling import Part, SamplingOptions
from condgen.schema import Categorical, Condition, Schema

SCHEMA = Schema(attributes=(Categorical(name="digit", values=tuple("0123456789")),))
SHAPE = (1, 2, 4)


class Echo:
    """Image k of a request has the bytes of its seed in its first row, and the digit asked for in its second.

    gate: closed, nothing is answered. busy: set while a batch waits at the gate. batches: the numbers of samples of the
    parts of each batch, in order.
    """

    schema = SCHEMA
    shape = SHAPE

    def __init__(self, fingerprint: str = "echo") -> None:
        self.fingerprint = fingerprint
        self.gate, self.busy = threading.Event(), threading.Event()
        self.gate.set()
        self.batches: list[list[int]] = []

    def requests(self, asked: Requestable | Sequence[Requestable] = (), extrapolate: bool = False) -> list[Request]:
        several = [asked] if isinstance(asked, str | Mapping) else list(asked)
        return [r for each in several for r in parse_requests(each, SCHEMA, extrapolate)] or [Request({}, "anything")]

    def stream(self, asked: Sequence[Request], n: int, seed: int = 0, *rest: Any) -> Iterator[Samples]:
        yield self.together([Part(request, range(seed, seed + n)) for request in asked])

    def together(self, parts: Sequence[Part], sampling: SamplingOptions | None = None) -> Samples:
        self.batches.append([len(part.seeds) for part in parts])
        self.busy.set()
        assert self.gate.wait(60)
        if any(part.request.text == "digit=9" for part in parts):
            raise ValueError("this model cannot draw a nine")
        rows = [{"digit": str(digit_of(part.request))} for part in parts for _ in part.seeds]
        x = torch.stack([picture(seed, digit_of(part.request)) for part in parts for seed in part.seeds])
        index = torch.tensor([k for k, part in enumerate(parts) for _ in part.seeds])
        seeds = torch.tensor([seed for part in parts for seed in part.seeds])
        return Samples(x, Condition.of(SCHEMA, rows), seeds, index)


def digit_of(request: Request) -> int:
    return int(request.text.removeprefix("digit=")) if request.constraints else 0


def picture(seed: int, digit: int) -> torch.Tensor:
    """The image of a seed and a digit."""
    levels = [*seed.to_bytes(4, "big"), digit, 0, 0, 0]
    return torch.tensor(levels, dtype=torch.float).reshape(SHAPE) / 255
