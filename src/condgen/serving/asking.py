"""From a body to work for a model: requests parsed, settings and costs checked, before anything is queued."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from threading import Event
from typing import Any, Protocol

from condgen.errors import RequestError
from condgen.messages import setting
from condgen.requests.example import names_a_file
from condgen.requests.request import Request, Requestable
from condgen.runs.generator import Generator
from condgen.runs.limits import must_hold_samples
from condgen.runs.sampling import SamplingOptions
from condgen.serving.batching import Deliver, Job, Sampling
from condgen.serving.bodies import SampleBody
from condgen.serving.limits import Limits
from condgen.serving.tickets import GoneError


class Plan(Protocol):
    """Checked work for a model."""

    def job(self, deliver: Deliver) -> Job:
        """The work for a batcher."""


class Answerable(Plan, Protocol):
    """Checked work whose samples are an answer."""

    @property
    def asked(self) -> Sequence[Request]:
        """The requests that are answered."""

    @property
    def given(self) -> Mapping[str, Any]:
        """The settings that were given, for the origin that images carry."""


@dataclass(frozen=True)
class SamplePlan:
    """Checked work: n samples of each request, from a seed, with settings."""

    asked: Sequence[Request]
    n: int
    seed: int
    how: SamplingOptions

    @property
    def given(self) -> Mapping[str, Any]:
        """The settings of sampling that were given."""
        return self.how.given

    def job(self, deliver: Deliver) -> Sampling:
        """The work for a batcher."""
        return Sampling(self.asked, self.n, self.seed, self.how, deliver)


def planned(generator: Generator, body: SampleBody, limits: Limits, stop: Event | None = None) -> SamplePlan:
    """The work that a body asks for. Raises RequestError for anything wrong with it, or beyond the limits.

    stop: see `parsed`.
    """
    how = body.sampling()
    must_take_few(body.steps, limits)
    asked = parsed(generator, body.asked(), body.n, limits, body.extrapolate, stop)
    must_hold_samples(body.n * len(asked), generator.shape)
    generator.stream(asked, body.n, body.seed, limits.batch, how)  # refuses wrong settings; generates nothing yet
    return SamplePlan(asked, body.n, body.seed, how)


def must_take_few(steps: int | None, limits: Limits) -> None:
    """Raise RequestError for more integration steps than the limit."""
    if steps is not None and steps > limits.steps:
        raise RequestError(f"This server takes {limits.steps:,} steps at most, not {steps:,}.")


def parsed(
    generator: Generator,
    several: Sequence[Requestable],
    n: int,
    limits: Limits,
    extrapolate: bool = False,
    stop: Event | None = None,
) -> list[Request]:
    """The requests that texts or mappings stand for. Raises RequestError, also for more samples than the limit.

    stop: set as soon as nobody waits for them any more. GoneError is then raised instead of reading the next one.
    """
    found: list[Request] = []
    for each in several or [""]:
        if stop and stop.is_set():
            raise GoneError
        must_not_read(each)
        found += generator.requests(each, extrapolate)
        if n * len(found) > limits.samples:
            raise RequestError(
                f"{len(found):,} requests for {n:,} samples each would be {n * len(found):,}, and this server makes "
                f"{limits.samples:,} at once. Ask for fewer ({setting(n=max(limits.samples // len(found), 1))}), or in "
                "several parts, each with its own first seed."
            )
    return found


def must_not_read(asked: Requestable | Sequence[Requestable]) -> None:
    """Raise RequestError for a request by example, which would read a file of the server."""
    if any(names_a_file(text) for text in _texts(asked)):
        raise RequestError("A server reads no files for a request by example. Send the numbers themselves as a list.")


def _texts(asked: object) -> Iterator[str]:
    """All texts in a request."""
    if isinstance(asked, str):
        yield asked
    elif isinstance(asked, Mapping):
        yield from (text for value in asked.values() for text in _texts(value))
    elif isinstance(asked, Sequence):
        yield from (text for value in asked for text in _texts(value))
