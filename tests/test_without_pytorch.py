"""Asking an exported model needs no PyTorch, nor anything else that only training needs."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from condgen.extras import EXTRAS, MissingExtraError, explained
from condgen.training.place import FILE
from tests.test_dependencies import PROJECT, TRAINING, canonical, distributions
from tests.wheel import COMMANDS

BLOCKED = (*EXTRAS["train"], "pandas")
LIGHT = (
    "arrays",
    "cli",
    "data.coordinates",
    "extras",
    "models.registry",
    "outputs",
    "pictures",
    "pixels",
    "requests",
    "rng",
    "room",
    "runs.generator",
    "runs.remote",
    "runtime.generator",
    "schema",
    "serving.app",
    "studio.app",
    "studio.notebook",
    "versions",
)


def without_pytorch(code: str, cwd: Path | None = None) -> "subprocess.CompletedProcess[str]":
    """Run Python in which importing any package of training fails."""
    block = f"import sys\nfor name in {BLOCKED}: sys.modules[name] = None\n"
    return subprocess.run([sys.executable, "-c", block + code], cwd=cwd, capture_output=True, text=True, check=False)


def test_light_modules_do_without_pytorch() -> None:
    result = without_pytorch("\n".join(f"import condgen.{module}" for module in LIGHT))
    assert result.returncode == 0, result.stderr


EVERY = """
import contextlib, io, json
from condgen.cli import main
told = []
for arguments in {commands}:
    sys.argv = ["condgen", *arguments]
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()) as said:
        with contextlib.suppress(SystemExit):
            main()
    told.append((arguments[0], said.getvalue()))
print(json.dumps(told))
"""
NEEDS = "Error: This needs the package {}, which is not installed: pip install 'condgen[train]'.\n"


def test_every_command_says_what_to_install(tmp_path: Path) -> None:
    for run in ("cvae", "flow"):  # a command without its run speaks of that first
        (tmp_path / run).mkdir()
        (tmp_path / run / FILE).touch()
    result = without_pytorch(EVERY.format(commands=COMMANDS), tmp_path)
    assert result.returncode == 0, result.stderr
    wanted = [NEEDS.format(package) for package in EXTRAS["train"]]
    others = {command: said for command, said in json.loads(result.stdout) if said not in wanted}
    assert others == {"presets": "", "push": ""}  # which list names, and explain


def test_every_package_of_training_is_known_and_declared() -> None:
    names = {extra: {canonical(each) for each in PROJECT["optional-dependencies"][extra]} for extra in EXTRAS}
    assert set().union(*map(distributions, EXTRAS["train"])) == TRAINING
    for extra, packages in EXTRAS.items():
        assert all(distributions(package) & names[extra] for package in packages)


def test_other_missing_modules_are_not_explained() -> None:
    with pytest.raises(ModuleNotFoundError, match="nosuch"), explained():
        import nosuch  # type: ignore[import-not-found]  # noqa: F401
    with pytest.raises(MissingExtraError, match=r"package onnx, .* 'condgen\[onnx\]'"), explained():
        raise ModuleNotFoundError("No module named 'onnx.helper'", name="onnx.helper")
