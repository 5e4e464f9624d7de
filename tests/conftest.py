"""Shapes and types of every function are checked at run time, in tests only."""

import os

# Before torch is imported: on small tensors, threads only wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")

from tests import checked

checked.install()

import gc
import shutil
import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from filelock import FileLock

from condgen.cli import main
from condgen.data import Splits, load
from condgen.runs.run import Run
from condgen.runs.train import train
from condgen.schema import Categorical, Continuous, Flag, Schema
from condgen.training import pace
from tests.unchecked import unchecked

# Signals may be ignored, as in the background of a script or under nohup. Commands under test would inherit that.
for each, usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
    if signal.getsignal(each) == signal.SIG_IGN:
        signal.signal(each, usual)

pace.LONGEST = 0.1  # seconds: what is inspected in tests needs no exact pace

pytest_plugins = ["tests.robust.plugin", "tests.browser", "tests.turns"]

SMALL: dict[str, Any] = {"channels": 8, "latent": 4, "previews": 1, "batch": 64}

FLOW: dict[str, Any] = {"channels": 8, "depth": 1, "embedding": 8, "steps": 2, "previews": 0, "batch": 64}


@pytest.fixture(autouse=True)
def _repeatable() -> None:
    torch.manual_seed(0)


@pytest.fixture
def people() -> Schema:
    """One attribute of every kind."""
    return Schema(
        attributes=(
            Categorical(name="color", values=("red", "green", "blue"), aliases={"crimson": "red"}),
            Flag(name="Eyeglasses", synonyms=("glasses",)),
            Continuous(name="age", low=0, high=80),
        )
    )


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    checked.begin()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that share an expensive thing run in one process: those of one conformance case, and of one module."""
    for item in items:
        if group := shared_by(item):
            item.add_marker(pytest.mark.xdist_group(group))


def pytest_collection_finish() -> None:
    """Thousands of collected tests and modules live until the end, so garbage is not looked for among them."""
    gc.collect()
    gc.freeze()


def shared_by(item: pytest.Item) -> str | None:
    """The name of the case or the module whose tests share something, if any."""
    case = getattr(item, "callspec", None) and item.callspec.params.get("case")  # type: ignore[attr-defined]
    if case is not None:
        return str(case)
    fixtures = item._fixtureinfo.name2fixturedefs.values()  # type: ignore[attr-defined]
    return item.nodeid.split("::")[0] if any(each[-1].scope == "module" for each in fixtures) else None


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Why tests were skipped, and what would unskip them, one line a reason."""
    reasons = Counter(
        report.longrepr[2].removeprefix("Skipped: ") for report in terminalreporter.stats.get("skipped", [])
    )
    for reason, number in reasons.most_common():
        terminalreporter.write_line(f"{number} skipped: {reason}")


@pytest.fixture(scope="session")
def digits() -> Splits:
    return load("digits")


Shared = Callable[[str, Callable[[Path], object]], Path]
COPIES: list[Path] = []  # the folders that `shared` gave to this process


@pytest.fixture(autouse=True)
def _shared_runs_stay(request: pytest.FixtureRequest) -> Iterator[None]:
    """A test that changes a shared run fails itself, not a test that happens to come after it in its process."""
    before = _checkpoints(COPIES)
    yield
    changed = [str(path) for path, state in _checkpoints([*before]).items() if state != before[path]]
    assert not changed, f"{request.node.nodeid} changed the shared {', '.join(changed)}: let it work on a copy"


def _checkpoints(folders: Iterable[Path]) -> dict[Path, tuple[int, int] | None]:
    """The file number and time of each folder's checkpoint, None where there is none."""
    files = {folder: folder / "checkpoint.safetensors" for folder in folders}
    return {
        folder: (file.stat().st_ino, file.stat().st_mtime_ns) if file.exists() else None
        for folder, file in files.items()
    }


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Shared:
    """`shared(name, make)`: a copy of a folder that is made once in a session, by the process that needs it first."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "shared"
    folder.mkdir(exist_ok=True)

    def get(name: str, make: Callable[[Path], object]) -> Path:
        with FileLock(folder / f"{name}.lock"), unchecked():
            if not (folder / f"{name}.made").exists():
                make(folder / name)
                (folder / f"{name}.made").touch()
        copy = Path(shutil.copytree(folder / name, tmp_path_factory.mktemp("runs") / name))
        COPIES.append(copy)
        return copy

    return get


@pytest.fixture(scope="session")
def run(digits: Splits, shared: Shared) -> Run:
    """A briefly trained conditional model of digits."""
    return Run.open(shared("cvae", lambda out: train("cvae", digits, out, images=40_000, **SMALL)))


@pytest.fixture(scope="session")
def unconditional(digits: Splits, shared: Shared) -> Run:
    """A hardly trained model of digits that cannot be asked for any."""
    return Run.open(shared("vae", lambda out: train("vae", digits, out, images=1_000, **SMALL)))


@pytest.fixture(scope="session")
def points(shared: Shared) -> Run:
    """A hardly trained model of the mixture: vectors, every kind of attribute, which may stay free."""
    data = load("mixture")
    return Run.open(shared("mixture", lambda out: train("cvae", data, out, embedding=8, images=3_000, **SMALL)))


@pytest.fixture(scope="session")
def flow(digits: Splits, shared: Shared) -> Run:
    """A hardly trained flow of digits."""
    return Run.open(shared("flow", lambda out: train("flow", digits, out, images=1_000, **FLOW)))


@dataclass(frozen=True)
class Result:
    """What a command left behind."""

    status: int
    out: str
    err: str


Command = Callable[..., Result]


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    """Runs `condgen ARGUMENTS` in this process."""

    def call(*arguments: object) -> Result:
        monkeypatch.setattr(sys, "argv", ["condgen", *map(str, arguments)])
        capsys.readouterr()
        try:
            main()
            status = 0
        except SystemExit as stopped:
            status = int(stopped.code or 0)
        seen = capsys.readouterr()
        return Result(status, seen.out, seen.err)

    return call
