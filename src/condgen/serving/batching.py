"""Dynamic batches: one thread owns a model and answers all requests for it, as many at once as fit.

Requests with equal settings share a batch. Long ones take turns with the others, one batch a turn.
"""

import math
import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import accumulate
from operator import methodcaller
from typing import Any

from condgen.arrays import namespace
from condgen.errors import CondgenError
from condgen.requests.request import Request
from condgen.runs.generator import Generator, Threaded
from condgen.runs.samples import Samples
from condgen.runs.sampling import Part, SamplingOptions
from condgen.serving.limits import Limits
from condgen.serving.process import ModelProcess, NotBegunError, Work

Outcome = Samples | Exception
Deliver = Callable[[Outcome], None]
MEMORY = 0.2  # weight of the latest batch in the means by which the time of a sample is estimated


class FullError(CondgenError):
    """Too much work is waiting. after: seconds until there should be room."""

    def __init__(self, after: int):
        super().__init__(f"Too much work is waiting. Try again in {after} s.")
        self.after = after


class ClosedError(CondgenError):
    """The server is about to stop and accepts no more."""

    def __init__(self) -> None:
        super().__init__("The server is about to stop and accepts no more requests.")


class Job(ABC):
    """Work that a model's thread was given.

    left: number of samples that are not generated yet.
    size: that number at first.
    deliver: called in the model's thread with each part of the result, or with the error that ends the job.
    """

    def __init__(self, size: int, deliver: Deliver):
        self.size = self.left = size
        self.deliver = deliver

    @abstractmethod
    def shares(self, other: "Job") -> bool:
        """Whether the two may be in one batch."""


class Sampling(Job):
    """n samples of each request."""

    def __init__(self, asked: Sequence[Request], n: int, seed: int, how: SamplingOptions, deliver: Deliver):
        super().__init__(len(asked) * n, deliver)
        self.how = how
        self._pending = deque((k, Part(request, range(seed, seed + n))) for k, request in enumerate(asked))

    def shares(self, other: Job) -> bool:
        """Whether the other samples with equal settings."""
        return isinstance(other, Sampling) and self.how == other.how

    def take(self, most: int) -> Iterator[tuple[int, Part]]:
        """The next parts, each with the index of its request, of at most so many samples together."""
        while most and self._pending:
            index, part = self._pending.popleft()
            if rest := part.seeds[most:]:
                self._pending.appendleft((index, replace(part, seeds=rest)))
            now = part.seeds[:most]
            most -= len(now)
            self.left -= len(now)
            yield index, replace(part, seeds=now)


class Errand(Job):
    """A call that has the model to itself, such as an edit of `size` observations.

    makes: number of samples that it generates, by default one for each observation. 0 where it only reads them.
    """

    def __init__(self, call: Work, size: int, deliver: Deliver, makes: int | None = None):
        super().__init__(size, deliver)
        self.call, self.makes = call, size if makes is None else makes

    def shares(self, other: Job) -> bool:
        """It shares a batch with nothing."""
        return False


Taken = list[tuple[Sampling, int, Part]]


class Pace:
    """The time that a sample takes, by moving means over batches. So a full batch weighs more than a lone sample."""

    def __init__(self) -> None:
        self._count = self._seconds = 0.0

    def note(self, count: int, seconds: float) -> None:
        """Count a batch. One that failed, without samples, counts for nothing."""
        if count:
            self._count += (count - self._count) * MEMORY
            self._seconds += (seconds - self._seconds) * MEMORY

    @property
    def seconds_per_sample(self) -> float:
        """The estimate. 0 before the first batch."""
        return self._seconds / self._count if self._count else 0.0


