"""The machine's units for a precision."""

import pytest
import torch

from condgen.training import machine


@pytest.mark.parametrize(("precision", "chosen"), [("bf16", "bf16"), ("float32", "no"), ("no", "no")])
def test_float32_is_accelerates_no(precision: str, chosen: str) -> None:
    assert machine.accelerator_for(precision).mixed_precision == chosen


def test_a_cpu_is_quick_at_bf16_with_matrix_extensions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for units in (True, False):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda units=units: {"amx_bf16": units})
        assert machine.quick_at_bf16() is units
