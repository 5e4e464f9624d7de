"""Statistics of judged samples that add up: counts of readings, and moments of features for every request."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import reduce

import torch
from safetensors.torch import load, save
from torch import Tensor

from condgen.evaluation.judge.judge import Reading
from condgen.evaluation.metrics.obedience import within
from condgen.evaluation.scale.moments import Moments
from condgen.evaluation.scale.tally import Tally
from condgen.requests.request import Request
from condgen.schema import Condition


@dataclass(frozen=True)
class Answers:
    """The samples of one request: the moments of their features, and how many show what it names."""

    moments: Moments
    obeyed: int

    def merged(self, other: "Answers") -> "Answers":
        """Both together."""
        return Answers(self.moments.merged(other.moments), self.obeyed + other.obeyed)


@dataclass(frozen=True)
class Statistics:
    """Everything that is kept of judged samples. Its size does not depend on their number.

    tally: counts over all of them.
    answers: by the index of the request.
    """

    tally: Tally
    answers: Mapping[int, Answers]

    @classmethod
    def of(
        cls, read: Reading, asked: Condition, request: Request, index: int, bounds: Mapping[str, float]
    ) -> "Statistics":
        """The statistics of some samples of one request, by a judge's readings of them."""
        obeyed = int(obeys(read, asked, request, bounds).sum())
        return cls(Tally.of(read, asked, bounds), {index: Answers(Moments.of(read.features), obeyed)})

    def merged(self, other: "Statistics") -> "Statistics":
        """The statistics of both sets of samples together."""
        both = {k: mine.merged(other.answers[k]) if k in other.answers else mine for k, mine in self.answers.items()}
        return Statistics(self.tally.merged(other.tally), {**other.answers, **both})

    def dumps(self) -> bytes:
        """The statistics as a safetensors file."""
        tensors = {f"tally/{name}": each for name, each in self.tally.tensors().items()}
        for index, answers in self.answers.items():
            tensors[f"obeyed/{index}"] = torch.tensor(answers.obeyed)
            tensors |= {f"moments/{index}/{name}": each for name, each in answers.moments.tensors().items()}
        return save({name: each.contiguous() for name, each in tensors.items()})

    @classmethod
    def loads(cls, content: bytes) -> "Statistics":
        """The statistics in a file that `dumps` gave."""
        found = load(content)
        answers = {
            int(index): Answers(Moments.from_tensors(_below(found, f"moments/{index}/")), int(obeyed))
            for index, obeyed in _below(found, "obeyed/").items()
        }
        return cls(Tally.from_tensors(_below(found, "tally/")), answers)


def obeys(read: Reading, asked: Condition, request: Request, bounds: Mapping[str, float]) -> Tensor:
    """A mask of the samples in which every attribute that the request names is read as asked, [n].

    Of a request that names none, every attribute.
    """
    named = request.asked_of(asked) if request.constraints else asked
    return within(read, named, bounds).all(1)


def merged(parts: Iterator[Statistics]) -> Statistics:
    """The statistics of all parts together. One at a time is in memory."""
    return reduce(Statistics.merged, parts)


def _below(found: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): each for name, each in found.items() if name.startswith(prefix)}
