"""An accepted request as the event loop sees it: its samples as they are made, its deadline, its end."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

from starlette.requests import Request

from condgen.errors import CondgenError
from condgen.runs.samples import Samples
from condgen.serving.batching import Batcher, Deliver, Job, Outcome

T = TypeVar("T")


class LateError(CondgenError):
    """A request's deadline has passed."""

    def __init__(self, seconds: int | float):
        super().__init__(f"The answer was not ready within {seconds:g} s. Ask for fewer samples, or later.")


class GoneError(Exception):
    """The client has closed the connection."""


class Deadline:
    """The time until which a request has to be answered, a number of seconds from now."""

    def __init__(self, seconds: int | float):
        self.error = LateError(seconds)
        self.until = asyncio.get_running_loop().time() + seconds

    async def keep(self, work: Awaitable[T]) -> T:
        """The result of waiting. Raises LateError, and waits no longer, at the deadline."""
        timeout = asyncio.timeout_at(self.until)
        try:
            async with timeout:
                return await work
        except TimeoutError:
            if timeout.expired():
                raise self.error from None
            raise


class Ticket:
    """A job that a batcher has accepted, until its answer is sent, its deadline has passed or the client has gone.

    job: makes the job, given the function that it delivers to. Raises FullError and ClosedError.
    """

    def __init__(self, batcher: Batcher, job: Callable[[Deliver], Job], deadline: Deadline):
        self._loop = asyncio.get_running_loop()
        self._made: asyncio.Queue[Outcome] = asyncio.Queue()
        self._batcher, self._job = batcher, job(self._from_the_thread)
        self._batcher.accept(self._job)
        self._timer = self._loop.call_at(deadline.until, self._expire, deadline.error)

    def _from_the_thread(self, outcome: Outcome) -> None:
        with suppress(RuntimeError):  # the loop is closed, so nobody waits
            self._loop.call_soon_threadsafe(self._made.put_nowait, outcome)

    def _expire(self, error: LateError) -> None:
        self._batcher.release(self._job)
        while not self._made.empty():
            self._made.get_nowait()
        self._made.put_nowait(error)

    def close(self) -> None:
        """Release the job: it is answered, or nobody waits for it any more."""
        self._timer.cancel()
        self._batcher.release(self._job)

    async def parts(self) -> AsyncIterator[Samples]:
        """All samples in parts, as they are made. Raises the job's error, or LateError."""
        left = self._job.size
        while left:
            outcome = await self._made.get()
            if isinstance(outcome, Exception):
                raise outcome
            left -= len(outcome)
            yield outcome

    async def whole(self) -> list[Samples]:
        """All parts, in the order of requests and seeds."""
        return [part async for part in self.parts()]


async def unless_gone(request: Request, work: Awaitable[T]) -> T:
    """The result of waiting. Raises GoneError as soon as the client has closed the connection."""
    made, gone = asyncio.ensure_future(work), asyncio.ensure_future(_gone(request))
    try:
        await asyncio.wait((made, gone), return_when=asyncio.FIRST_COMPLETED)
        if not made.done():
            raise GoneError
        return made.result()
    finally:
        made.cancel()
        gone.cancel()


async def _gone(request: Request) -> None:
    """Return when the client has closed the connection."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
