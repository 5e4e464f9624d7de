"""Requests measured: by a judge that reads the one pixel that tells, so that everything is known exactly."""

from dataclasses import replace
from typing import Any

import pytest
import torch

from condgen.data import Dataset, Splits
from condgen.evaluation import Judge
from condgen.evaluation.judge.judge import Reading
from condgen.evaluation.metrics.estimate import share
from condgen.evaluation.metrics.requests import ask
from condgen.requests.request import parse_requests
from condgen.runs.run import Run
from condgen.runs.samples import Samples
from condgen.schema import Condition, Continuous, Flag, Schema
from condgen.schema.vector import Vector

SCHEMA = Schema(attributes=(Flag(name="old"), Flag(name="glasses")))


def labelled(old: list[int], glasses: list[int]) -> Condition:
    return Condition.of(SCHEMA, [{"old": a, "glasses": b} for a, b in zip(old, glasses, strict=True)])


def shown(condition: Condition) -> torch.Tensor:
    """Images whose first pixel is 200 where someone is old, the second where someone wears glasses."""
    x = torch.zeros(len(condition), 1, 4, 4, dtype=torch.uint8)
    for k, name in enumerate(SCHEMA.names):
        x[:, 0, 0, k] = (200 * condition.values[name]).to(torch.uint8)
    return x


class Reader(Judge):
    """A judge that reads those pixels."""

    def __init__(self) -> None:
        torch.nn.Module.__init__(self)

    def read(self, x: torch.Tensor, batch: int = 512) -> Reading:
        seen = (torch.as_tensor(x, dtype=torch.float32)[:, 0, 0, :2] > 0.5).float()
        outputs = {name: torch.stack([1 - seen[:, k], seen[:, k]], 1).log() for k, name in enumerate(SCHEMA.names)}
        return Reading(SCHEMA, seen, outputs, {})


class Half(Run):
    """A run that forgets the glasses in every other sample."""

    schema = SCHEMA

    def __init__(self) -> None:
        pass

    def requests(self, asked: Any, extrapolate: bool = False) -> Any:
        return parse_requests(asked, SCHEMA)

    def stream(self, asked: Any, n: int, seed: int = 0, batch: int = 0, sampling: Any = None) -> Any:
        condition = labelled([1] * n, [1] * n)
        x = shown(condition).float() / 255
        x[::2, 0, 0, 1] = 0.0
        yield Samples(x, condition, torch.arange(n), torch.zeros(n, dtype=torch.long))


@pytest.fixture
def data() -> Splits:
    test = labelled([1, 1, 1, 0], [1, 1, 0, 1])
    pictures = shown(test)
    pictures[1, 0, 0, 0] = 0  # one whose age the judge cannot see
    train, none = labelled([1, 0], [1, 1]), labelled([], [])
    parts = [Dataset(shown(train), train), Dataset(shown(none), none), Dataset(pictures, test)]
    return Splits(*parts)


def test_a_request_is_obeyed_where_all_of_it_shows_at_once(data: Splits) -> None:
    (found,) = ask(Half(), Reader(), data, "old, glasses", samples=10)
    assert found.obeyed.value == 0.5
    assert (found.samples, found.trained) == (10, 1)


def test_beside_it_stand_the_real_images_that_fit(data: Splits) -> None:
    (found,) = ask(Half(), Reader(), data, "old, glasses", samples=10)
    assert (found.real_n, found.real.value) == (2, 0.5)
    assert found.relative == 1.0
    assert "50.0\u202f% of 10 samples show it; 50.0\u202f% of 2 held-out real ones" in found.line


def test_a_request_that_the_judge_finds_in_no_real_image_cannot_be_judged(data: Splits) -> None:
    (found,) = ask(Half(), Reader(), data, "old, glasses", samples=10)
    blind = replace(found, obeyed=share(torch.zeros(10).bool()), real=share(torch.zeros(13).bool()), real_n=13)
    assert blind.line.endswith(": cannot be judged: the judge finds none of the 13 held-out real ones")
    assert not found.unseen


def test_requests_that_no_real_image_fits_are_measured_all_the_same(data: Splits) -> None:
    (found,) = ask(Half(), Reader(), data, "old=no, glasses=no", samples=10)
    assert found.obeyed.value == 0.0
    assert found.relative != found.relative
    assert "nothing held out" in found.line


def test_a_star_is_one_result_for_every_value(data: Splits) -> None:
    found = ask(Half(), Reader(), data, "glasses=*", samples=10)
    assert [one.understood for one in found] == ["glasses=no", "glasses=yes"]
    assert [one.obeyed.value for one in found] == [0.5, 0.5]


NUMBERS = Schema(
    attributes=(Continuous(name="age", low=0, high=100), Vector(name="place", mean=(0,) * 4, scale=(1,) * 4))
)


def aged(ages: list[float]) -> Condition:
    return Condition.of(NUMBERS, [{"age": age, "place": [age / 100] * 4} for age in ages])


class Near(Judge):
    """A judge that reads a vector's only number as the age, and its hundredth as every coordinate of the place."""

    def __init__(self) -> None:
        torch.nn.Module.__init__(self)
        self.schema = NUMBERS

    def read(self, x: torch.Tensor, batch: int = 512) -> Reading:
        return Reading(NUMBERS, x, {"age": x, "place": x.repeat(1, 4) / 100}, {})


class Twenty(Run):
    """A run whose samples are 19.5 years old, or 50 in one of ten."""

    schema = NUMBERS

    def __init__(self) -> None:
        pass

    def requests(self, asked: Any, extrapolate: bool = False) -> Any:
        return parse_requests(asked, NUMBERS)

    def stream(self, asked: Any, n: int, seed: int = 0, batch: int = 0, sampling: Any = None) -> Any:
        x = torch.tensor([50.0 if k % 10 == 0 else 19.5 for k in range(n)])[:, None]
        yield Samples(x, aged([20.0] * n), torch.arange(n), torch.zeros(n, dtype=torch.long))


@pytest.mark.parametrize("asked", ["age=20", {"place": [0.2] * 4}])
def test_a_single_number_may_differ_as_much_as_the_judge_errs(asked: Any) -> None:
    test = aged([20.0] * 10)
    x = torch.tensor([[20 + error] for error in (-0.9, -0.8, -0.7, -0.5, 0.1, 0.3, 0.5, 0.6, 0.8, 9.0)])
    data = Splits(*(Dataset(x, test) for _ in range(3)))
    (found,) = ask(Twenty(), Near(), data, asked, samples=10)
    assert (found.obeyed.value, found.real.value) == (0.9, 0.9)


def test_the_ends_of_a_range_stay_where_they_are() -> None:
    test = aged([20.0] * 10)
    data = Splits(*(Dataset(torch.full((10, 1), 25.0), test) for _ in range(3)))
    (found,) = ask(Twenty(), Near(), data, "age=19.9..30", samples=10)
    assert (found.obeyed.value, found.real.value) == (0.0, 1.0)
