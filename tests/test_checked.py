"""Calls of condgen's functions are checked in tests: shapes, types, and what they return."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
import torch
from beartype.roar import BeartypeCallHintViolation
from jaxtyping import Float, TypeCheckError
from torch import Tensor

from condgen.schema import Condition
from tests import checked
from tests.checked import decorator
from tests.unchecked import unchecked

if TYPE_CHECKING:
    from nowhere import Unknown

WRONG = (BeartypeCallHintViolation, TypeCheckError)
check: Callable[..., Any] = decorator()


@check
def added(x: Float[Tensor, "batch width"], y: Float[Tensor, "batch width"], extra: int = 0) -> Float[Tensor, " batch"]:
    return (x + y[: len(x)]).sum(1)[: len(x) - extra]


def test_it_is_installed() -> None:
    with pytest.raises(WRONG):
        Condition.free("no schema", 2)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("x", "y", "extra"),
    [
        (torch.ones(2), torch.ones(2, 3), 0),  # a number of dimensions
        (torch.ones(2, 3), torch.ones(3, 3), 0),  # two arguments that disagree
        (torch.ones(2, 3), torch.ones(2, 3), 1),  # a result that disagrees with the arguments
        (torch.ones(2, 3).int(), torch.ones(2, 3), 0),  # a kind of numbers
        (torch.ones(2, 3), torch.ones(2, 3), "0"),  # a type that is no tensor
    ],
)
def test_a_wrong_call_is_an_error_unless_checks_are_off(x: Tensor, y: Tensor, extra: Any) -> None:
    with pytest.raises(WRONG):
        added(x, y, extra)


def test_right_calls_go_through_and_a_call_forgets_the_sizes_of_the_last() -> None:
    for batch in (2, 5):
        assert added(torch.ones(batch, 3), torch.ones(batch, 3)).tolist() == [6.0] * batch


def test_without_checks_anything_goes() -> None:
    with unchecked():
        assert len(added(torch.ones(2, 3), torch.ones(3, 3))) == 2
    with pytest.raises(WRONG):
        added(torch.ones(2, 3), torch.ones(3, 3))


@check
def named(known: "Condition | int", unknown: "Unknown", *, result: object = "") -> "str":
    return result  # type: ignore[return-value]


def test_names_in_quotation_marks_are_checked_where_they_are_known() -> None:
    assert named(3, 3) == ""
    for wrong in ({"known": "3"}, {"result": 3}):
        with pytest.raises(WRONG):
            named(**{"known": 3, "unknown": 3, **wrong})


@check
def parts(n: int) -> Iterator[int]:
    yield from range(n)


def test_generators_stay_generators() -> None:
    assert [*parts(3)] == [0, 1, 2]
    with pytest.raises(WRONG):
        parts("3")


def test_the_fields_of_a_dataclass_are_checked() -> None:
    @check
    @dataclass
    class Pair:
        x: Float[Tensor, " n"]
        y: Float[Tensor, " n"]

    Pair(torch.ones(2), torch.ones(2))
    with pytest.raises(WRONG):
        Pair(torch.ones(2), torch.ones(3))


def test_the_first_calls_of_each_test_are_checked() -> None:
    checked.begin()
    for _ in range(checked.CALLS):
        added(torch.ones(2, 3), torch.ones(2, 3))
    assert len(added(torch.ones(2, 3), torch.ones(3, 3))) == 2
    checked.begin()
    with pytest.raises(WRONG):
        added(torch.ones(2, 3), torch.ones(3, 3))
