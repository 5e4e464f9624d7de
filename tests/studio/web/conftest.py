"""Exported pages, and their backend in Node."""

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from condgen.cache import cache_folder
from condgen.errors import RunError
from condgen.runs.run import Run
from condgen.studio.web.onnxruntime import VERSION, runtime_files

DRIVER = Path(__file__).parents[1] / "page" / "driver.js"

Asked = Callable[..., list[Any]]


@pytest.fixture(scope="session")
def runtime() -> Path:
    """The folder of ONNX Runtime's files, which are fetched once, as an export does."""
    try:
        runtime_files()
    except RunError as error:
        pytest.skip(str(error))
    return cache_folder() / "onnxruntime-web" / VERSION


@pytest.fixture(scope="session")
def exported(runtime: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[Run, str], Path]:
    """`exported(run, name)`: the folder of a run's page, exported once."""
    made: dict[str, Path] = {}

    def folder(run: Run, name: str) -> Path:
        if name not in made:
            made[name] = run.export("web", tmp_path_factory.mktemp("web") / name, runtime=runtime)
            module = made[name] / "onnxruntime" / "ort.js"
            shutil.copy(module, module.with_suffix(".mjs"))  # by which Node knows a module
        return made[name]

    return folder


@pytest.fixture
def in_node(tmp_path: Path) -> Asked:
    """`in_node(folder, task, …)`: the answers of a page's backend to tasks."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("no Node; install Node 20 or newer")

    def answers(folder: Path, *tasks: dict[str, Any]) -> list[Any]:
        (tmp_path / "tasks.json").write_text(json.dumps(tasks), encoding="utf-8")
        command = [node, str(DRIVER), str(folder), str(tmp_path / "tasks.json")]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
        assert done.returncode == 0, done.stderr[-2_000:]
        found: list[Any] = json.loads(done.stdout)
        return found

    return answers
