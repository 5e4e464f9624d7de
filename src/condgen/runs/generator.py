"""The interface of everything that answers requests with samples."""

import os
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from condgen.errors import CondgenWarning, RequestError
from condgen.imprint import Origin
from condgen.outputs import new_folder
from condgen.progress import SILENT, Progress
from condgen.requests.completion import IN_A_LIST
from condgen.requests.keywords import by_keywords
from condgen.requests.request import Request, Requestable, parse_requests
from condgen.rng import Stream
from condgen.runs.limits import FEW, must_fit_on_disk
from condgen.runs.samples import Samples
from condgen.runs.sampling import BATCH, Part, SamplingOptions
from condgen.runs.writer import BATCHES, SamplesWriter
from condgen.schema import Condition, Schema
from condgen.versions import versions

if TYPE_CHECKING:
    from condgen.data import DataSource
    from condgen.runs.editing import EditOptions


@runtime_checkable
class Generator(Protocol):
    """Answers requests with samples. A run is one.

    A class that inherits from this one says its schema, its shape and its fingerprint, and answers requests `together`.
    """

    @property
    def schema(self) -> Schema:
        """The attributes that can be asked for."""

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one observation: (channel, height, width) or (dimension,)."""

    @property
    def fingerprint(self) -> str:
        """A digest of everything that samples depend on besides the arguments of `stream`."""

    def together(self, parts: Sequence[Part], sampling: SamplingOptions | None = None) -> Samples:
        """The samples of several requests, generated in one batch: of each part in turn, one per seed.

        Each is the sample that `stream` gives for this request and seed, within the rounding of numbers.
        """

    def requests(self, asked: Requestable | Sequence[Requestable] = (), extrapolate: bool = False) -> list[Request]:
        """The requests that texts or mappings stand for. Raises RequestError for wrong ones."""
        several = [asked] if isinstance(asked, str | Mapping) or not isinstance(asked, Iterable) else asked
        found = [request for each in several for request in parse_requests(each, self.schema, extrapolate)]
        return found or [Request({}, "anything")]

    def stream(
        self,
        asked: Sequence[Request],
        n: int,
        seed: int = 0,
        batch: int = BATCH,
        sampling: SamplingOptions | None = None,
        skip: int = 0,
    ) -> Iterator[Samples]:
        """n samples of every request, in batches and in order. Sample k of each request has the seed `seed + k`.

        skip: number of samples of whole batches to leave out, from the first.

        Raises RequestError for a wrong number, seed or setting before anything is generated.
        """
        must_be_numbers(n, seed)
        how = sampling or SamplingOptions()
        if isinstance(self, HasModel):
            how.validate_for(self.model)
        return _batches(self, asked, range(seed, seed + n), batch, how, skip)


@runtime_checkable
class HasModel(Protocol):
    """A generator whose model is in this process, and tells which settings of sampling it has."""

    model: Any


@runtime_checkable
class Editor(Protocol):
    """A generator that may be able to change attributes of given observations. A run is one."""

    def must_edit(self) -> None:
        """Raise RequestError unless the model can encode an observation and decode it under another condition."""

    def stated(self, request: Request, n: int) -> Condition:
        """The condition of n observations that a request describes."""

    def edit(
        self,
        x: Any,
        source: Any = None,
        change: Any = None,
        seed: int = 0,
        editing: "EditOptions | None" = None,
        mask: Any = None,
    ) -> Samples:
        """Each observation [n, *shape], with the requested attributes changed where the mask is 1.

        source: their condition. By default their own or, of bare observations, what the model reads.
        """


@runtime_checkable
class Reader(Protocol):
    """A generator that may be able to tell the attributes of given observations. A run is one."""

    def read(self, x: Any) -> Condition:
        """The most likely condition of each observation [n, *shape]. Raises RequestError if the model cannot tell."""


def must_be_numbers(n: int, seed: int) -> None:
    """Raise RequestError for a number of samples or a seed that no sample can have."""
    for what, number in (("number of samples", n), ("seed", seed)):
        if not isinstance(number, Integral):
            raise RequestError(f"The {what} must be a whole number, not {number!r}. {IN_A_LIST}")
    if n < 1:
        raise RequestError(f"The number of samples must be at least 1, not {n}.")
    if n > Stream.CONDITION:
        raise RequestError(f"The number of samples must be at most 2^40, not {n:,}.")
    if not 0 <= seed <= Stream.CONDITION - n:
        raise RequestError(f"The seed must be at least 0 and below 2^40, not {seed}.")


def _batches(
    generator: Generator, asked: Sequence[Request], seeds: range, batch: int, how: SamplingOptions, skip: int
) -> Iterator[Samples]:
    """The samples of each request with these seeds, after those to skip."""
    for index, request in enumerate(asked):
        for start in range(0, len(seeds), batch):
            part = Part(request, seeds[start : start + batch])
            if skip >= len(part.seeds):
                skip -= len(part.seeds)
            else:
                samples = generator.together([part], how)
                yield replace(samples, request=samples.request + index)


def editor(generator: Generator) -> Editor:
    """The generator as one that edits. Raises RequestError if it cannot."""
    if not isinstance(generator, Editor):
        raise RequestError("This model cannot edit.")
    generator.must_edit()
    return generator


def reader(generator: Generator) -> Reader:
    """The generator as one that tells attributes. Raises RequestError if it cannot."""
    if not isinstance(generator, Reader):
        raise RequestError("This model cannot tell what the images show. Say it (`source`).")
    return generator


EDIT = ("source", "seed", "editing", "mask")  # arguments of an edit that are no attributes


def one_change(generator: Generator, change: Requestable | Request | None, attributes: Mapping[str, Any]) -> Request:
    """The change that an edit makes, in words or by keywords. Raises RequestError for a wrong one, several or none."""
    if isinstance(change, Request):
        return change
    if change is None and not attributes:
        raise RequestError(f"Say what to change, as in `edit(x, {generator.schema.example.split('; ')[0]!r})`.")
    asked = by_keywords(generator.schema, change or (), attributes, EDIT, "setting of an edit")
    found = generator.requests(asked)
    if len(found) > 1:
        raise RequestError(f"'{change or asked}' stands for {len(found)} requests; edit one at a time.")
    tell(found)
    return found[0]


def vague(request: Request, schema: Schema) -> str:
    """The terms of a request that leave a choice of values, which would be drawn at random. Empty without any."""
    return ", ".join(c.text(schema[name]) for name, c in request.constraints.items() if not c.exact)


def tell(asked: Sequence[Request]) -> None:
    """Warn about words of a request that were guessed or left out."""
    for request in asked:
        if request.notes:
            warnings.warn(request.understood, CondgenWarning, stacklevel=4)


def edits(generator: Generator) -> bool:
    """Whether a generator edits."""
    try:
        editor(generator)
    except RequestError:
        return False
    return True


@runtime_checkable
class Threaded(Protocol):
    """A generator that computes in threads of this process. A run is one."""

    def use_threads(self, most: int) -> None:
        """Compute with so many threads from now on, when the calling thread asks."""


@runtime_checkable
class Sheds(Protocol):
    """A generator that can forget its weights, and from then on only says what it can be asked. A run is one."""

    def shed(self) -> None:
        """Forget the weights."""


@runtime_checkable
class Sourced(Protocol):
    """A generator that may know its training data. A run is one."""

    @property
    def source(self) -> "DataSource":
        """The source of its training data."""

    def must_have_data(self) -> None:
        """Raise RunError if its data cannot be loaded, as far as that is known without loading it."""

    def data(self, address: str | None = None, progress: Progress | None = None) -> Any:
        """Its training data. Raises RunError."""


def name_of(generator: Generator) -> str:
    """The name of a generator's folder or file, or the name by which it is served. Empty if it has none."""
    path = getattr(generator, "path", None)
    if path is None:
        return str(getattr(generator, "name", ""))
    whole = Path(os.path.abspath(path))
    return whole.stem if whole.is_file() else whole.name


