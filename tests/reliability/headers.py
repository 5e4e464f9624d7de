"""Damage of any JSON's shape to a run's header, and what condgen makes of such a run.

python -m tests.reliability.headers --seconds 60 --seed 0   prints one row of the table in docs/reliability.md
"""

import argparse
import copy
import json
import random
import signal
import struct
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from condgen.errors import CondgenError
from condgen.runs.run import Run
from condgen.runs.train import resume
from condgen.training import Trainer
from condgen.training.checkpoint import FILE

PATIENCE = 20  # seconds within which a run is understood or refused
MEMORY = 2 * 2**30  # bytes that may be taken beyond what is in use already

SCALARS = (
    None, True, False, 0, 1, -1, -5, 2, 7, 255, 10**6, 10**9, 2**31, 2**63, 10**20, 10**400, 0.0, 0.5, -0.5, 1e-300,
    1e308, float("nan"), float("inf"), -float("inf"), "", "0", "nan", "inf", "cvae", "flow", "vae", "digits", "none",
    "random", "hf:", "hf:nobody/nothing", "/dev/zero", "/etc/passwd", "../..", "\x00", "\x1b[2J", "a" * 5000, "ü 漢",
    "group:label", "categorical", "continuous", "vector", "flag", "*", "a=b", "1..2",
)  # fmt: skip


def nested(depth: int) -> Any:
    """Lists in lists, as deep as that."""
    value: Any = []
    for _ in range(depth):
        value = [value]
    return value


def replacement(dice: random.Random) -> Any:
    """A value that does not belong there."""
    kind = dice.randrange(8)
    if kind < 5:
        return dice.choice(SCALARS)
    if kind == 5:
        return [dice.choice(SCALARS) for _ in range(dice.choice((0, 1, 2, 3, 40)))]
    if kind == 6:
        return {str(dice.choice(SCALARS)): dice.choice(SCALARS) for _ in range(dice.choice((0, 1, 3)))}
    return dice.choice((nested(30), nested(400), list(range(3_000)), {f"k{k}": k for k in range(3_000)}))


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The paths of all values in a JSON document but the document itself."""
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield (*path, key)
        yield from places(inner, (*path, key))


def damaged(header: Any, dice: random.Random) -> Any:
    """The header with one to three values replaced, taken out, put in, or put where another one was."""
    header = copy.deepcopy(header)
    for _ in range(dice.choice((1, 1, 1, 2, 3))):
        found = list(places(header))
        if not found:
            return header
        path = dice.choice(found)
        parent = header
        for key in path[:-1]:
            parent = parent[key]
        key, how = path[-1], dice.randrange(6)
        if how == 0:
            del parent[key]
        elif how == 1 and isinstance(parent[key], dict):
            parent[key][str(dice.choice(SCALARS))] = replacement(dice)
        elif how == 1 and isinstance(parent[key], list):
            parent[key] = (
                parent[key] * dice.choice((2, 500)) if dice.random() < 0.5 else [*parent[key], replacement(dice)]
            )
        elif how == 2:
            other = dice.choice(found)
            parent[key] = copy.deepcopy(at(header, other))
        else:
            parent[key] = replacement(dice)
    return header


def at(value: Any, path: tuple[Any, ...]) -> Any:
    """The value at a path; None where there is none any more."""
    for key in path:
        if not ((isinstance(value, dict) and key in value) or (isinstance(value, list) and key in range(len(value)))):
            return None
        value = value[key]
    return value


class Checkpoint:
    """A run's checkpoint, whose header can be replaced without touching its tensors."""

    def __init__(self, run: Path):
        content = (run / FILE).read_bytes()
        end = 8 + struct.unpack("<Q", content[:8])[0]
        self.index, self.tensors = json.loads(content[8:end]), content[end:]
        self.header = json.loads(self.index["__metadata__"]["condgen"])

    def written(self, header: Any, folder: Path) -> Path:
        """A run in a folder with another header."""
        return self.written_as(json.dumps(header), folder)

    def written_as(self, text: str, folder: Path) -> Path:
        """A run in a folder with this text for a header."""
        metadata = {"condgen": text}  # without digests, as a person who damages it on purpose would
        index = json.dumps({**self.index, "__metadata__": metadata}).encode()
        index += b" " * (-len(index) % 8)
        folder.mkdir(exist_ok=True)
        (folder / FILE).write_bytes(struct.pack("<Q", len(index)) + index + self.tensors)
        return folder


class HungError(Exception):
    """Something took longer than it may."""


@contextmanager
def deadline(seconds: int) -> Iterator[None]:
    """Raises HungError within, after so many seconds."""

    def ring(*_: object) -> None:
        raise HungError(f"still busy after {seconds} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def one_step(trainer: Trainer) -> None:
    """In place of training to the end."""
    for x, condition in trainer.batches():
        trainer.step(x, condition)
        return


def used(folder: Path) -> None:
    """Everything that opening a run and going on with it reads of its header."""
    run = Run.open(folder)
    repr(run)
    run.sample(n=2)
    training, Trainer.run = Trainer.run, one_step  # type: ignore[method-assign]
    try:
        resume(folder)
    finally:
        Trainer.run = training  # type: ignore[method-assign]


def held(folder: Path) -> str:
    """Empty where a run was used, or refused in a paragraph; else what happened instead."""
    try:
        with deadline(PATIENCE):
            used(folder)
    except CondgenError as error:
        return "" if str(error) and "\n" not in str(error) and len(str(error)) < 5_000 else f"a message: {error}"
    except Exception as error:
        return f"{type(error).__name__}: {error}\n{traceback.format_exc()}"
    return ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--runs", type=Path, nargs="*", default=sorted(TRAINED.iterdir()))
    given = parser.parse_args()
    limit_memory(MEMORY)
    dice, started, tried, lost = random.Random(given.seed), time.monotonic(), 0, 0
    checkpoints = [Checkpoint(run) for run in given.runs]
    with TemporaryDirectory() as folder:
        while time.monotonic() - started < given.seconds:
            checkpoint = dice.choice(checkpoints)
            header = damaged(checkpoint.header, dice)
            tried += 1
            if wrong := held(checkpoint.written(header, Path(folder) / "run")):
                lost += 1
                print(f"{json.dumps(header)[:3000]}\n{wrong}", file=sys.stderr)
    print(f"| damaged headers: open, sample, resume | {tried:,} | {tried - lost:,} | {lost:,} |")
    sys.exit(lost > 0)


def limit_memory(beyond: int) -> None:
    """Let this process take no more than so many bytes beyond what it has; more is a MemoryError."""
    import resource

    has = int(next(line for line in Path("/proc/self/status").read_text().splitlines() if "VmData" in line).split()[1])
    resource.setrlimit(resource.RLIMIT_DATA, (has * 1024 + beyond,) * 2)


TRAINED = Path(__file__).parents[1] / "runs" / "trained"

if __name__ == "__main__":
    main()
