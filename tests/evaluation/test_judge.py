import pytest
import torch
from torch import Tensor

from condgen.data.mixture import Mixture
from condgen.evaluation.judge import Judge, train_judge
from condgen.schema import Condition, Schema

WORLD = Mixture()


def world(n: int, seed: int) -> tuple[Tensor, Condition]:
    condition = WORLD.conditions(n, seed)
    return WORLD.sample(condition, torch.Generator().manual_seed(seed)), condition


@pytest.fixture(scope="module")
def judge() -> Judge:
    return train_judge(*world(10_000, seed=1), images=100_000, batch=256)


def test_it_learns_what_can_be_seen(judge: Judge) -> None:
    agreement = judge.agreement(*world(4000, seed=2))
    assert agreement["side"] > 0.98
    assert agreement["far"] > 0.98
    assert agreement["angle"] < 28  # degrees; guessing the middle is off by 30, and the noise hides much


def test_a_shuffled_condition_agrees_as_often_as_chance(judge: Judge) -> None:
    x, condition = world(4000, seed=2)
    shuffled = condition[torch.randperm(4000, generator=torch.Generator().manual_seed(0))]
    agreement = judge.agreement(x, shuffled)
    assert agreement["side"] == pytest.approx(0.25, abs=0.04)
    assert agreement["far"] == pytest.approx(0.5, abs=0.04)
    assert agreement["angle"] > 30


def test_training_repeats_exactly_and_leaves_the_global_stream_alone() -> None:
    x, condition = world(1000, seed=1)
    torch.manual_seed(5)
    first = train_judge(x, condition, images=3000)
    after = torch.rand(3)
    torch.manual_seed(99)
    second = train_judge(x, condition, images=3000)
    torch.manual_seed(5)
    torch.testing.assert_close(torch.rand(3), after, rtol=0, atol=0)
    for a, b in zip(first.parameters(), second.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=0)
    other = train_judge(x, condition, images=3000, seed=1)
    assert not torch.equal(next(first.parameters()), next(other.parameters()))


def test_a_prediction_does_not_depend_on_the_batch(judge: Judge) -> None:
    x, _ = world(300, seed=3)
    whole, parts = judge.predict(x), judge.predict(x, batch=7)
    for name in judge.schema.names:
        torch.testing.assert_close(whole.values[name], parts.values[name], rtol=1e-4, atol=1e-3)
    assert whole.complete


def test_agreement_counts_only_where_an_attribute_is_given(people: Schema, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = Condition.of(people, [{"color": "red", "glasses": 1, "age": 40}] * 4)
    asked = Condition.of(
        people,
        [
            {"color": "red", "glasses": "yes", "age": 40},
            {"color": "blue", "glasses": "no", "age": 30},
            {"color": "red", "glasses": "yes"},
            {"color": "red", "age": 80},
        ],
    )
    judge = Judge(people, (2,))
    monkeypatch.setattr(judge, "predict", lambda x: seen)
    agreement = judge.agreement(torch.zeros(4, 2), asked)
    assert agreement == pytest.approx({"color": 3 / 4, "Eyeglasses": 2 / 3, "age": (0 + 10 + 40) / 3})


def test_it_learns_from_what_is_labelled_and_skips_the_rest(people: Schema) -> None:
    judge, x = Judge(people, (2,)), torch.randn(6, 2)
    full = Condition.of(people, [{"color": "red", "glasses": 1, "age": 40}] * 6)
    half = full.drop(torch.tensor([[False], [False], [False], [True], [True], [True]]).expand(6, 3))
    torch.testing.assert_close(judge.loss(x, half), judge.loss(x[:3], full[:3]))
    assert judge.loss(x, Condition.free(people, 6)) == 0


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 28, 28), (1, 32, 16)], ids=str)
def test_it_judges_uint8_images_of_any_size(people: Schema, shape: tuple[int, ...]) -> None:
    condition = Condition.of(people, [{"color": "red", "glasses": 1, "age": 40}, {"color": "blue", "age": 10}] * 8)
    x = torch.randint(0, 256, (16, *shape), dtype=torch.uint8)
    judge = train_judge(x, condition, images=64, batch=16)
    assert judge.agreement(x.float() / 255, condition).keys() == set(people.names)
    assert not judge.training
