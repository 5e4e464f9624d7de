import pytest
import torch
from torch import Tensor

from condgen.data import Dataset, Mixture
from condgen.evaluation import Judge, Obedience, obedience, train_judge
from condgen.samples import Samples
from condgen.schema import Condition

WORLD = Mixture()


def samples(x: Tensor, condition: Condition) -> Samples:
    index = torch.arange(len(x))
    return Samples(x, condition, index, torch.zeros_like(index))


@pytest.fixture(scope="module")
def judge() -> Judge:
    condition = WORLD.conditions(5000, 1)
    return train_judge(WORLD.sample(condition, torch.Generator().manual_seed(1)), condition, images=60_000, batch=256)


@pytest.fixture(scope="module")
def real() -> Dataset:
    condition = WORLD.conditions(1000, 2)
    return Dataset(WORLD.sample(condition, torch.Generator().manual_seed(2)), condition)


def test_samples_that_show_what_was_asked_score_like_real_data(judge: Judge, real: Dataset) -> None:
    condition = WORLD.conditions(1000, 3)
    found = obedience(judge, samples(WORLD.sample(condition, torch.Generator().manual_seed(3)), condition), real)
    assert found.asked["side"] == pytest.approx(found.real["side"], abs=0.03)
    assert found.real["side"] > 0.95


def test_samples_that_ignore_what_was_asked_score_like_chance(judge: Judge, real: Dataset) -> None:
    asked = real.condition[torch.randperm(1000, generator=torch.Generator().manual_seed(0))]
    found = obedience(judge, samples(real.x, asked), real)
    assert found.asked["side"] == pytest.approx(0.25, abs=0.06)
    assert found.real["side"] > 0.95


def test_every_attribute_is_one_readable_line_with_the_judges_own_skill() -> None:
    found = Obedience(
        {"side": 0.9, "far": 1.0, "angle": 12.3456}, {"side": 0.991, "far": 0.5, "angle": 10.0}, WORLD.schema
    )
    side, far, angle = found.lines()
    assert side == "side: 90.00% as asked; the judge on held-out real data: 99.10%"
    assert far.startswith("far: 100.00%")
    assert "angle: off by 12.3 on average" in angle


def test_an_attribute_that_was_never_asked_for_is_said_so(judge: Judge, real: Dataset) -> None:
    asked = real.condition.drop(torch.tensor([[False, True, False]]).expand(1000, 3))
    _, far, _ = obedience(judge, samples(real.x, asked), real).lines()
    assert far.startswith("far: nothing known as asked")
    assert "nan" not in far
