from pathlib import Path

import pytest

from condgen.runs.run import Run
from condgen.runtime.generator import OnnxGenerator
from tests.conftest import Shared


@pytest.fixture(scope="session")
def exported(run: Run, shared: Shared) -> OnnxGenerator:
    """The same model as `run`, exported."""

    def write(out: Path) -> None:
        out.mkdir()
        run.export("onnx", out / "run.onnx")

    return OnnxGenerator.open(shared("exported", write) / "run.onnx")
