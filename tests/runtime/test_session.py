"""ONNX Runtime as an exported model uses it: its threads, and no word to its maker."""

import os
from typing import Any

import pytest
import torch

from condgen.runs.generator import Threaded
from condgen.runs.run import Run
from condgen.runtime import session
from condgen.runtime.generator import OnnxGenerator
from condgen.runtime.session import onnxruntime
from tests.export.untrained import VECTOR, untrained


@pytest.fixture(scope="module")
def run() -> Run:
    return untrained("cgan", VECTOR)


@pytest.fixture(scope="module")
def exported(run: Run, tmp_path_factory: pytest.TempPathFactory) -> OnnxGenerator:
    return OnnxGenerator.open(run.export("onnx", tmp_path_factory.mktemp("session") / "model.onnx"))


class Noting:
    """A loaded function that notes how many samples it computes at once."""

    def __init__(self, loaded: Any):
        self.loaded = loaded
        self.sizes: list[int] = []

    def run(self, outputs: None, given: dict[str, Any]) -> Any:
        self.sizes.append(len(given["sample.present"]))
        return self.loaded.run(outputs, given)


def test_large_batches_are_computed_in_pieces(exported: OnnxGenerator, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = exported.sample(n=7)
    noting = Noting(exported.model._session._loaded["sample"])
    monkeypatch.setitem(exported.model._session._loaded, "sample", noting)
    monkeypatch.setattr(session, "PIECE", 3)
    assert abs(exported.sample(n=7).x - whole.x).max() < 1e-5
    assert noting.sizes == [3, 3, 1]


def test_threads_can_be_limited_also_after_the_first_sample(exported: OnnxGenerator) -> None:
    assert isinstance(exported, Threaded)
    before = exported.sample(n=3)
    exported.use_threads(1)
    assert abs(exported.sample(n=3).x - before.x).max() < 1e-5
    assert exported.model._session._loaded["sample"].get_session_options().intra_op_num_threads == 1


def test_a_runs_threads_are_those_of_pytorch(run: Run) -> None:
    before = torch.get_num_threads()
    try:
        run.use_threads(2)
        assert torch.get_num_threads() == 2
    finally:
        run.use_threads(before)


def test_the_runtime_reports_to_nobody_unless_a_person_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ORT_DISABLE_TELEMETRY", raising=False)
    onnxruntime()
    assert os.environ["ORT_DISABLE_TELEMETRY"] == "1"
    monkeypatch.setenv("ORT_DISABLE_TELEMETRY", "0")
    onnxruntime()
    assert os.environ["ORT_DISABLE_TELEMETRY"] == "0"