class Batcher:
    """A model and the thread that owns it.

    observe: called after every batch with the number of samples that it generated and the seconds that it took.
    process: where the model computes, so that `generator` needs no weights. None computes in the thread.
    """

    def __init__(
        self,
        generator: Generator,
        limits: Limits,
        observe: Callable[[int, float], None] = lambda n, s: None,
        process: ModelProcess | None = None,
    ):
        self.generator = generator
        self._process = process
        self._done: Callable[[Work], Samples] = process or (lambda work: work(generator))
        self.fingerprint = (process or generator).fingerprint
        self._limits, self._observe = limits, observe
        self._jobs: deque[Job] = deque()
        self._accepted: set[Job] = set()
        self._load = 0
        self._pace = Pace()
        self._before = 0  # the last batch's number of samples
        self._until = 0.0  # the time until which those who were in it may ask again
        self._closed = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._work, name="condgen-model", daemon=True)
        self._thread.start()

    @property
    def unanswered(self) -> int:
        """The number of samples that are accepted and not answered yet."""
        return self._load

    def accept(self, job: Job) -> None:
        """Queue a job, which counts as unanswered until it is released. Raises FullError and ClosedError."""
        with self._changed:
            if self._closed:
                raise ClosedError
            self.must_have_room(job.size)
            self._accepted.add(job)
            self._load += job.size
            self._jobs.append(job)
            self._changed.notify_all()

    def must_have_room(self, size: int = 1) -> None:
        """Raise FullError if a job of so many samples would not be accepted at present."""
        if self._load and self._load + size > self._limits.queue:
            until = min(self._load * self._pace.seconds_per_sample, self._limits.deadline)  # by then all is given up
            raise FullError(max(1, math.ceil(until)))

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Count a request as one sample while it is read, so that a flood of them is refused. Raises FullError."""
        with self._changed:
            self.must_have_room()
            self._load += 1
        try:
            yield
        finally:
            with self._changed:
                self._load -= 1

    def release(self, job: Job) -> None:
        """Forget a job that is answered or that nobody waits for any more."""
        with self._changed:
            if job in self._accepted:
                self._accepted.remove(job)
                self._load -= job.size
            if job in self._jobs:
                self._jobs.remove(job)

    def close(self) -> None:
        """Accept no more, and return when everything that was accepted is generated."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join()
        if self._process:
            self._process.close()

    def _work(self) -> None:
        if self._limits.threads and not self._process and isinstance(self.generator, Threaded):
            self.generator.use_threads(self._limits.threads)
        while (batch := self._next()) is not None:
            started = time.perf_counter()
            count = self._errand(batch) if isinstance(batch, Errand) else self._batch(batch)
            seconds = time.perf_counter() - started
            if not isinstance(batch, Errand):  # what one of them takes says nothing of samples
                self._pace.note(count, seconds)
            self._note(count, seconds)

    def _note(self, count: int, seconds: float) -> None:
        self._before, self._until = count, time.perf_counter() + self._limits.wait * seconds
        self._observe(count, seconds)

    def _next(self) -> Taken | Errand | None:
        """The next batch, as soon as there is work. None after the last one of a closed batcher."""
        with self._changed:
            self._changed.wait_for(lambda: self._jobs or self._closed)
            if not self._jobs:
                return None
            self._changed.wait_for(self._enough, max(0.0, self._until - time.perf_counter()))
            return self._gathered()

    def _enough(self) -> bool:
        """Whether the next batch is a quarter of a full one or as large as the one before, or nothing can join it.

        So many clients become two groups that take turns: while a batch is computed for one of them, the answers of the
        other are written, and it asks again.
        """
        if self._closed or not self._jobs or isinstance(self._jobs[0], Errand):
            return True
        enough = min(self._before, max(self._limits.batch // 4, 1))
        return any(count >= enough for count in accumulate(job.left for job in self._jobs if job.shares(self._jobs[0])))

    def _gathered(self) -> Taken | Errand:
        """The first job's turn, filled up with the jobs that may share its batch, in the order of their coming."""
        if self._jobs and isinstance(self._jobs[0], Errand):
            return self._jobs.popleft()  # type: ignore[return-value]
        taken: Taken = []
        for job in [job for job in self._jobs if job.shares(self._jobs[0])]:
            assert isinstance(job, Sampling)
            taken += [(job, index, part) for index, part in job.take(self._limits.batch - _count(taken))]
            if taken and taken[-1][0] is job:
                self._jobs.remove(job)
                if job.left:
                    self._jobs.append(job)  # its next turn comes after everybody else's
        return taken

    def _errand(self, errand: Errand) -> int:
        """The number of samples that it generated."""
        try:
            errand.deliver(self._done(errand.call))
        except Exception as error:
            errand.deliver(error)
            return 0
        return errand.makes

    def _batch(self, taken: Taken) -> int:
        """Generate a batch and deliver everyone's part. If that fails, each job is tried alone, and fails alone, unless
        there is no model to try it with.
        """
        if not taken:
            return 0
        jobs = list(dict.fromkeys(job for job, _, _ in taken))
        try:
            samples = self._done(methodcaller("together", [part for _, _, part in taken], jobs[0].how))
        except Exception as error:
            if len(jobs) > 1 and not isinstance(error, NotBegunError):
                return sum(self._batch([each for each in taken if each[0] is job]) for job in jobs)
            for job in jobs:
                self.release(job)
                job.deliver(error)
            return 0
        self._deliver(taken, samples)
        return len(samples)

    def _deliver(self, taken: Taken, samples: Samples) -> None:
        start = 0
        for job, index, part in taken:
            mine = samples[start : start + len(part.seeds)]
            start += len(part.seeds)
            job.deliver(replace(mine, request=_filled(mine.request, index)))


def _count(taken: Taken) -> int:
    return sum(len(part.seeds) for _, _, part in taken)


def _filled(indices: Any, index: int) -> Any:
    """An array of indices with another one in all places."""
    return namespace(indices).full_like(indices, index)
