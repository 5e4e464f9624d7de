import pytest
import torch

from condgen.data import Dataset, Mixture, Splits
from condgen.errors import RequestError
from condgen.evaluation.metrics.usefulness import Usefulness, usefulness
from condgen.runs.samples import Samples
from condgen.schema import Condition

pytestmark = pytest.mark.statistical

WORLD = Mixture()
IMAGES, FEW = 180_000, 60_000  # until angles are read; until sides are


def world(n: int, seed: int, condition: Condition | None = None) -> Dataset:
    condition = WORLD.conditions(n, seed) if condition is None else condition
    return Dataset(WORLD.sample(condition, torch.Generator().manual_seed(seed)), condition)


def as_samples(data: Dataset, condition: Condition | None = None) -> Samples:
    asked = data.condition if condition is None else condition
    return Samples(data.floats, asked, torch.arange(len(data)), torch.zeros(len(data)).long())


TRAIN, TEST, FRESH = world(4_000, 1), world(2_000, 2), world(2_000, 3)


@pytest.fixture(scope="module")
def fresh() -> Usefulness:
    return usefulness(as_samples(FRESH), TRAIN, TEST, images=IMAGES)


def test_fresh_real_data_are_as_useful_as_real_data(fresh: Usefulness) -> None:
    assert fresh.n == 2_000
    assert fresh.made["side"] == pytest.approx(fresh.real["side"], abs=0.02)
    assert fresh.made["far"] == pytest.approx(fresh.real["far"], abs=0.02)
    assert fresh.made["angle"] == pytest.approx(fresh.real["angle"], abs=2)
    assert min(fresh.made["side"], fresh.made["far"]) > 0.95


def test_samples_that_show_what_others_were_asked_for_are_useless(fresh: Usefulness) -> None:
    shuffled = FRESH.condition[torch.randperm(2_000, generator=torch.Generator().manual_seed(0))]
    found = usefulness(as_samples(FRESH, shuffled), TRAIN, TEST, images=IMAGES)
    assert found.real == fresh.real
    assert found.made["side"] < 0.45
    assert found.made["far"] < 0.65
    assert found.made["angle"] > fresh.made["angle"] + 1


def test_samples_of_too_little_variety_are_less_useful(fresh: Usefulness) -> None:
    """Each as asked, but only for angles near zero: what others look like cannot be learned from them."""
    flat = Condition(
        WORLD.schema, {**FRESH.condition.values, "angle": FRESH.condition.values["angle"] / 20}, FRESH.condition.present
    )
    found = usefulness(as_samples(world(2_000, 3, flat)), TRAIN, TEST, images=IMAGES)
    assert found.made["angle"] > fresh.made["angle"] + 1
    assert found.real == fresh.real


def test_a_value_that_is_shown_as_another_is_confused_with_it() -> None:
    """A generator that answers every request for north with a south, and is seldom asked for a south.

    What looks like a south was mostly asked for as a north, so a predictor says north of every south. Norths, which
    nobody saw, are not tested.
    """
    side = FRESH.condition.values["side"]
    asked = FRESH.condition[torch.where((side != 3) | (torch.arange(len(side)) % 5 == 0))[0]]
    sides = torch.where(asked.values["side"] == 1, 3.0, asked.values["side"])
    shown = world(len(asked), 3, Condition(WORLD.schema, {**asked.values, "side": sides}, asked.present))
    others = TEST[torch.where(TEST.condition.values["side"] != 1)[0]]
    found = usefulness(as_samples(shown, asked), TRAIN, others, images=FEW)
    assert found.made["side"] == pytest.approx(2 / 3, abs=0.05)  # east and west
    assert found.made["far"] > 0.9
    assert found.real["side"] > 0.98


def test_both_predictors_learn_from_as_many_observations() -> None:
    few = usefulness(as_samples(FRESH[:100]), TRAIN, TEST, images=3_000)
    assert few.n == 100
    many = usefulness(as_samples(FRESH), TRAIN[:100], TEST, images=3_000)
    assert many.n == 100
    assert many.made["side"] == pytest.approx(few.made["side"], abs=0.15)


def test_training_data_in_the_place_of_samples_are_exactly_as_useful() -> None:
    found = usefulness(as_samples(TRAIN), TRAIN, TEST, images=3_000)
    assert found.made == found.real


def test_what_was_left_free_teaches_nothing() -> None:
    """Where the side was not asked, its code is a zero that means nothing."""
    asked = FRESH.condition
    free = torch.arange(2_000) % 2 == 0
    mask = asked.present.clone()
    mask[free, 0] = False
    codes = torch.where(free, 0.0, asked.values["side"])
    partly = Condition(WORLD.schema, {**asked.values, "side": codes}, mask)
    assert usefulness(as_samples(FRESH, partly), TRAIN, TEST, images=FEW).made["side"] > 0.95


def test_an_attribute_that_was_never_asked_for_is_left_out() -> None:
    sides = FRESH.condition.present & torch.tensor([True, False, False])
    partly = Condition(WORLD.schema, FRESH.condition.values, sides)
    found = usefulness(as_samples(FRESH, partly), TRAIN, TEST, images=1_000)
    assert set(found.made) == set(found.real) == {"side"}


def test_images_are_trained_on_as_datasets_hold_them(digits: Splits) -> None:
    made = as_samples(digits.train)
    finer = Samples(made.x + 0.4 / 255, made.condition, made.seeds, made.request)
    found = usefulness(finer, digits.train, digits.test, images=1_000)
    assert found.made == found.real
    assert usefulness(digits.train, digits.train, digits.test, images=1_000) == found


def test_samples_of_other_attributes_are_refused(digits: Splits) -> None:
    with pytest.raises(RequestError, match=r"side, far, angle.*digit"):
        usefulness(as_samples(FRESH), digits.train, digits.test)
