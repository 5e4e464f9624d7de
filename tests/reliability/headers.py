"""Damage to a run's header, of any JSON's shape or of the models' own, and what condgen makes of such a run."""

import copy
import json
import random
import resource
import signal
import struct
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from condgen.data import DataSource
from condgen.data.coordinates import Coordinates
from condgen.errors import CondgenError
from condgen.progress import SILENT
from condgen.runs.header import Teacher
from condgen.runs.resume import resume
from condgen.runs.run import Run
from condgen.schema import Schema
from condgen.training import Trainer, TrainingConfig
from condgen.training.arithmetic import Arithmetic
from condgen.training.checkpoint import FILE, Info

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


def accepted(header: Any, dice: random.Random) -> Any:
    """The header with one to three parts drawn anew from the models that read it."""
    header = copy.deepcopy(header)
    for _ in range(dice.choice((1, 1, 2, 3))):
        name, field = dice.choice(list(INFO["properties"].items()))
        part, kind = dice.choice([*PARTS.items(), *[((name,), field)] * len(PARTS)])
        parent = at(header, part[:-1])
        if isinstance(parent, dict):
            parent[part[-1]] = drawn(kind, dice)
    return header


def drawn(kind: Any, dice: random.Random, root: Any = None, depth: int = 0) -> Any:
    """A value that a JSON schema describes, often at the edge of its range. root: where its references lead."""
    root = root or (kind if "$defs" in kind else INFO)
    if "$ref" in kind:
        return drawn(root["$defs"][kind["$ref"].rpartition("/")[2]], dice, root, depth)
    for choice in ("anyOf", "oneOf", "enum"):
        if choice in kind:
            chosen = dice.choice(kind[choice])
            return chosen if choice == "enum" else drawn(chosen, dice, root, depth)
    if "const" in kind:
        return kind["const"]
    many = 0 if depth > 3 else dice.choice((0, 1, 2, 2, 3, 30))
    match kind.get("type"):
        case "integer" | "number" as sort:
            low, high = kind.get("minimum", -(2**63)), kind.get("maximum", 2**63)
            value = dice.choice((low, high, 0, 1, 2, 7, 64, 10**6, dice.uniform(0, 1)))
            return int(value) if sort == "integer" else value
        case "boolean":
            return dice.random() < 0.5
        case "string":
            return dice.choice([text for text in SCALARS if isinstance(text, str)])
        case "array":
            fixed = kind.get("prefixItems", [])
            items = fixed or [kind.get("items") or {}] * max(many, kind.get("minItems", 0))
            return [drawn(item, dice, root, depth + 1) for item in items]
        case "object":
            known = {name: drawn(part, dice, root, depth + 1) for name, part in kind.get("properties", {}).items()}
            other = kind.get("additionalProperties") or {}
            free = [] if known else [str(dice.choice(SCALARS)) for _ in range(many)]
            return known | {name: drawn({} if other is True else other, dice, root, depth + 1) for name in free}
    return replacement(dice)


INFO = TypeAdapter(Info).json_schema()
PARTS = {
    ("schema",): TypeAdapter(Schema).json_schema(),
    ("data",): TypeAdapter(DataSource).json_schema(),
    ("data", "teacher"): TypeAdapter(Teacher).json_schema(),
    ("data", "coordinates"): TypeAdapter(Coordinates).json_schema(),
    ("training",): TypeAdapter(TrainingConfig).json_schema(),
    ("arithmetic",): TypeAdapter(Arithmetic).json_schema(),
}


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
        resume(folder, progress=SILENT)
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


class Headers:
    """Runs with damaged headers: used, or refused in a paragraph, with little time and memory."""

    def __init__(self) -> None:
        self.checkpoints = [Checkpoint(run) for run in sorted(TRAINED.iterdir())]

    def any_shape(self, chance: random.Random, place: Path) -> None:
        """One to three damages of any JSON's shape."""
        self._must_hold(damaged, chance, place)

    def of_models(self, chance: random.Random, place: Path) -> None:
        """A part that its pydantic model accepts, with a meaning that may be nonsense."""
        self._must_hold(accepted, chance, place)

    def _must_hold(self, harm: Callable[[Any, random.Random], Any], chance: random.Random, place: Path) -> None:
        checkpoint = chance.choice(self.checkpoints)
        header = harm(checkpoint.header, chance)
        with little_memory():
            wrong = held(checkpoint.written(header, place / "run"))
        assert not wrong, f"{json.dumps(header)[:3000]}\n{wrong}"


@contextmanager
def little_memory() -> Iterator[None]:
    """Let this process take no more than `MEMORY` beyond what it has; more is a MemoryError."""
    before = resource.getrlimit(resource.RLIMIT_DATA)
    has = int(next(line for line in Path("/proc/self/status").read_text().splitlines() if "VmData" in line).split()[1])
    resource.setrlimit(resource.RLIMIT_DATA, (has * 1024 + MEMORY, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, before)


TRAINED = Path(__file__).parents[1] / "runs" / "trained"
