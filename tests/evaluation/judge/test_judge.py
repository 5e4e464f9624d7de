from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import log_softmax, nll_loss, pad

from condgen.data import Dataset, Mixture, Splits, split
from condgen.evaluation.judge.judge import MEASURED, Judge, judge_for, train_judge
from condgen.progress import Silent
from condgen.schema import Condition, Schema

pytestmark = pytest.mark.statistical

WORLD = Mixture()


def world(n: int, seed: int) -> tuple[Tensor, Condition]:
    condition = WORLD.conditions(n, seed)
    return WORLD.sample(condition, torch.Generator().manual_seed(seed)), condition


@pytest.fixture(scope="module")
def judge() -> Judge:
    return train_judge(*world(10_000, seed=1), images=250_000, batch=250)


def test_it_learns_what_can_be_seen(judge: Judge) -> None:
    agreement = judge.agreement(*world(4000, seed=2))
    assert agreement["side"] > 0.98
    assert agreement["far"] > 0.98
    assert agreement["angle"] < 28  # degrees; guessing the middle is off by 30, the best reading there is by 14


def test_a_shuffled_condition_agrees_as_often_as_chance(judge: Judge) -> None:
    x, condition = world(4000, seed=2)
    shuffled = condition[torch.randperm(4000, generator=torch.Generator().manual_seed(0))]
    agreement = judge.agreement(x, shuffled)
    assert agreement["side"] == pytest.approx(0.25, abs=0.04)
    assert agreement["far"] == pytest.approx(0.5, abs=0.04)
    angle = shuffled.values["angle"]
    assert agreement["angle"] > (angle - angle.median()).abs().mean()  # the error of the best guess without a look


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


# ---- readings


def test_log_probabilities_sum_to_one_and_choose_what_is_read(judge: Judge) -> None:
    x, condition = world(200, seed=4)
    read = judge.read(x)
    for name in ("side", "far"):
        torch.testing.assert_close(read.outputs[name].exp().sum(1), torch.ones(200))
        torch.testing.assert_close(
            read.log_prob(name, read.condition.values[name]), read.outputs[name].max(1).values, rtol=0, atol=0
        )
    assert read.features.shape[0] == 200
    angle = read.log_prob("angle", read.condition.values["angle"])
    assert (
        angle > read.log_prob("angle", condition.values["angle"]) - 1e-6
    ).all()  # a density has its peak at what is read


def test_a_part_of_a_reading_is_the_reading_of_the_part(judge: Judge) -> None:
    x, condition = world(60, seed=4)
    whole, part = judge.read(x)[10:20], judge.read(x[10:20])
    for name in judge.schema.names:
        torch.testing.assert_close(whole.outputs[name], part.outputs[name], rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(
            whole.errors_of(name, condition.values[name][10:20]),
            judge.read(x).errors_of(name, condition.values[name])[10:20],
        )


def test_images_are_read_alike_as_bytes_and_as_numbers(people: Schema) -> None:
    judge = Judge(people, (3, 8, 8)).eval()
    x = torch.randint(0, 256, (6, 3, 8, 8), dtype=torch.uint8)
    a, b = judge.read(x), judge.read(x.float() / 255)
    for name in people.names:
        torch.testing.assert_close(a.outputs[name], b.outputs[name])


# ---- calibration


def nll(judge: Judge, x: Tensor, condition: Condition, name: str) -> float:
    return -float(judge.read(x).log_prob(name, condition.values[name]).mean())


def blurred(n: int, seed: int) -> tuple[Tensor, Condition]:
    """A world seen so badly that nobody can be sure."""
    x, condition = world(n, seed)
    return x + torch.randn(x.shape, generator=torch.Generator().manual_seed(seed)), condition


def attainable(judge: Judge, x: Tensor, condition: Condition, name: str) -> float:
    """The least mean −log q that any one temperature could give these very observations."""
    logits, codes = judge(x)[name].detach(), condition.values[name].long()
    logits = pad(logits, (1, 0)) if logits.shape[1] == 1 else logits  # a flag's logit is that of yes against no
    return min(float(nll_loss(log_softmax(logits * k / 100, dim=1), codes)) for k in range(10, 300))


def misplaced_trust(judge: Judge, x: Tensor, condition: Condition, name: str) -> float:
    """By how much the judge is surer than right, on average."""
    read = judge.read(x)
    right = (read.errors_of(name, condition.values[name]) < 0.5).float()
    return float((read.outputs[name].max(1).values.exp() - right).mean())


def test_an_overconfident_judge_becomes_honest_and_changes_no_answer() -> None:
    judge = train_judge(*blurred(150, seed=5), images=40_000, batch=64)
    x, condition = blurred(3_000, seed=6)
    before, answers = {n: nll(judge, x, condition, n) for n in ("side", "far")}, judge.predict(x)
    trust = {n: misplaced_trust(judge, x, condition, n) for n in ("side", "far")}
    held = Dataset(*blurred(1_500, seed=7))
    judge.calibrate(held)
    assert judge.temperature[0] > 1.2
    assert judge.temperature[1] > 1.2
    for name in ("side", "far"):
        best = attainable(judge, x, condition, name)
        assert nll(judge, x, condition, name) - best < 0.25 * (before[name] - best)  # on data it was not fitted to
        assert abs(misplaced_trust(judge, x, condition, name)) < 0.75 * trust[name]
        assert torch.equal(judge.predict(x).values[name], answers.values[name])


def test_the_error_of_a_continuous_attribute_is_that_on_data_it_was_not_trained_on(judge: Judge) -> None:
    x, condition = world(2_000, seed=8)
    judge.calibrate(Dataset(x, condition))
    errors = judge.read(x).condition.values["angle"] - condition.values["angle"]
    assert judge.read(x[:5]).errors["angle"] == pytest.approx(float(errors.square().mean().sqrt()), rel=1e-3)


def test_attributes_without_labels_keep_their_temperature(people: Schema) -> None:
    judge = Judge(people, (2,)).eval()
    rows = [{"color": "red"}, {"color": "blue"}]
    judge.calibrate(Dataset(torch.randn(2, 2), Condition.of(people, rows)))
    assert judge.temperature[1:].tolist() == [1, 1]


# ---- the cache


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Splits:
    monkeypatch.setenv("CONDGEN_CACHE", str(tmp_path))
    return split(Dataset(*world(400, seed=1)))


def same(a: Judge, b: Judge) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True))


