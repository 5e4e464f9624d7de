"""Runs with parts of other packages, where these are and are not installed."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from condgen.conditioning import MECHANISMS
from condgen.data import Splits
from condgen.errors import RunError
from condgen.headers import parsed
from condgen.runs.run import Run
from condgen.runs.train import train
from condgen.training import checkpoint
from condgen.training.checkpoint import Info
from tests.foreign import bring

from .test_run import TINY, complaint


def lent(digits: Splits, monkeypatch: pytest.MonkeyPatch, folder: Path) -> Run:
    """A run with a mechanism of another package, as it is trained."""
    with monkeypatch.context() as there:
        bring(there, MECHANISMS, "layerscale", MECHANISMS["film"])
        return train("cvae", digits, folder, mechanism="layerscale", **TINY)


def test_a_run_names_the_package_that_it_needs(digits: Splits, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = lent(digits, monkeypatch, tmp_path / "run").path
    part = {"group": "condgen.mechanisms", "what": "mechanism", "name": "layerscale"}
    part |= {"package": "my-package", "version": "0.1.0"}
    assert json.loads((path / "config.json").read_text())["borrowed"] == [part]
    needs = "needs the mechanism 'layerscale' of the package my-package 0.1.0, which is not installed: pip install my-p"
    complaint(lambda: Run.open(path), str(path), needs, error=RunError)
    info, tensors = checkpoint.load(path / checkpoint.FILE)
    checkpoint.save(path / checkpoint.FILE, replace(info, borrowed=()), tensors)  # as an earlier version wrote it
    complaint(lambda: Run.open(path), "Unknown mechanism", "of a package that is not installed here", error=RunError)


def test_a_run_of_condgens_own_parts_is_written_as_ever(run: Run) -> None:
    assert "borrowed" not in checkpoint.header(run.info)
    assert "borrowed" not in json.loads((run.path / "config.json").read_text())


def test_a_header_offers_only_names_of_packages(run: Run, tmp_path: Path) -> None:
    content = checkpoint.header(run.info) | {"borrowed": [dict.fromkeys(("group", "what", "name"), "a")]}
    content["borrowed"][0] |= {"package": "a; rm -r ~"}
    with pytest.raises(RunError, match="borrowed"):
        parsed(tmp_path, json.dumps(content), Info, 1)
