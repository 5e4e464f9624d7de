import pytest
import torch
from torch import nn

from condgen.training.optimisers import clipped


def parameter(*gradient: float) -> nn.Parameter:
    found = nn.Parameter(torch.zeros(len(gradient)))
    found.grad = torch.tensor(gradient)
    return found


def test_a_longer_gradient_is_cut_and_its_own_length_is_told() -> None:
    parts = [parameter(3.0), parameter(0.0, 4.0), nn.Parameter(torch.zeros(1))]
    assert float(clipped(parts, 1.0)) == 5
    assert parts[0].grad is not None
    assert parts[1].grad is not None
    torch.testing.assert_close(parts[0].grad, torch.tensor([0.6]))
    torch.testing.assert_close(parts[1].grad, torch.tensor([0.0, 0.8]))


def test_a_shorter_gradient_stays_as_it_is() -> None:
    part = parameter(0.3, 0.4)
    assert float(clipped([part], 1.0)) == pytest.approx(0.5)
    assert part.grad is not None
    assert torch.equal(part.grad, torch.tensor([0.3, 0.4]))


def test_a_gradient_that_is_no_number_spoils_all_so_that_it_is_seen() -> None:
    parts = [parameter(float("nan")), parameter(1.0)]
    assert clipped(parts, 1.0).isnan()
    assert parts[1].grad is not None
    assert parts[1].grad.isnan().all()
