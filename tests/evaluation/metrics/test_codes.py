from typing import Any

import pytest
import torch
from torch import Tensor

from condgen.data import Dataset
from condgen.errors import RequestError
from condgen.evaluation.metrics.codes import match_codes, read_codes
from condgen.models import InfoGAN, build
from condgen.schema import Categorical, Condition, Continuous, Flag, Schema

SCHEMA = Schema(
    attributes=(
        Categorical(name="fruit", values=("apple", "pear", "plum"), synonyms=("kind",)),
        Flag(name="ripe"),
        Continuous(name="weight", low=0, high=1),
    )
)
APPLE, PEAR, PLUM = range(3)


def infogan(monkeypatch: pytest.MonkeyPatch, values: int) -> InfoGAN:
    """One whose code is written in the first column of what it reads."""
    model = build("infogan", SCHEMA, (2,), codes=1, values=values, continuous=1, channels=8, latent=2)
    assert isinstance(model, InfoGAN)

    def read(x: Tensor) -> Condition:
        free = Condition.free(model.schema, len(x))
        return free.with_codes("code1", x[:, 0]).with_codes("code2", x[:, 1])

    monkeypatch.setattr(model, "read", read)
    return model


def data(codes: list[int], fruits: list[int | None]) -> Dataset:
    """Observations of these labels that show these codes."""
    rows = [{} if f is None else {"fruit": SCHEMA["fruit"].values[f], "ripe": f == PLUM} for f in fruits]  # type: ignore[union-attr]
    return Dataset(torch.tensor([[float(c), 0.0] for c in codes]), Condition.of(SCHEMA, rows))


def test_codes_in_another_order_than_the_labels_are_matched_without_error(monkeypatch: pytest.MonkeyPatch) -> None:
    match = match_codes(infogan(monkeypatch, 3), data([2, 0, 1, 2, 2], [APPLE, PEAR, PLUM, APPLE, APPLE]), "fruit")
    assert match.names == {"2": "apple", "0": "pear", "1": "plum"}
    assert match.error == 0
    assert (match.code, match.attribute) == ("code1", "fruit")
    assert match.table.tolist() == [[0, 1, 0], [0, 0, 1], [3, 0, 0]]


def test_probabilities_count_as_the_most_likely_label(monkeypatch: pytest.MonkeyPatch) -> None:
    hard = data([1, 1, 0, 0], [PLUM, PLUM, APPLE, APPLE])
    soft = Dataset(hard.x, hard.condition.with_codes("ripe", torch.tensor([0.9, 0.6, 0.4, 0.1])))
    match = match_codes(infogan(monkeypatch, 2), soft, "ripe")
    assert match.names == {"1": "yes", "0": "no"}
    assert match.table.tolist() == [[2, 0], [0, 2]]


