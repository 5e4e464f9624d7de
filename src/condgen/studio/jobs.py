"""Jobs: commands of condgen that the studio runs, each in a process of its own, and their records on disk.

A job outlives the studio if that is killed: its process writes to files, and the next studio takes it up again.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, fields
from pathlib import Path
from signal import SIGINT, SIGTERM
from threading import RLock
from typing import Any, Literal
from uuid import uuid4

import psutil

from condgen.errors import CondgenError
from condgen.files import read_log, write_text
from condgen.studio.following import EVENTS, Said
from condgen.studio.spelling import spell

Kind = Literal["train", "resume", "evaluate", "doctor", "judge"]
State = Literal["queued", "running", "done", "stopped", "failed"]
TRAININGS = ("train", "resume")
FOLDER, RECORD, OUTPUT = ".jobs", "job.json", "output"
PROGRAM = (sys.executable, "-m", "condgen.cli")
KEPT = 50  # number of records
LOOK = 10.0  # seconds between looks at a process
PATIENCE = 300.0  # seconds without a word after a signal to stop, before the next, a harder one
INTERRUPTED = (130, 143, -SIGINT, -SIGTERM)  # exit statuses after Ctrl-C and SIGTERM


class NoJobError(CondgenError):
    """There is no job of this name."""


@dataclass
class Job:
    """A command of condgen, waiting, at work or ended.

    model: the name of the model that it makes or measures.
    run: its folder.
    process: the number of its process, and the time at which that started, since numbers are used again.
    stopping: somebody has asked it to stop.
    error: the reason why it failed.
    """

    id: str
    kind: Kind
    model: str
    run: str
    command: list[str]
    created: float
    state: State = "queued"
    process: tuple[int, float] | None = None
    stopping: bool = False
    error: str = ""
    ended: float | None = None
    said: Said = field(default_factory=Said, repr=False)

    @property
    def over(self) -> bool:
        """Whether it has ended."""
        return self.state not in ("queued", "running")

    @property
    def trains(self) -> bool:
        """Whether it trains a model."""
        return self.kind in TRAININGS

    def record(self) -> dict[str, Any]:
        """The job as plain data."""
        return {each.name: getattr(self, each.name) for each in fields(self) if each.name != "said"}


class Jobs:
    """The jobs of a studio. One training and one measurement run at a time, and others wait.

    runs: the folder for new runs. Records are in a folder of it.
    ended: called with every job whose process has ended, in another thread. It may give the model another name.
    """

    def __init__(self, runs: Path, ended: Callable[[Job], None] = lambda job: None):
        self.runs = runs
        self._ended = ended
        self._lock = RLock()
        self._lanes = {trains: ThreadPoolExecutor(1, "condgen-job") for trains in (True, False)}
        self._jobs = {job.id: job for job in _recorded(runs / FOLDER)}
        for job in self._jobs.values():
            if not job.over:
                self._take_up(job)

    def __iter__(self) -> Any:
        """All jobs, the newest first."""
        with self._lock:
            return iter(sorted(self._jobs.values(), key=lambda job: -job.created))

    def __getitem__(self, id: str) -> Job:  # noqa: A002 (its name everywhere)
        """A job. Raises NoJobError."""
        with self._lock:
            if id not in self._jobs:
                raise NoJobError("There is no such job. The list of jobs has its name.")
            return self._jobs[id]

    def folder(self, job: Job) -> Path:
        """The folder with a job's record and output."""
        return self.runs / FOLDER / job.id

    def said(self, job: Job) -> dict[str, Any]:
        """The things that a job has said so far, as plain data."""
        with self._lock:
            job.said.read(self.folder(job) / EVENTS)
            return job.said.as_dict()

    def output(self, job: Job) -> str:
        """The result that a job's command has printed."""
        return (self.folder(job) / OUTPUT).read_text(encoding="utf-8", errors="replace")

    def start(self, kind: Kind, model: str, run: Path, command: Sequence[str]) -> Job:
        """Start a command, or let it wait for its turn. Raises RunError if nothing can be written."""
        job = Job(uuid4().hex[:12], kind, model, str(run), list(command), time.time())
        with self._lock:
            self._keep(job)
            self._jobs[job.id] = job
            self._forget_old()
        self._lanes[job.trains].submit(self._work, job)
        return job

    def stop(self, job: Job) -> None:
        """Stop a job as Ctrl-C does, so that a training saves. Returns at once."""
        with self._lock:
            if job.over or job.stopping:
                return
            job.stopping = True
            if job.state == "queued":
                self._end(job, "stopped")
            else:
                self._keep(job)
                _signal(job, SIGINT)

    def close(self) -> None:
        """Stop all jobs, and wait until they have saved."""
        for job in self:
            self.stop(job)
        for lane in self._lanes.values():
            lane.shutdown()

    def _work(self, job: Job) -> None:
        """Run a job to its end, in the thread of its lane."""
        with self._lock:
            if job.over:
                return
            try:
                process = _started(job.command, self.folder(job))
            except OSError as error:
                self._end(job, "failed", f"The process could not be started: {error}.")
                return
            job.process, job.state = (process.pid, process.create_time()), "running"
            self._keep(job)
        self._wait(job, process)

    def _wait(self, job: Job, process: psutil.Process) -> None:
        """Wait for a process, and record how it ended.

        One that is to stop and says nothing for long gets a harder signal. One that saves must not be disturbed: a
        third signal ends a training at once.
        """
        status, asked = None, time.time()
        while _is_at_work(process):
            with suppress(psutil.TimeoutExpired):
                status = process.wait(LOOK)
                break
            if not job.stopping:
                asked = time.time()
            elif time.time() - max(asked, self._last_word(job)) > PATIENCE:
                _signal(job, SIGTERM)
                asked = time.time()
        self._ended(job)  # first, so that a model is there as soon as its training is over
        with self._lock:
            self._end(job, *_outcome(job, status, self.folder(job)))

    def _last_word(self, job: Job) -> float:
        """The time at which a job has last said something. 0 if it never has."""
        events = self.folder(job) / EVENTS
        return events.stat().st_mtime if events.exists() else 0.0

    def _take_up(self, job: Job) -> None:
        """Follow a job of an earlier studio. One that had not begun is over, and so is one whose process is gone."""
        if (process := _process(job)) is not None:
            self._lanes[job.trains].submit(self._wait, job, process)
        else:
            self._end(job, *_outcome(job, None, self.folder(job)))

    def _end(self, job: Job, state: State, error: str = "") -> None:
        job.state, job.error, job.ended = state, error, time.time()
        self._keep(job)

    def _keep(self, job: Job) -> None:
        write_text(self.folder(job) / RECORD, json.dumps(job.record()))

    def _forget_old(self) -> None:
        """Remove the records of old jobs, never those of runs. The caller holds the lock."""
        for job in [each for each in self if each.over][KEPT:]:
            del self._jobs[job.id]
            for file in self.folder(job).iterdir():
                file.unlink()
            self.folder(job).rmdir()


