"""Compiled models: the way in which they are compiled, and that a run trains through them."""

from pathlib import Path
from typing import Any

import pytest
import torch

from condgen.data import Splits
from condgen.models import build
from condgen.training import Trainer, TrainingConfig, compiling
from condgen.training.arithmetic import Arithmetic
from condgen.training.compiling import SMALL


@pytest.mark.parametrize(
    ("device", "parameters", "mode"),
    [
        ("cpu", 1_000, "default"),
        ("mps", 1_000, "default"),
        ("cuda", SMALL, "reduce-overhead"),
        ("cuda", SMALL + 1, "default"),
    ],
)
def test_small_models_on_a_gpu_are_recorded_as_graphs(device: str, parameters: int, mode: str) -> None:
    assert compiling._mode(device, parameters) == mode


def test_a_compiled_run_trains_through_the_compiled_model(
    digits: Splits, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[torch.nn.Module] = []

    class Compiled(torch.nn.Module):
        def __init__(self, model: Any, mode: str):
            super().__init__()
            self.model = model

        def forward(self, *arguments: Any) -> Any:
            seen.append(self.model)
            return self.model(*arguments)

    monkeypatch.setattr(torch, "compile", Compiled)
    model = build("vae", digits.schema, digits.shape, channels=4, latent=2)
    settings = TrainingConfig(images=64, batch=32, previews=0)
    Trainer(model, digits, tmp_path, settings, arithmetic=Arithmetic("float32", 1, compiled=True)).run()
    assert seen == [model, model]