def test_the_error_is_the_share_of_observations_whose_code_stands_for_another_label(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    codes = [0] * 8 + [1] * 6 + [2] * 6
    fruits = [PEAR] * 6 + [PLUM] * 2 + [APPLE] * 5 + [PLUM] + [PLUM] * 6
    match = match_codes(infogan(monkeypatch, 3), data(codes, fruits), "fruit")
    assert match.names == {"0": "pear", "1": "apple", "2": "plum"}
    assert match.error == pytest.approx(3 / 20)


def test_the_match_is_the_best_of_all_not_the_best_of_each(monkeypatch: pytest.MonkeyPatch) -> None:
    codes = [0] * 10 + [1] * 8 + [2] * 3
    fruits = [APPLE] * 6 + [PEAR] * 4 + [APPLE] * 8 + [PLUM] * 3  # both 0 and 1 are mostly apples
    match = match_codes(infogan(monkeypatch, 3), data(codes, fruits), "fruit")
    assert match.names == {"0": "pear", "1": "apple", "2": "plum"}
    assert match.error == pytest.approx(6 / 21)


def test_with_more_code_values_than_labels_several_stand_for_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    codes, fruits = [4, 4, 4, 0, 3, 1], [APPLE, APPLE, PEAR, PEAR, PLUM, APPLE]
    match = match_codes(infogan(monkeypatch, 5), data(codes, fruits), "fruit")
    assert {code: match.names[code] for code in "1403"} == {"1": "apple", "4": "apple", "0": "pear", "3": "plum"}
    assert match.error == pytest.approx(1 / 6)
    assert match.table.shape == (5, 3)


def test_a_label_too_many_has_no_code_and_its_observations_are_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    match = match_codes(infogan(monkeypatch, 2), data([1, 1, 1, 0, 0], [PLUM, PLUM, PEAR, APPLE, APPLE]), "fruit")
    assert match.names == {"1": "plum", "0": "apple"}
    assert match.error == pytest.approx(1 / 5)


def test_observations_without_the_label_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    match = match_codes(infogan(monkeypatch, 3), data([2, 1, 2, 2, 0], [None, APPLE, None, PEAR, PLUM]), "fruit")
    assert match.error == 0
    assert match.table.sum() == 3


def test_names_may_come_from_other_observations_than_the_error(monkeypatch: pytest.MonkeyPatch) -> None:
    named = data([2, 0, 1], [APPLE, PEAR, PLUM])
    tested = data([0, 0, 0, 2], [APPLE, APPLE, PEAR, PLUM])  # on its own it would match 0 to apple
    match = match_codes(infogan(monkeypatch, 3), named, "fruit", tested=tested)
    assert match.names == {"2": "apple", "0": "pear", "1": "plum"}
    assert match.error == pytest.approx(3 / 4)
    assert match.table.tolist() == [[2, 1, 0], [0, 0, 0], [0, 0, 1]]


def test_flags_and_other_names_of_an_attribute_are_matched_too(monkeypatch: pytest.MonkeyPatch) -> None:
    model, of_all = infogan(monkeypatch, 2), data([0, 1, 1], [PLUM, PEAR, PEAR])
    assert match_codes(model, of_all, "ripe").names == {"0": "yes", "1": "no"}
    assert match_codes(model, of_all, "kind").attribute == "fruit"


@pytest.mark.parametrize(
    ("asked", "part"),
    [
        (("weight",), "'weight' is continuous"),
        (("fruit", "code2"), "'code2' is continuous"),
        (("furit",), "'furit'"),
        (("fruit", "code7"), "'code7'"),
    ],
    ids=str,
)
def test_what_has_no_named_values_cannot_be_matched(
    monkeypatch: pytest.MonkeyPatch, asked: tuple[str, ...], part: str
) -> None:
    with pytest.raises(RequestError, match=part):
        match_codes(infogan(monkeypatch, 3), data([0], [APPLE]), *asked)


@pytest.mark.parametrize(("name", "arguments"), [("acgan", {}), ("gan", {}), ("cvae", {})])
def test_a_model_without_codes_of_its_own_is_refused(name: str, arguments: dict[str, Any]) -> None:
    model = build(name, SCHEMA, (2,), channels=8, latent=2, **arguments)
    with pytest.raises(RequestError, match=r"no codes of its own.*infogan"):
        match_codes(model, data([0], [APPLE]), "fruit")


def test_codes_are_read_in_batches_in_the_order_of_the_data(monkeypatch: pytest.MonkeyPatch) -> None:
    codes = torch.randint(0, 3, (1_203,))
    n = len(codes)
    observations = Dataset(torch.stack([codes.float(), torch.zeros(n)], dim=1), Condition.free(SCHEMA, n))
    assert torch.equal(read_codes(infogan(monkeypatch, 3), observations, "code1"), codes.float())


def test_reading_is_that_of_a_model_that_has_stopped_learning_and_does_not_depend_on_the_batch() -> None:
    schema = Schema(attributes=(Flag(name="on"),))
    model = build("infogan", schema, (1, 8, 8), channels=4, latent=2, values=3)
    assert isinstance(model, InfoGAN)
    images = torch.randint(0, 256, (20, 1, 8, 8), dtype=torch.uint8)
    observations = Dataset(images, Condition.free(schema, 20))
    model.train()
    read = read_codes(model, observations, "code1", batch=7)
    assert not model.training
    expected = model.read(images.float() / 255)
    assert torch.equal(read, expected.values["code1"])
    assert torch.equal(read_codes(model, observations, "code2"), expected.values["code2"])
