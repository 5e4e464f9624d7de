"""Exports in smaller numbers keep the meaning of every request."""

from pathlib import Path

import numpy as np
import pytest
import torch

from condgen.export.tracing import in_numpy
from condgen.runs.run import Run
from condgen.runtime.generator import OnnxGenerator
from condgen.schema import Condition, Continuous
from condgen.testing import ATTRIBUTES
from tests.export.untrained import VECTOR, untrained


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
