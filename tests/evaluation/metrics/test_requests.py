"""Requests measured: by a judge that reads the one pixel that tells, so that everything is known exactly."""

from typing import Any

import pytest
import torch

from condgen.data import Dataset, Splits
from condgen.evaluation import Judge
from condgen.evaluation.metrics.requests import ask
from condgen.requests.request import parse_requests
from condgen.runs.run import Run
from condgen.runs.samples import Samples
from condgen.schema import Condition, Flag, Schema

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

    def predict(self, x: torch.Tensor, batch: int = 512) -> Condition:
        seen = (torch.as_tensor(x, dtype=torch.float32)[:, 0, 0, :2] > 0.5).float()
        return Condition(SCHEMA, {"old": seen[:, 0], "glasses": seen[:, 1]}, torch.ones(len(x), 2, dtype=torch.bool))


class Half(Run):
    """A run that forgets the glasses in every other sample."""

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


def test_requests_that_no_real_image_fits_are_measured_all_the_same(data: Splits) -> None:
    (found,) = ask(Half(), Reader(), data, "old=no, glasses=no", samples=10)
    assert found.obeyed.value == 0.0
    assert found.relative != found.relative
    assert "nothing held out" in found.line


def test_a_star_is_one_result_for_every_value(data: Splits) -> None:
    found = ask(Half(), Reader(), data, "glasses=*", samples=10)
    assert [one.understood for one in found] == ["glasses=no", "glasses=yes"]
    assert [one.obeyed.value for one in found] == [0.5, 0.5]
