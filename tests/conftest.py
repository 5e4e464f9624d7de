"""Shapes and types of every function are checked at run time, in tests only."""

import os

# Before torch is imported: on small tensors, threads only wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")

from jaxtyping import install_import_hook

install_import_hook("condgen", "beartype.beartype")

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import torch

from condgen.cli import main
from condgen.data import Splits, load
from condgen.runs.run import Run
from condgen.runs.train import train
from condgen.schema import Categorical, Continuous, Flag, Schema

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


@pytest.fixture(scope="session")
def digits() -> Splits:
    return load("digits")


@pytest.fixture(scope="session")
def run(digits: Splits, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A briefly trained conditional model of digits."""
    out = tmp_path_factory.mktemp("runs") / "cvae"
    return train("cvae", digits, out, images=40_000, **SMALL)


@pytest.fixture(scope="session")
def unconditional(digits: Splits, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A hardly trained model of digits that cannot be asked for any."""
    return train("vae", digits, tmp_path_factory.mktemp("runs") / "vae", images=1_000, **SMALL)


@pytest.fixture(scope="session")
def points(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A hardly trained model of the mixture: vectors, every kind of attribute, which may stay free."""
    out = tmp_path_factory.mktemp("runs") / "mixture"
    return train("cvae", load("mixture"), out, embedding=8, images=3_000, **SMALL)


@pytest.fixture(scope="session")
def flow(digits: Splits, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A hardly trained flow of digits."""
    out = tmp_path_factory.mktemp("runs") / "flow"
    return train("flow", digits, out, images=1_000, **FLOW)


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
