"""A model's sampling in a process of its own, beside the event loop.

Python computes in one thread of a process at a time. So a model in a thread waits for the answers that the event loop
writes, and they for the model.
"""

import logging
import multiprocessing
import signal
import traceback
import warnings
from collections.abc import Sequence
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
from condgen.runs.sampling import Part, SamplingOptions

log = logging.getLogger("condgen.serving")
SPAWN = multiprocessing.get_context("spawn")  # a copy of this process would share the locks of its threads


class ModelProcess:
    """A process that samples with a model. It keeps nothing, and ends with the process that began it.

    generator: the model as it was read here.
    place: where the process reads it. If another model is there by then, samples are computed here.
    threads: number of threads in which the process computes. None leaves it as it is.
    """

    def __init__(self, generator: Generator, place: str | Path, threads: int | None = None):
        self._generator = generator
        self._arguments = (str(place), threads)
        self._begin()

    def together(self, parts: Sequence[Part], sampling: SamplingOptions | None = None) -> Samples:
        """The samples of several requests, as `Generator.together` gives them, in arrays of NumPy.

        Raises the library's errors as they are, RuntimeError for any other, which tells where it was raised, and
        RunError if the process ended over it. The next call begins another one.
        """
        if self._usable and not self._process.is_alive():
            self._begin()
        if not self._usable:
            return self._generator.together(parts, sampling)
        try:
            self._pipe.send((parts, sampling))
            outcome = self._pipe.recv()
        except (EOFError, OSError):
            self._end()
            raise RunError("The process that computes the model's samples ended. Was it out of memory?") from None
        if isinstance(outcome, Exception):
            raise outcome
        assert isinstance(outcome, Samples)
        return outcome

    def close(self) -> None:
        """End the process, and use it no more."""
        self._usable = False
        self._end()

    def _begin(self) -> None:
        self._pipe, theirs = SPAWN.Pipe()
        self._process = SPAWN.Process(target=_answer_all, args=(theirs, *self._arguments), name="condgen-model")
        self._process.start()
        theirs.close()
        Finalize(self, self._process.kill, exitpriority=0)  # also where nobody closed it
        self._usable = self._told() == self._generator.fingerprint
        if not self._usable:
            log.warning("%s is another model by now, so this one computes beside the answers.", self._arguments[0])
            self._end()

    def _told(self) -> object:
        """The fingerprint of the model that the process has read. None if it has read none."""
        with suppress(EOFError, OSError):
            return self._pipe.recv()
        return None

    def _end(self) -> None:
        self._process.kill()
        self._process.join()
        self._pipe.close()


def _answer_all(pipe: Connection, place: str, threads: int | None) -> None:
    """Read the model, tell its fingerprint, and answer until the other end of the pipe is closed."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # the server decides when it ends: when everything is answered
    warnings.simplefilter("ignore")  # the server has told them
    generator = open_generator(place)
    if threads and isinstance(generator, Threaded):
        generator.use_threads(threads)
    with suppress(EOFError, OSError):
        pipe.send(generator.fingerprint)
        while True:
            pipe.send(_outcome(generator, *pipe.recv()))


def _outcome(generator: Generator, parts: Sequence[Part], sampling: SamplingOptions | None) -> Samples | Exception:
    try:
        return _in_numpy(generator.together(parts, sampling))
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
