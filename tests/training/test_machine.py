"""Whether the machine is quick at a precision."""

import pytest
import torch

from condgen.training import machine


@pytest.mark.parametrize(("quick", "chosen"), [(True, "bf16"), (False, "no")])
def test_auto_takes_bf16_only_where_the_machine_is_quick_at_it(
    monkeypatch: pytest.MonkeyPatch, quick: bool, chosen: str
) -> None:
    monkeypatch.setattr(machine, "quick_at_bf16", lambda: quick)
    assert machine.accelerator_for("auto").mixed_precision == chosen


def test_a_cpu_is_quick_at_bf16_with_matrix_extensions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for units in (True, False):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda units=units: {"amx_bf16": units})
        assert machine.quick_at_bf16() is units
