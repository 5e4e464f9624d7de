"""Disks that are full, fail or are interrupted in the middle of a call: one paragraph, and nothing is lost."""

import errno
import os
import random
import resource
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

from condgen.errors import CondgenError
from condgen.files import write_text
from condgen.runs.generator import save_answers
from condgen.runs.run import Run
from condgen.training import checkpoint

from .world import World, same_files

CALLS = ("fsync", "replace", "mkdir", "open", "link", "write")
ERRORS = (errno.ENOSPC, errno.EIO, errno.EDQUOT)


@contextmanager
def failing(number: int, error: int) -> Iterator[list[int]]:
    """Let the file system's call of this number fail."""
    calls: list[int] = []

    def failing_once(call: Callable[..., Any]) -> Callable[..., Any]:
        def harmed(*arguments: Any, **options: Any) -> Any:
            calls.append(1)
            if len(calls) == number:
                raise OSError(error, os.strerror(error))
            return call(*arguments, **options)

        return harmed

    one_by_one = mock.patch("condgen.files.WAITING", 1)
    with one_by_one, mock.patch.multiple(os, **{name: failing_once(getattr(os, name)) for name in CALLS}):
        yield calls


@contextmanager
def short(size: int) -> Iterator[None]:
    """Let every file end after so many bytes, as on a full disk: whoever writes it, also in Rust or C."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@contextmanager
def interrupted(seconds: float) -> Iterator[None]:
    """Let signals arrive again and again, so that the system's calls end with EINTR."""
    before = signal.signal(signal.SIGALRM, lambda *_: None)
    signal.siginterrupt(signal.SIGALRM, True)
    signal.setitimer(signal.ITIMER_REAL, seconds, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@contextmanager
def slow(seconds: float, chance: random.Random) -> Iterator[None]:
    """Let the file system's calls take up to so many seconds each, in this process and those that it starts."""

    def late(call: Callable[..., Any]) -> Callable[..., Any]:
        def waited(*arguments: Any, **options: Any) -> Any:
            time.sleep(chance.uniform(0, seconds))
            return call(*arguments, **options)

        return waited

    with mock.patch.multiple(os, **{name: late(getattr(os, name)) for name in CALLS}):
        yield


@contextmanager
def jumping(hours: float, chance: random.Random) -> Iterator[None]:
    """Let the clock jump by up to so many hours whenever it is read, in this process and those that it starts."""
    right = time.time

    def wrong() -> float:
        return right() + 3600 * chance.uniform(-hours, hours)

    with mock.patch.object(time, "time", wrong):
        yield


class Faults:
    """Failing calls, files that end too early, and interrupted calls, while condgen writes."""

    def __init__(self, world: World):
        self.world = world
        self.run = Run.open(world.run)
        self.info, self.tensors = checkpoint.load(world.run / checkpoint.FILE)

    def calls(self, chance: random.Random, place: Path) -> None:
        self._must_hold(chance, place, failing(chance.randint(1, 30), chance.choice(ERRORS)))

    def full(self, chance: random.Random, place: Path) -> None:
        self._must_hold(chance, place, short(int(2 ** chance.uniform(0, 18))))

    def interruptions(self, chance: random.Random, place: Path) -> None:
        self._must_hold(chance, place, interrupted(chance.uniform(2e-4, 2e-3)))

    def _must_hold(self, chance: random.Random, place: Path, harm: Any) -> None:
        write = chance.choice([self._checkpoint, self._text, self._samples])
        write(place, harm)

    def _checkpoint(self, place: Path, harm: Any) -> None:
        path = place / checkpoint.FILE
        shutil.copyfile(self.world.run / checkpoint.FILE, path)
        self.info.images = 7
        _refused(lambda: checkpoint.advance(path, self.info, self.tensors), harm)
        assert checkpoint.load(path)[0].images >= 7
        self.info.images = 8
        checkpoint.advance(path, self.info, self.tensors)
        assert checkpoint.load(path)[0].images == 8

    def _text(self, place: Path, harm: Any) -> None:
        old, new = "old" * 99, "new" * 9999
        path = write_text(place / "a.txt", old)
        _refused(lambda: write_text(path, new), harm)
        assert path.read_text() in (old, new)
        left = [file.name for file in place.iterdir() if not file.name.endswith(".partial")]  # whose removal failed
        assert left == ["a.txt"]

    def _samples(self, place: Path, harm: Any) -> None:
        def write(out: Path) -> Path:
            return save_answers(self.run, self.run.requests("digit=3|4"), 12, 0, out, batch=5)

        write(place / "whole")
        _refused(lambda: write(place / "out"), harm)
        if not (place / "out").exists():
            write(place / "out")
        same_files(place / "out", place / "whole")


def _refused(action: Callable[[], object], harm: Any) -> None:
    """An action under harm either works or says in one paragraph what is wrong."""
    said = ""
    try:
        with harm:
            action()
    except CondgenError as error:
        said = str(error)
    assert "\n" not in said
