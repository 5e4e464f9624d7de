import pytest
import torch

from condgen.data import Dataset, Splits
from condgen.inspection import inspect
from condgen.inspection.labels import check_inspected, check_labels, confident_joint, sentences
from condgen.schema import Categorical, Condition, Continuous, Flag, Schema


@pytest.mark.statistical
def test_a_tenth_of_the_digits_mislabelled_is_estimated_and_the_suspects_are_they(digits: Splits) -> None:
    data = digits.train
    rng = torch.Generator().manual_seed(0)
    truth = data.condition.values["digit"]
    wrong = torch.rand(len(truth), generator=rng) < 0.1
    other = (truth + torch.randint(1, 10, (len(truth),), generator=rng)) % 10
    flipped = Dataset(data.x, data.condition.with_codes("digit", torch.where(wrong, other, truth)))
    (check,) = check_labels(flipped, folds=4, images=12_000)
    assert abs(check.wrong - float(wrong.float().mean())) < 0.03
    rows = [suspect.row for suspect in check.suspects]
    precision = sum(bool(wrong[row]) for row in rows) / len(rows)
    assert precision > 0.9
    assert precision * len(rows) > 0.7 * int(wrong.sum())
    read = [suspect.reading == str(int(truth[suspect.row])) for suspect in check.suspects if wrong[suspect.row]]
    assert sum(read) > 0.9 * len(read)
    assert any("digit: about 1" in sentence for sentence in sentences((check,)))


def test_the_joint_is_that_of_the_paper() -> None:
    labels = torch.tensor([0, 0, 0, 1, 1, 1])
    of_one = torch.tensor([0.1, 0.2, 0.9, 0.8, 0.9, 0.4])  # means: 0.6 of value 0 where so labelled, 0.7 of value 1
    joint, confident = confident_joint(labels, torch.stack([1 - of_one, of_one], dim=1))
    assert confident.tolist() == [0, 0, 1, 1, 1, 0]
    assert joint.tolist() == [[2.0, 1.0], [1.0, 2.0]]


def test_who_is_sure_of_nothing_is_not_counted_but_the_labels_still_are() -> None:
    labels = torch.tensor([0, 0, 0, 1])
    of_one = torch.tensor([0.0, 0.0, 0.5, 1.0])
    joint, confident = confident_joint(labels, torch.stack([1 - of_one, of_one], dim=1))
    assert confident.tolist() == [0, 0, -1, 1]
    assert joint.tolist() == [[3.0, 0.0], [0.0, 1.0]]


def points(n: int = 400) -> Dataset:
    """Points whose side is `right`; of `coin` nothing can be seen, and of `never` nothing is known."""
    rng = torch.Generator().manual_seed(0)
    x = torch.randn(n, 2, generator=rng)
    schema = Schema(
        attributes=(
            Flag(name="right"),
            Flag(name="coin"),
            Categorical(name="never", values=("a", "b")),
            Continuous(name="up", low=-9, high=9),
        )
    )
    values = {
        "right": (x[:, 0] > 0).float(),
        "coin": torch.randint(0, 2, (n,), generator=rng).float(),
        "never": torch.zeros(n),
        "up": x[:, 1],
    }
    return Dataset(x, Condition(schema, values, torch.tensor([True, True, False, True]).repeat(n, 1)))


def test_nothing_is_said_of_labels_that_judges_cannot_see() -> None:
    right, coin, never = check_labels(points(), folds=2, images=5_000)
    assert right.readable
    assert right.wrong < 0.05
    assert not coin.readable
    assert not never.readable
    assert never.checked == 0
    said = list(sentences((right, coin, never)))
    assert len(said) == 1
    assert "hardly see coin;" in said[0]


def test_suspects_of_an_inspection_are_named_by_their_row() -> None:
    data = points()
    codes = data.condition.values["right"].clone()
    codes[data.x[:, 0].argmax()] = 0  # the point furthest to the right
    mistaken = Dataset(data.x, data.condition.with_codes("right", codes).select(["right"]))
    found = inspect(Splits(mistaken[:300], mistaken[300:300], mistaken[300:]))
    (check,) = check_inspected(found)
    assert check.suspects[0].row == int(data.x[:, 0].argmax())
    assert (check.suspects[0].label, check.suspects[0].reading) == ("no", "yes")


def test_too_few_examples_are_not_checked() -> None:
    data = points(30)
    assert check_inspected(inspect(Splits(data, data[:0], data[:0]))) == ()