def _started(command: Sequence[str], folder: Path) -> psutil.Popen:
    """The process of a command, in a session of its own: a Ctrl-C at the studio's terminal does not reach it."""
    with (folder / OUTPUT).open("w") as output, (folder / EVENTS).open("w") as events:
        return psutil.Popen(
            [*PROGRAM, *command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=events,
            env=environment(),
            start_new_session=True,
        )


def environment() -> dict[str, str]:
    """The environment of a command whose progress the studio reads."""
    return os.environ | {"CONDGEN_PROGRESS": "json"}


def _process(job: Job) -> psutil.Process | None:
    """The process of a job, if it is still at work."""
    with suppress(psutil.Error):
        if job.process and (found := psutil.Process(job.process[0])).create_time() == job.process[1]:
            return found
    return None


def _is_at_work(process: psutil.Process) -> bool:
    """Whether a process is running. A zombie, which a container may keep, is not."""
    with suppress(psutil.NoSuchProcess):
        return isinstance(process, psutil.Popen) or process.status() != psutil.STATUS_ZOMBIE
    return False


def _signal(job: Job, number: int) -> None:
    if (process := _process(job)) is not None:
        with suppress(psutil.Error):
            process.send_signal(number)


def _outcome(job: Job, status: int | None, folder: Path) -> tuple[State, str]:
    """The state in which a job has ended, and its error. status: of its process, None if nobody could see it.

    Every command prints its result last.
    """
    said = Said()
    said.read(folder / EVENTS)
    output = folder / OUTPUT
    if status == 0 or (status is None and output.exists() and output.stat().st_size):
        return "done", ""
    if status in INTERRUPTED or (status is None and (job.stopping or not said.error)):
        return "stopped", ""
    last = said.notes[-1] if said.notes else "it said nothing; perhaps memory ran out"
    return "failed", spell(said.error) or f"The process ended with status {status}: {last}."


def _recorded(folder: Path) -> list[Job]:
    """The jobs that are recorded in a folder. A record that cannot be read is left alone."""
    found = [entry for path in folder.glob(f"*/{RECORD}") for entry in read_log(path)]
    jobs: list[Job] = []
    for entry in found:
        with suppress(TypeError):
            jobs.append(Job(**entry | {"process": entry.get("process") and tuple(entry["process"])}))
    return jobs
