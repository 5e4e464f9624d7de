"""The arithmetic of a run: as set, in use while it trains, and no longer."""

import os
from pathlib import Path

import pytest
import torch

from condgen.data import Splits
from condgen.models import build
from condgen.training import Trainer, TrainingConfig, machine
from condgen.training.arithmetic import Arithmetic, unmeasured


def test_settings_that_are_open_are_usual() -> None:
    assert unmeasured(TrainingConfig()) == Arithmetic("float32", torch.get_num_threads())
    found = unmeasured(TrainingConfig(precision="bf16", threads=3, layout="contiguous", compiled=True))
    assert found == Arithmetic("bf16", 3, "contiguous", compiled=True)


def test_a_header_of_earlier_runs_means_channels_last_and_not_compiled() -> None:
    assert Arithmetic(**{"precision": "float32", "threads": 2}).memory_format((3, 8, 8)) == torch.channels_last  # type: ignore[arg-type]
    assert not Arithmetic("float32", 2).compiled
    assert Arithmetic("float32", 2).memory_format((8,)) == torch.contiguous_format


def test_a_run_uses_its_threads_and_leaves_the_process_with_its_own(digits: Splits, tmp_path: Path) -> None:
    threads, seen = torch.get_num_threads(), []
    other = Arithmetic("float32", 2 if threads == 1 else 1)

    def augment(x: torch.Tensor) -> torch.Tensor:
        seen.append(torch.get_num_threads())
        return x

    model = build("vae", digits.schema, digits.shape, channels=4, latent=2)
    settings = TrainingConfig(images=64, batch=32, previews=0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.cpu_count", lambda: 2)
        Trainer(model, digits, tmp_path, settings, augment=augment, arithmetic=other).run()
    assert set(seen) == {other.threads}
    assert torch.get_num_threads() == threads


def test_a_run_from_a_larger_machine_takes_the_threads_that_there_are() -> None:
    before = torch.get_num_threads()
    with Arithmetic("float32", 1_000_000).in_use():
        assert torch.get_num_threads() == max(os.cpu_count() or 1, before)
    assert torch.get_num_threads() == before


def test_a_cpu_knows_bf16_by_its_instructions(monkeypatch: pytest.MonkeyPatch) -> None:
    for found, knows in (({"avx512_bf16": True}, True), ({"amx_bf16": True}, True), ({"avx512_f": True}, False)):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda found=found: found)
        assert machine.knows_bf16() is knows


def test_a_processor_has_a_name() -> None:
    assert machine.processor()
