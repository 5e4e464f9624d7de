"""A package of somebody else is installed; what it adds is known everywhere, and its mistake breaks nothing."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import condgen

PACKAGE = Path(__file__).parent / "package"
Python = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Python:
    """Runs Python with the package installed, and without jaxtyping's hook: as it is for a person."""
    target, package = tmp_path_factory.mktemp("installed"), tmp_path_factory.mktemp("built") / "package"
    shutil.copytree(PACKAGE, package)  # which building leaves files in
    how = ["--no-deps", "--no-build-isolation", "--no-index", "--quiet", "--target", str(target)]
    subprocess.run([sys.executable, "-m", "pip", "install", *how, str(package)], check=True, capture_output=True)
    path = os.pathsep.join([str(target), str(Path(condgen.__file__).parents[1])])

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "PYTHONPATH": path}
        done = subprocess.run(
            [sys.executable, *arguments], env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done

    return run


def test_what_a_package_adds_is_listed(python: Python) -> None:
    assert "blob" in python("-m", "condgen.cli", "train", "--help").stdout
    settings = python("-m", "condgen.cli", "settings", "blob").stdout
    assert "the smallest family there is" in settings
    assert "spread" in settings
    assert "shift" in python("-m", "condgen.cli", "settings", "cvae").stdout
    listed = python("-m", "condgen.cli", "datasets")
    assert "coins, heads to the right" in listed.stdout
    assert "a .points file" in listed.stdout
    assert "The reader 'torn' of the package condgen-blob cannot be used" in listed.stderr
    assert "CSV" in listed.stdout


@pytest.mark.slow
def test_its_family_and_world_are_trained_sampled_and_measured(python: Python, tmp_path: Path) -> None:
    cli, out = ("-m", "condgen.cli"), str(tmp_path / "run")
    python(*cli, "train", "coin", "--model", "blob", "--out", out, "--images", "2k", "--set", "previews=0")
    python(*cli, "sample", out, "heads=yes", "-n", "4", "--out", str(tmp_path / "samples"))
    assert list((tmp_path / "samples").iterdir())
    report = tmp_path / "report"
    told = python(*cli, "evaluate", out, "--samples", "200", "--out", str(report)).stdout
    assert json.loads((report / "report.json").read_text(encoding="utf-8"))["offset"]["distance"] < 10
    assert "from the data on average" in told


@pytest.mark.slow
def test_its_mechanism_and_reader_serve_condgens_own_families(python: Python, tmp_path: Path) -> None:
    data, out = tmp_path / "coins.points", str(tmp_path / "run")
    data.write_text("".join(f"{k % 2} {k % 7 / 7} {('left', 'right')[k % 2]}\n" for k in range(200)), encoding="utf-8")
    small = ("--set", "previews=0", "--set", "channels=8", "--set", "latent=2")
    cli = ("-m", "condgen.cli", "train", str(data), "--model", "cvae", "--out", out, "--images", "1k", *small)
    assert "Trained cvae" in python(*cli, "--mechanism", "shift").stdout


@pytest.mark.slow
def test_its_family_keeps_every_promise(python: Python) -> None:
    code = "from condgen.testing import check_model; print(len(check_model('blob')))"
    assert int(python("-c", code).stdout) >= 14


def test_an_error_that_recommends_a_family_knows_it(python: Python) -> None:
    code = "from condgen.models.registry import that_can; print(that_can(lambda m: type(m).__name__ == 'Blob'))"
    assert python("-c", code).stdout.strip() == "`model='blob'`"
