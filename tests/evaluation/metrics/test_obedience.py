import copy
import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from condgen.data import Dataset, Mixture
from condgen.evaluation.judge.judge import Judge, Reading, train_judge
from condgen.evaluation.metrics.attribute_obedience import attribute_obedience
from condgen.evaluation.metrics.combinations import absent_combinations, named_codes
from condgen.evaluation.metrics.obedience import Obedience, obedience
from condgen.schema import Categorical, Condition, Continuous, Flag, LabelDistribution, Schema

pytestmark = pytest.mark.statistical

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
    assert 15 < angle.asked.value < 30  # degrees; the best reading there is is off by 14, guessing the middle by 30
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
    assert found["side"].line.startswith("side: unknown as asked")
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


def test_a_judge_without_any_doubt_has_finite_confidence(judge: Judge, real: Dataset) -> None:
    certain = copy.deepcopy(judge)
    with torch.no_grad():
        for head in certain.heads:
            head.weight *= 1e4
    assert certain.read(real.x).outputs["side"].max() == 0  # a probability of one
    for asked in (real.condition, real.condition.with_codes("side", (real.condition.values["side"] + 1) % 4)):
        side = obedience(certain, claimed(asked, real.condition), real)["side"]
        assert side.confidence is not None
        assert math.isfinite(side.confidence)


@pytest.mark.parametrize("odds", [0.5, 10.0, 16.0, 17.0, 20.0, 60.0])
@pytest.mark.parametrize("values", [2, 3])
def test_confidence_is_the_log_odds_however_large_they_are(odds: float, values: int) -> None:
    """Probabilities of 32 bits are exactly one from 17 nats on, where confidence jumped to 27.6."""
    kind = Categorical(name="kind", values=tuple("abc"[:values]))
    logits = torch.tensor([[odds, 0.0, -90.0], [0.0, odds, -90.0]])[:, :values]
    schema = Schema(attributes=(kind,))
    read = Reading(schema, logits, {"kind": kind.density.reading(logits, 1.0)}, {})
    right, wrong = (
        Condition(schema, {"kind": torch.tensor(codes)}, torch.ones(2, 1, dtype=torch.bool))
        for codes in ([0.0, 1.0], [1.0, 0.0])
    )
    found = attribute_obedience(kind, read, wrong, read, right, None, None)
    assert found.real_confidence == pytest.approx(odds, rel=1e-5)
    assert found.confidence == pytest.approx(-odds, rel=1e-5)


class Bayes(Judge):
    """The best judge there can be: reads the posterior of the world's own density, on a grid of angles."""

    def read(self, x: Tensor, batch: int = 512) -> Reading:
        side, far, angle = torch.meshgrid(
            torch.arange(4.0), torch.arange(2.0), torch.linspace(-60, 60, 61), indexing="ij"
        )
        grid = {"side": side.flatten(), "far": far.flatten(), "angle": angle.flatten()}
        every = Condition(WORLD.schema, grid, torch.ones(488, 3, dtype=torch.bool))
        log_p = [WORLD.log_prob(x, every[torch.full((len(x),), k)]) for k in range(488)]
        posterior = torch.stack(log_p, 1).log_softmax(1).view(-1, 4, 2, 61)
        outputs = {
            "side": posterior.logsumexp((2, 3)),
            "far": posterior.logsumexp((1, 3)),
            "angle": (posterior.exp().sum((1, 2)) @ torch.linspace(-60, 60, 61))[:, None],
        }
        return Reading(WORLD.schema, x, outputs, {"angle": 20.0})


def slope(found: Obedience) -> float:
    """How much more is read for every degree more that is asked."""
    asked, seen = torch.tensor([(b.asked, b.seen) for b in found["angle"].calibration]).T
    return float(((asked - asked.mean()) * (seen - seen.mean())).sum() / (asked - asked.mean()).square().sum())


def test_calibration_rises_as_the_best_reading_does_and_not_at_all_where_the_number_is_ignored(real: Dataset) -> None:
    """A posterior mean m(x) has cov(m, asked) = var(m): its slope is the share of the variance that can be read."""
    bayes, asked = Bayes(WORLD.schema, (2,)), WORLD.conditions(2_000, 3)
    made = shown(asked, 3)
    found = obedience(bayes, made, real)
    explained = float(bayes.read(made.x).condition.values["angle"].var() / asked.values["angle"].var())
    assert explained == pytest.approx(0.7, abs=0.05)
    assert slope(found) == pytest.approx(explained, abs=0.05)
    seen = [b.seen for b in found["angle"].calibration]
    assert seen == sorted(seen)
    deaf = asked.with_codes("angle", WORLD.conditions(2_000, 8).values["angle"])
    assert abs(slope(obedience(bayes, claimed(asked, deaf), real))) < 0.06


# ---- combinations


def test_combinations_are_listed_worst_first_and_marked_if_never_trained(judge: Judge, real: Dataset) -> None:
    asked = WORLD.conditions(1_600, 3)
    west_far = (asked.values["side"] == 2) & (asked.values["far"] == 1)
    made = asked.with_codes("far", torch.where(west_far, 0.0, asked.values["far"]))
    trained = LabelDistribution.of(WORLD.conditions(3_000, 5)[~_is(WORLD.conditions(3_000, 5), 2, 1)])
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
    joint = LabelDistribution.of(Condition.of(wardrobe, [*rows, {"color": "red"}]))
    assert sorted(absent_combinations(joint)) == [(0, 0), (1, 1)]
    assert absent_combinations(joint, most=3) == []
    complete = [{"color": c, "hat": h} for c in ("red", "blue") for h in ("yes", "no")]
    assert absent_combinations(LabelDistribution.of(Condition.of(wardrobe, complete))) == []


def test_named_codes_leave_numbers_out_and_mark_what_is_free(wardrobe: Schema) -> None:
    condition = Condition.of(wardrobe, [{"color": "blue", "size": 3}, {"hat": "yes"}])
    assert named_codes(condition).tolist() == [[1, -1], [-1, 1]]


def test_a_result_is_found_by_the_attributes_name(judge: Judge, real: Dataset) -> None:
    found: Obedience = obedience(judge, real, real)
    lookup: Callable[[str], object] = found.__getitem__
    assert lookup("far") is found.attributes[1]
