"""The engine of one machine: processes of one thread each, which are started again if they die."""

import os
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from queue import SimpleQueue
from threading import Lock, Thread
from typing import Any

from condgen.bulk.engine import Deaths, Work, gpus, must_be_some, usual_workers
from condgen.bulk.made import Made
from condgen.bulk.pipe import receive, send


class Died(Exception):  # noqa: N818 (a message between threads)
    """A worker process ended without an answer. status: its exit status, negative for a signal."""

    def __init__(self, status: int):
        super().__init__(status)
        self.status = status


class Processes:
    """Processes on this machine.

    workers: their number. By default one per GPU, or one per core without a GPU.
    """

    def __init__(self, workers: int | None = None):
        must_be_some(workers)
        self.workers = workers or usual_workers()

    def run(self, job: Work, shards: Sequence[int]) -> Iterator[Made]:
        """The records of the shards, each when it is finished."""
        pool = _Pool(job, shards)
        try:
            yield from pool.run(min(self.workers, len(shards)))
        finally:
            pool.stop()


class _Pool:
    """A thread per worker process, which gives it one shard after the other."""

    def __init__(self, job: Work, shards: Sequence[int]):
        self._job = job
        self._todo = deque(shards)
        self._all = len(shards)
        self._news: SimpleQueue[Made | Exception] = SimpleQueue()
        self._deaths = Deaths()
        self._workers: set[_Worker] = set()
        self._threads: list[Thread] = []
        self._lock = Lock()
        self._stopped = False

    def run(self, workers: int) -> Iterator[Made]:
        self._threads = [Thread(target=self._follow, args=(number,), daemon=True) for number in range(workers)]
        for thread in self._threads:
            thread.start()
        for _ in range(self._all):
            found = self._news.get()
            if isinstance(found, Exception):
                raise found
            yield found

    def stop(self) -> None:
        """End all processes. Files are written whole or not at all."""
        with self._lock:
            self._stopped = True
            for worker in self._workers:
                worker.stop()
        for thread in self._threads:
            thread.join()

    def _follow(self, number: int) -> None:
        """Give shards to worker after worker, as long as there are any."""
        try:
            while self._todo and not self._stopped:
                self._serve(self._started(number))
        except Exception as error:
            self._news.put(error)

    def _started(self, number: int) -> "_Worker":
        with self._lock:
            worker = _Worker(self._job, number)
            self._workers.add(worker)
            if self._stopped:
                worker.stop()
        return worker

    def _serve(self, worker: "_Worker") -> None:
        """Give shards to a worker until there are none left, or it dies."""
        while True:
            try:
                shard = self._todo.popleft()
            except IndexError:  # another worker may yet die, and its shard come back: its own thread sees to that
                break
            try:
                self._news.put(worker.make(shard))
            except Died as death:
                self._deaths.count(shard, f"by {_how(death.status)}")
                self._todo.appendleft(shard)
                break
        worker.stop()
        with self._lock:
            self._workers.discard(worker)


def _how(status: int) -> str:
    """The end of a process in words."""
    if status >= 0:
        return f"the exit status {status}"
    with suppress(ValueError):
        return f"the signal {signal.Signals(-status).name}"
    return f"the signal {-status}"


class _Worker:
    """A process that runs `condgen.bulk.worker`."""

    def __init__(self, job: Work, number: int):
        self._process = subprocess.Popen(
            [sys.executable, "-m", "condgen.bulk.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **_environment(number)},
        )
        self._send(job)

    def make(self, shard: int) -> Made:
        """The record of a shard. Raises Died if the process does, and the error that it met, if any."""
        self._send(shard)
        try:
            found: Any = receive(self._process.stdout)  # type: ignore[arg-type]
        except EOFError:
            raise Died(self._process.wait()) from None
        if isinstance(found, Exception):
            raise found
        return found

    def stop(self) -> None:
        """End the process at once."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            with suppress(OSError):
                pipe.close()  # type: ignore[union-attr]

    def _send(self, what: object) -> None:
        with suppress(BrokenPipeError):  # its answer will be missing
            send(self._process.stdin, what)  # type: ignore[arg-type]


def _environment(number: int) -> dict[str, str]:
    """The environment of a worker: one thread, one of several GPUs, and the modules of this process."""
    found = {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    there = gpus()
    if there > 1:
        seen = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")
        names = seen if len(seen) == there else [str(k) for k in range(there)]
        found["CUDA_VISIBLE_DEVICES"] = names[number % there]
    return found