def test_a_judge_is_trained_once_and_kept_calibrated(small: Splits, tmp_path: Path) -> None:
    first = judge_for(small, images=2_000)
    (file,) = (tmp_path / "judges").iterdir()
    assert small.train.fingerprint in file.name
    kept = file.read_bytes()
    assert same(judge_for(small, images=2_000), first)
    assert file.read_bytes() == kept
    assert not torch.equal(first.temperature, torch.ones(3))
    fresh = train_judge(small.train.x, small.train.condition, images=2_000).calibrate(small.validation)
    assert same(fresh, first)


def told(seconds: float, small: Splits, **how: Any) -> list[str]:
    """The notes of a training of ten steps that each take so long."""
    notes: list[str] = []
    progress, clock = Silent(), count(0, seconds * (MEASURED - 1))
    progress.note = notes.append  # type: ignore[method-assign]
    train_judge(small.train.x, small.train.condition, images=1_280, progress=progress, clock=lambda: next(clock), **how)
    return notes


def test_a_training_that_takes_long_says_how_long_and_what_is_shorter(
    small: Splits, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert told(5.9, small) == []
    assert told(12, small) == ["Training it takes about 2 minutes, once for this data."]
    monkeypatch.setattr("condgen.evaluation.judge.judge.FEWER", 640)
    assert told(60, small) == [
        "Training it takes about 10 minutes, once for this data. `judge_images=640` takes about 5 minutes, for a judge "
        "that errs more."
    ]
    assert told(60, small, advise=False) == ["Training it takes about 10 minutes, once for this data."]


def test_a_damaged_judge_is_trained_again(small: Splits, tmp_path: Path) -> None:
    first = judge_for(small, images=2_000)
    (file,) = (tmp_path / "judges").iterdir()
    file.write_bytes(file.read_bytes()[:100])
    assert same(judge_for(small, images=2_000), first)


def test_a_judge_is_calibrated_on_the_validation_part_of_its_own_data(small: Splits) -> None:
    first = judge_for(small, images=1_000)
    other = replace(small, validation=small.test)
    second = judge_for(other, images=1_000)
    assert not torch.equal(second.temperature, first.temperature)
    assert same(judge_for(small, images=1_000), first)
    assert same(judge_for(other, images=1_000), second)


def test_other_settings_are_another_judge(small: Splits, tmp_path: Path) -> None:
    judge_for(small, images=1_000)
    judge_for(small, images=1_000, seed=1)
    assert len(list((tmp_path / "judges").iterdir())) == 2
