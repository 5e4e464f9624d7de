"""The small run that campaigns harm, and the commands of condgen in processes that may be killed."""

import contextlib
import importlib
import os
import random
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

from condgen.errors import RunError
from condgen.outputs import ASKED
from condgen.training import checkpoint

TRAINING = [
    f"--set={pair}" for pair in ("channels=8", "latent=4", "embedding=4", "batch=64", "checkpoint_seconds=0.03")
]
IMAGES, SAMPLES = 4_000, 60
REQUESTS = ["digit=*", "-n", str(SAMPLES), "--seed", "3"]
Setting = Callable[[], contextlib.AbstractContextManager[None]]
PATIENCE = 10.0  # seconds within which the helpers of a killed process have ended, too


@dataclass(frozen=True)
class World:
    """What nobody harmed. run: a finished one. samples: of it. seconds: that each command takes."""

    run: Path
    samples: Path
    seconds: dict[str, float]

    @classmethod
    def make(cls, folder: Path) -> "World":
        """Train and sample, in processes of their own."""
        world = cls(folder / "run", folder / "samples", {})
        world.learn("train", train(world.run), world.run)
        world.learn("sample", sample(world.run, world.samples), world.samples)
        return world

    def learn(self, name: str, arguments: list[str], out: Path, setting: Setting = contextlib.nullcontext) -> None:
        """Let a command end unharmed, and note its time in its setting, without that of importing modules."""
        said = out.with_name(f"{name}.txt")
        finished(arguments, said, warming=True)
        shutil.rmtree(out, ignore_errors=True)
        with setting():
            started = time.monotonic()
            finished(arguments, said)
            self.seconds[name] = time.monotonic() - started


def train(out: Path) -> list[str]:
    return ["train", "digits", "--model", "cvae", "--images", str(IMAGES), "--out", str(out), *TRAINING]


def sample(run: Path, out: Path) -> list[str]:
    return ["sample", str(run), *REQUESTS, "--out", str(out)]


# ---- processes


@contextlib.contextmanager
def process(arguments: list[str], said: Path, imported: Path | None = None) -> Iterator[int]:
    """`condgen ARGUMENTS` in a process, whose output goes into a file; it and its helpers are dead in the end.

    imported: a file for the names of the modules that it imported.
    """
    pid = os.fork()  # not a new interpreter: importing torch takes longer than training
    if pid == 0:
        _become(arguments, said, imported)
    try:
        yield pid
    finally:
        with contextlib.suppress(ProcessLookupError, ChildProcessError):
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        _must_be_alone(pid)


def _must_be_alone(group: int) -> None:
    """Raise AssertionError if a process that a killed one started lives on."""
    ends = time.monotonic() + PATIENCE
    with contextlib.suppress(ProcessLookupError):
        while time.monotonic() < ends:
            os.killpg(group, 0)
            time.sleep(0.01)
        os.killpg(group, signal.SIGKILL)
        raise AssertionError(f"a process that a killed one had started was alive {PATIENCE:.0f} s later")


def _become(arguments: list[str], said: Path, imported: Path | None) -> None:
    status = 70
    try:
        os.setsid()
        file = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(file, 1)
        os.dup2(file, 2)
        sys.argv = ["condgen", *arguments]
        from condgen.cli import main

        main()
        status = 0
    except SystemExit as stopped:
        status = int(stopped.code or 0)
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        with contextlib.suppress(OSError):
            sys.stdout.flush()
            sys.stderr.flush()
            if imported:
                imported.write_text("\n".join(sys.modules))
        os._exit(status)


def wait(pid: int, seconds: float = 300.0) -> int | None:
    """The exit status of a process, negative for a signal; None if it still runs after that time."""
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.002)
    return None


def killed(arguments: list[str], said: Path, after: float) -> bool:
    """Whether a command still ran after so many seconds, and was killed."""
    with process(arguments, said) as pid:
        status = wait(pid, after)
        if status is None:
            return True
    assert status == 0, said.read_text()[-500:]
    return False


def finished(arguments: list[str], said: Path, warming: bool = False) -> None:
    """Let a command end, which must succeed.

    warming: import what it imported into this process too, so that the next such command begins with its own work.
    """
    imported = said.with_suffix(".modules") if warming else None
    with process(arguments, said, imported) as pid:
        status = wait(pid)
    assert status == 0, f"status {status}: {said.read_text()[-500:]}"
    for name in imported.read_text().split() if imported else ():
        if name not in sys.modules:
            with contextlib.suppress(Exception):  # some modules exist only while others are made
                importlib.import_module(name)
    if imported:
        imported.unlink()


# ---- comparisons


def same_bits(run: Path, other: Path) -> None:
    """Raises AssertionError unless two runs ended with the same weights and state of training."""
    (info, tensors), (info_other, tensors_other) = (checkpoint.load(p / checkpoint.FILE) for p in (run, other))
    assert info.images == info_other.images
    assert tensors.keys() == tensors_other.keys()
    assert all(torch.equal(t, tensors_other[name]) for name, t in tensors.items()), "the run ended with other weights"


def same_files(folder: Path, other: Path) -> None:
    """Raises AssertionError unless two folders hold the same, but for the mark of one that was just finished."""
    found, wanted = ({f.name: f.read_bytes() for f in each.iterdir() if f.name != ASKED} for each in (folder, other))
    assert found.keys() == wanted.keys(), sorted(found.keys() ^ wanted.keys())
    assert found == wanted, "a file has other contents"


def has_checkpoint(run: Path) -> bool:
    with contextlib.suppress(RunError):
        return checkpoint.load(run / checkpoint.FILE)[0].images >= 0
    return False


def moment(chance: random.Random, seconds: float) -> float:
    return chance.uniform(0.0, 1.1 * seconds)
