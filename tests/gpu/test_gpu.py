"""A short look at a GPU: compiling, bf16, resuming and exporting. `make gpu-check` runs it.

Without CUDA it is skipped, unless CONDGEN_GPU_CHECK=cpu asks for the same on the CPU.
"""

import os
import signal
from pathlib import Path
from typing import Any

import pytest
import torch

from condgen.data import Splits
from condgen.export.onnx import must_have_packages
from condgen.models import Model
from condgen.progress import SILENT
from condgen.runs.opening import best_device
from condgen.runs.resume import resume
from condgen.runs.run import Run
from condgen.runs.train import train
from condgen.training import Trainer
from condgen.training.signals import Interrupted

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not torch.cuda.is_available() and os.environ.get("CONDGEN_GPU_CHECK") != "cpu",
        reason="there is no CUDA here (CONDGEN_GPU_CHECK=cpu looks at the CPU instead)",
    ),
]
FAMILIES: dict[str, dict[str, Any]] = {
    "projection": {"channels": 16, "latent": 8},
    "cvae": {"channels": 16, "latent": 8},
    "flow": {"channels": 16, "depth": 1, "embedding": 16, "steps": 4},
}
HOW: dict[str, Any] = {"images": 4_096, "previews": 0, "batch": 64, "compiled": False, "progress": SILENT}
every_family = pytest.mark.parametrize("family", FAMILIES)


def trained(family: str, data: Splits, out: Path, **settings: Any) -> Run:
    return train(family, data, out, **{**HOW, **FAMILIES[family], **settings})


@every_family
def test_it_trains_on_the_device_and_samples_the_same_elsewhere(digits: Splits, tmp_path: Path, family: str) -> None:
    run = trained(family, digits, tmp_path / "run")
    assert run.model.device.type == best_device().type
    x = run.sample("digit=3", n=8, seed=0).x
    y = Run.open(tmp_path / "run", "cpu").sample("digit=3", n=8, seed=0).x
    assert (x - y).abs().max() < 0.02


@every_family
def test_bf16(digits: Splits, tmp_path: Path, family: str) -> None:
    run = trained(family, digits, tmp_path / "run", precision="bf16")
    assert run.info.arithmetic is not None
    assert run.info.arithmetic.precision == "bf16"
    assert {p.dtype for p in run.model.parameters()} == {torch.float32}
    assert run.sample("digit=3", n=8, seed=0).x.isfinite().all()


@every_family
def test_compiled(digits: Splits, tmp_path: Path, family: str) -> None:
    run = trained(family, digits, tmp_path / "run", compiled=True, images=1_024)
    assert run.info.arithmetic is not None
    assert run.info.arithmetic.compiled
    plain = trained(family, digits, tmp_path / "plain", images=1_024)
    x, y = (each.sample("digit=3", n=8, seed=0).x for each in (run, plain))
    assert (x - y).abs().mean() < 0.05


@every_family
def test_resuming(digits: Splits, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, family: str) -> None:
    whole = trained(family, digits, tmp_path / "whole", images=1_024)
    step, calls = Trainer.step, iter(range(1_000))

    def stopped(self: Trainer, *given: Any) -> Any:
        if next(calls) == 7:
            signal.raise_signal(signal.SIGINT)
        return step(self, *given)

    with monkeypatch.context() as m:
        m.setattr(Trainer, "step", stopped)
        with pytest.raises(Interrupted):
            trained(family, digits, tmp_path / "parts", images=1_024)
    parts = resume(tmp_path / "parts", digits, SILENT)
    assert parts.info.images == whole.info.images
    x, y = (each.sample("digit=3", n=8, seed=0).x for each in (whole, parts))
    assert (x - y).abs().mean() < 0.02  # kernels of a GPU may add in any order


@every_family
def test_exporting(digits: Splits, tmp_path: Path, family: str) -> None:
    must_have_packages()
    run = trained(family, digits, tmp_path / "run", images=1_024)
    run.export("onnx", tmp_path / "run.onnx", progress=SILENT)  # compares samples with the run's, on its device
    assert (tmp_path / "run.onnx").is_file()


def test_latents(digits: Splits, tmp_path: Path) -> None:
    train("codec", digits, tmp_path / "codec", factor=4, latent=4, channels=16, depth=1, **HOW)
    run = trained("projection", digits, tmp_path / "run", codec=str(tmp_path / "codec"), patch=1, flip=True)
    assert isinstance(run.model, Model)
    assert run.sample("digit=3", n=8, seed=0).x.shape == (8, 1, 8, 8)
