import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from condgen.data import Dataset, Mixture
from condgen.evaluation.judge import Judge, train_judge
from condgen.evaluation.obedience import Obedience, absent_combinations, named_codes, obedience
from condgen.joint import Joint
from condgen.schema import Categorical, Condition, Continuous, Flag, Schema

WORLD = Mixture()


def shown(condition: Condition, seed: int) -> Dataset:
    """Points of the world under conditions."""
    return Dataset(WORLD.sample(condition, torch.Generator().manual_seed(seed)), condition)


@pytest.fixture(scope="module")
def judge() -> Judge:
    data = shown(WORLD.conditions(6_000, 1), 1)
    judge = train_judge(data.x, data.condition, images=80_000, batch=256)
    return judge.calibrate(shown(WORLD.conditions(2_000, 9), 9))


@pytest.fixture(scope="module")
def real() -> Dataset:
    return shown(WORLD.conditions(1_500, 2), 2)


def claimed(asked: Condition, made_of: Condition, seed: int = 3) -> Dataset:
    """Samples that were asked for one condition and show another."""
    return Dataset(shown(made_of, seed).x, asked)


# ---- attributes


def test_samples_that_show_what_was_asked_score_like_real_data(judge: Judge, real: Dataset) -> None:
    found = obedience(judge, shown(WORLD.conditions(1_500, 3), 3), real)
    for a in found.attributes:
        assert a.asked.low <= a.real.high
        assert a.real.low <= a.asked.high
        assert a.relative == pytest.approx(1, abs=0.12)
    assert found["side"].real.value > 0.97
    assert found.joint.low <= found.joint_real.high


def test_samples_that_ignore_one_attribute_score_like_chance_in_it_and_in_no_other(judge: Judge, real: Dataset) -> None:
    asked = WORLD.conditions(1_500, 3)
    other = asked.with_codes("side", WORLD.conditions(1_500, 4).values["side"])
    found = obedience(judge, claimed(asked, other), real)
    side, far = found["side"], found["far"]
    assert side.asked.value == pytest.approx(0.25, abs=0.05)
    assert side.chance == pytest.approx(0.25, abs=0.03)
    assert side.asked.low < side.chance < side.asked.high
    assert far.asked.value > 0.97
    assert found.joint.value < 0.35


def test_chance_is_that_of_the_frequencies_that_were_asked_and_read(judge: Judge, real: Dataset) -> None:
    """Always asked for far, always far: chance is certainty, and so nothing is proved."""
    asked = WORLD.conditions(800, 3).with_codes("far", torch.ones(800))
    assert obedience(judge, shown(asked, 3), real)["far"].chance > 0.97


def test_the_confusion_counts_what_was_asked_by_row_and_what_was_read_by_column(judge: Judge, real: Dataset) -> None:
    asked = WORLD.conditions(1_000, 3)
    rotated = asked.with_codes("side", (asked.values["side"] + 1) % 4)
    confusion = torch.tensor(obedience(judge, claimed(asked, rotated), real)["side"].confusion)
    assert torch.equal(confusion.sum(1), asked.values["side"].long().bincount(minlength=4))
    for row in range(4):
        assert int(confusion[row].argmax()) == (row + 1) % 4


def test_errors_of_continuous_attributes_are_in_their_unit_and_calibration_is_in_order(
    judge: Judge, real: Dataset
) -> None:
    angle = obedience(judge, shown(WORLD.conditions(2_000, 3), 3), real)["angle"]
    assert 15 < angle.asked.value < 30  # degrees; noise hides much, and guessing the middle is off by 30
    assert angle.chance > angle.asked.value
    assert angle.tolerance is not None
    assert angle.tolerance > angle.real.value
    asked = [b.asked for b in angle.calibration]
    assert asked == sorted(asked)
    assert sum(b.n for b in angle.calibration) == 2_000
    assert angle.calibration[-1].seen > angle.calibration[0].seen


