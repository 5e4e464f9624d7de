"""Exports in smaller numbers keep the meaning of every request."""

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from condgen.export.tracing import in_numpy
from condgen.runs.run import Run
from condgen.runtime.generator import OnnxGenerator
from condgen.schema import Condition, Continuous
from condgen.testing import ATTRIBUTES
from tests.export.untrained import IMAGE, VECTOR, untrained


def exported(run: Run, folder: Path, precision: str) -> OnnxGenerator:
    return OnnxGenerator.open(run.export("onnx", folder / f"{precision}.onnx", precision=precision))


def test_numbers_beyond_float16_are_encoded_as_in_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    salary = Continuous(name="salary", low=20_000, high=1_500_000)
    length = Continuous(name="length", low=1e-6, high=5e-6)
    monkeypatch.setitem(ATTRIBUTES, "wide", (salary, length))
    run = untrained("cvae", VECTOR, "wide", prior="gaussian", embedding=8, mechanism="concat")
    model = exported(run, tmp_path, "float16")
    values = {"salary": torch.linspace(20_000, 1_500_000, 8), "length": torch.linspace(1e-6, 5e-6, 8).flip(0)}
    asked = Condition(run.schema, values, torch.ones(8, 2, dtype=torch.bool))
    with torch.inference_mode():
        wanted = run.model.condition_encoder(asked).vector
    np.testing.assert_allclose(model.model.condition_encoder(in_numpy(asked)).vector, wanted, atol=5e-3)
    assert wanted.std(0).max() > 0.1


def test_a_sample_in_int8_does_not_depend_on_its_batch(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    run = untrained("cvae", IMAGE, prior="gaussian", embedding=8, channels=16)
    model = exported(run, tmp_path, "int8")
    together = model.sample(n=8).x
    alone = np.concatenate([model.sample(n=1, seed=seed).x for seed in range(8)])
    np.testing.assert_allclose(together, alone, atol=1e-5)
    assert 1e-5 < (model.header.difference or 0) < 0.02
    assert "pre-processing" not in caplog.text


def test_weights_of_convolutions_and_products_are_in_int8(tmp_path: Path) -> None:
    run = untrained("cvae", IMAGE, prior="gaussian", embedding=8, channels=32)
    graph = onnx.load(exported(run, tmp_path, "int8").path).graph
    kinds = {node.op_type for node in graph.node}
    assert {"Conv", "DequantizeLinear"} <= kinds
    large = [each for each in graph.initializer if np.prod(each.dims) >= 256 and len(each.dims) > 1]
    assert {each.data_type for each in large} == {onnx.TensorProto.INT8}
    onnx.checker.check_model(onnx.load(tmp_path / "int8.onnx"), full_check=True)
