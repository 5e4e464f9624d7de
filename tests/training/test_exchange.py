"""Gradients on their way to other processes. Whole trainings in two processes are in test_processes.py."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor, nn

from condgen.training import exchange
from condgen.training.exchange import averaging, buckets


@dataclass
class Others:
    """Other processes, whose part of every sum is `add`. sent: the numbers of each exchange, before and after it."""

    add: Callable[[Tensor], Tensor | float]
    sent: list[int]

    def all_reduce(self, flat: Tensor, async_op: bool) -> "Others":
        assert async_op, "the backward pass would wait"
        self.sent.append(len(flat))
        flat += self.add(flat)
        return self

    def wait(self) -> None:
        """Everything has arrived."""


@pytest.fixture
def others(monkeypatch: pytest.MonkeyPatch) -> Others:
    """One other process, which has the same gradients. Every parameter is a bucket of its own."""
    found = Others(lambda flat: flat.clone(), [])
    monkeypatch.setattr(exchange.dist, "all_reduce", found.all_reduce)
    monkeypatch.setattr(exchange, "EACH", 1)
    return found


def test_gradients_leave_from_the_last_layer_on_while_the_backward_pass_goes_on(others: Others) -> None:
    layers = nn.Sequential(*(nn.Linear(n, n + 1, bias=False) for n in (2, 3, 4)))
    before_the_first = list[int]()
    layers[1].register_full_backward_hook(lambda *_: before_the_first.extend(others.sent))
    loss = layers(torch.randn(5, 2)).square().sum()
    wanted = torch.autograd.grad(loss, [*layers.parameters()], retain_graph=True)
    with averaging([*layers.parameters()], 2):
        loss.backward()
    assert before_the_first[:1] == [4 * 5 + 1]
    assert others.sent == [4 * 5 + 1, 3 * 4 + 1, 2 * 3 + 1]
    for p, gradient in zip(layers.parameters(), wanted, strict=True):
        assert p.grad is not None
        torch.testing.assert_close(p.grad, gradient)


def test_a_gradient_that_only_another_process_has_is_taken_and_one_that_none_has_stays_absent(
    others: Others,
) -> None:
    used, unused = (nn.Parameter(torch.ones(2)) for _ in range(2))
    with averaging([used, unused], 2):
        used.sum().backward()
    assert unused.grad is None
    others.add = lambda flat: torch.tensor([3.0, 5.0, 1.0]) if len(flat) == 3 else 0.0
    used.grad = None
    with averaging([unused, used], 2):
        used.sum().backward()
    assert unused.grad is not None
    torch.testing.assert_close(unused.grad, torch.tensor([1.5, 2.5]))


def test_a_gradient_keeps_the_layout_of_its_parameter(others: Others) -> None:
    p = nn.Parameter(torch.randn(2, 3, 4, 5).contiguous(memory_format=torch.channels_last))
    factor = torch.randn(2, 3, 4, 5)
    with averaging([p], 2):
        (p * factor).sum().backward()
    assert p.grad is not None
    assert p.grad.stride() == p.stride()
    torch.testing.assert_close(p.grad, factor)


def test_buckets_hold_all_parameters_once_from_the_last_to_the_first() -> None:
    assert buckets([40, 4, 4, 120, 8], 40) == [[4, 3], [2, 1, 0]]