def test_attributes_that_are_not_given_count_for_nothing(judge: Judge, real: Dataset) -> None:
    asked = WORLD.conditions(900, 3)
    free = asked.drop(torch.tensor([[True, False, True]]).expand(900, 3))
    wrong = asked.with_codes("side", (asked.values["side"] + 1) % 4)
    found = obedience(judge, claimed(free, wrong), real)
    assert math.isnan(found["side"].asked.value)
    assert found["side"].line.startswith("side: nothing known as asked")
    assert found.joint.value == found["far"].asked.value > 0.97


def test_every_attribute_is_one_readable_line_with_the_judges_own_skill(judge: Judge, real: Dataset) -> None:
    side, far, angle = obedience(judge, real, real).lines()
    assert side.startswith("side: ")
    assert "; the judge on held-out real data: " in side
    assert "%" in far
    assert "angle: off by " in angle


def test_confidence_is_finite_and_higher_for_clearer_cases(judge: Judge, real: Dataset) -> None:
    asked = WORLD.conditions(800, 3)
    clear = Dataset(WORLD.modes(asked).mean(1), asked)
    found = obedience(judge, clear, real)["side"]
    assert found.confidence is not None
    assert found.real_confidence is not None
    assert math.isfinite(found.confidence)
    assert found.confidence > found.real_confidence - 1


# ---- combinations


def test_combinations_are_listed_worst_first_and_marked_if_never_trained(judge: Judge, real: Dataset) -> None:
    asked = WORLD.conditions(1_600, 3)
    west_far = (asked.values["side"] == 2) & (asked.values["far"] == 1)
    made = asked.with_codes("far", torch.where(west_far, 0.0, asked.values["far"]))
    trained = Joint.of(WORLD.conditions(3_000, 5)[~_is(WORLD.conditions(3_000, 5), 2, 1)])
    found = obedience(judge, claimed(asked, made), real, trained=trained).combinations
    assert len(found) == 8
    assert found[0].request == "side=west, far=yes"
    assert found[0].obeyed.value < 0.05
    assert [c.request for c in found if not c.trained] == ["side=west, far=yes"]
    assert sum(c.n for c in found) == 1_600


def _is(condition: Condition, side: int, far: int) -> Tensor:
    return (condition.values["side"] == side) & (condition.values["far"] == far)


def test_unseen_is_the_joint_obedience_of_what_is_given_for_it(judge: Judge, real: Dataset) -> None:
    asked = WORLD.conditions(600, 3)
    wrong = claimed(asked, asked.with_codes("side", (asked.values["side"] + 1) % 4))
    found = obedience(judge, shown(asked, 3), real, unseen=wrong)
    assert found.unseen is not None
    assert found.unseen.value < 0.05 < found.joint.value
    assert obedience(judge, shown(asked, 3), real).unseen is None


@pytest.fixture
def wardrobe() -> Schema:
    return Schema(
        attributes=(
            Categorical(name="color", values=("red", "blue")),
            Continuous(name="size", low=0, high=9),
            Flag(name="hat"),
        )
    )


def test_absent_combinations_are_exactly_those_that_the_data_lacks(wardrobe: Schema) -> None:
    rows = [{"color": "red", "hat": "yes", "size": 1}, {"color": "blue", "hat": "no", "size": 2}]
    joint = Joint.of(Condition.of(wardrobe, [*rows, {"color": "red"}]))
    assert sorted(absent_combinations(joint)) == [(0, 0), (1, 1)]
    assert absent_combinations(joint, most=3) == []
    complete = [{"color": c, "hat": h} for c in ("red", "blue") for h in ("yes", "no")]
    assert absent_combinations(Joint.of(Condition.of(wardrobe, complete))) == []


def test_named_codes_leave_numbers_out_and_mark_what_is_free(wardrobe: Schema) -> None:
    condition = Condition.of(wardrobe, [{"color": "blue", "size": 3}, {"hat": "yes"}])
    assert named_codes(condition).tolist() == [[1, -1], [-1, 1]]


def test_a_result_is_found_by_the_attributes_name(judge: Judge, real: Dataset) -> None:
    found: Obedience = obedience(judge, real, real)
    lookup: Callable[[str], object] = found.__getitem__
    assert lookup("far") is found.attributes[1]
