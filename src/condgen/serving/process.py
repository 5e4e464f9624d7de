"""A model in a process of its own, beside the event loop.

Python computes in one thread of a process at a time. So a model in a thread waits for the answers that the event loop
writes, and they for the model.
"""

import multiprocessing
import signal
import traceback
import warnings
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from multiprocessing.connection import Connection
from multiprocessing.util import Finalize
from pathlib import Path
from typing import Any

from condgen.arrays import to_numpy
from condgen.errors import CondgenError, RunError
from condgen.runs.addresses import open_generator
from condgen.runs.generator import Generator, Threaded
from condgen.runs.samples import Samples

SPAWN = multiprocessing.get_context("spawn")  # a copy of this process would share the locks of its threads
ENDING = 5.0  # seconds after which a process that closed its pipe has ended
Work = Callable[[Generator], Samples]


class NotBegunError(RunError):
    """A model's process cannot be begun, so no work for it can be done."""


class ModelProcess:
    """A process that works with a model. It keeps nothing, and ends with the process that began it.

    place: where the process reads the model.
    threads: number of threads in which the process computes. None leaves it as it is.
    fingerprint: of the model that the process has read.

    Raises NotBegunError if the process cannot read the model, with its reason.
    """

    def __init__(self, place: str | Path, threads: int | None = None):
        self._arguments = (str(place), threads)
        self.fingerprint = self._begin()

    def __call__(self, work: Work) -> Samples:
        """The samples of work with the model, in arrays of NumPy. The work is sent, so it has to be picklable.

        Raises the library's errors as they are, RuntimeError for any other, which tells where it was raised, and
        RunError if the process ended over it. The next call begins another one, or raises NotBegunError.
        """
        if not self._process.is_alive():
            self._begin_again()
        try:
            self._pipe.send(work)
            outcome = self._pipe.recv()
        except (EOFError, OSError):
            self._process.join(ENDING)
            reason = reason_of(self._process.exitcode)
            self._end()
            raise RunError(f"The process that computes the model's samples ended{reason}") from None
        if isinstance(outcome, Exception):
            raise outcome
        assert isinstance(outcome, Samples)
        return outcome

    def close(self) -> None:
        """End the process, and use it no more."""
        self._end()

    def _begin(self) -> str:
        """Begin a process. The fingerprint of the model that it has read."""
        self._pipe, theirs = SPAWN.Pipe()
        self._process = SPAWN.Process(target=_work, args=(theirs, *self._arguments), name="condgen-model")
        self._process.start()
        theirs.close()
        Finalize(self, self._process.kill, exitpriority=0)  # also where nobody closed it
        told: str | CondgenError = NotBegunError(f"The process for the model {self._arguments[0]} ended as it began.")
        with suppress(EOFError, OSError):
            told = self._pipe.recv()
        if isinstance(told, str):
            return told
        self._end()
        raise NotBegunError(str(told))

    def _begin_again(self) -> None:
        """Begin a process with the same model as before."""
        if self._begin() != self.fingerprint:
            self._end()
            raise NotBegunError(f"{self._arguments[0]} is another model by now. Ask again when the server has read it.")

    def _end(self) -> None:
        self._process.kill()
        self._process.join()
        self._pipe.close()


def reason_of(status: int | None) -> str:
    """The end of a sentence about a process that ended with this status: by a signal, if it is negative."""
    if status is None:
        return "."
    if status >= 0:
        return f" with status {status}."
    asked = " Was it out of memory?" if -status == signal.SIGKILL else ""
    return f" by signal {-status} ({signal.strsignal(-status)}).{asked}"


def _work(pipe: Connection, place: str, threads: int | None) -> None:
    """Read the model, tell its fingerprint, and work until the other end of the pipe is closed."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # the server decides when it ends: when everything is answered
    warnings.simplefilter("ignore")  # the server has told them
    with suppress(EOFError, OSError):
        try:
            generator = open_generator(place)
        except CondgenError as error:
            return pipe.send(error)
        if threads and isinstance(generator, Threaded):
            generator.use_threads(threads)
        pipe.send(generator.fingerprint)
        while True:
            pipe.send(_outcome(generator, pipe.recv()))


def _outcome(generator: Generator, work: Work) -> Samples | Exception:
    try:
        return _in_numpy(work(generator))
    except CondgenError as error:
        return error
    except Exception:  # of any class, which might not survive the way
        return RuntimeError(traceback.format_exc())


def _in_numpy(samples: Samples) -> Samples:
    """The same samples in arrays of NumPy, which are sent as they are."""
    condition = samples.condition
    values: Any = {name: to_numpy(codes) for name, codes in condition.values.items()}
    present: Any = to_numpy(condition.present)
    others: Any = {name: to_numpy(getattr(samples, name)) for name in ("x", "seeds", "request")}
    return replace(samples, condition=replace(condition, values=values, present=present), **others)