MANY = 10_000  # samples beyond which their room on the disk is estimated first


def save_answers(
    generator: Generator,
    asked: Sequence[Request],
    n: int,
    seed: int,
    folder: Path,
    *,
    sampling: SamplingOptions | None = None,
    batch: int = BATCH,
    progress: Progress = SILENT,
) -> Path:
    """Write n samples of every request into a new folder, as `save_samples` does.

    If a process was killed at the same, its finished batches are kept: every sample has its own seed, so the rest fits.
    """
    how, labels = sampling or SamplingOptions(), [request.text for request in asked]
    request: dict[str, object] = {"by": generator.fingerprint, "requests": labels, "n": n, "seed": seed, "batch": batch}
    request |= {"sampling": how.dump(), **versions()}
    generator.stream(asked, n, seed, batch, how)  # refuses a wrong request
    if n * len(asked) > MANY:
        must_fit_on_disk(next(generator.stream(asked[:1], min(n, FEW), seed, batch, how)), n * len(asked), folder)
    with new_folder(folder, "the samples", request, BATCHES) as partial:
        origin = Origin(labels, name_of(generator), generator.fingerprint, how.given)
        writer = SamplesWriter(partial, generator.schema, labels, origin)
        if writer.done:
            progress.note(f"{writer.done:,} of {n * len(asked):,} samples are there from before; the rest follows.")
        shown = writer.write(generator.stream(asked, n, seed, batch, how, writer.done))
    return folder / shown.name
