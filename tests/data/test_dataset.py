from itertools import islice

import pytest
import torch

from condgen.data import Dataset, DataSource, Splits, as_float, as_uint8, load, split
from condgen.errors import DataError, RequestError
from condgen.schema import Categorical, Condition, Flag, Schema

SCHEMA = Schema(attributes=(Categorical(name="digit", values=tuple("0123456789")), Flag(name="big")))


def make(n: int) -> Dataset:
    """Image k holds the number k and is labelled with its last digit."""
    x = torch.arange(n, dtype=torch.uint8)[:, None, None, None].expand(n, 1, 4, 4).contiguous()
    values = {"digit": torch.arange(n).float() % 10, "big": (torch.arange(n) > 5).float()}
    return Dataset(x, Condition(SCHEMA, values, torch.ones(n, 2, dtype=torch.bool)))


def numbers(data: Dataset, seed: int, start: int, size: int, batches: int) -> list[int]:
    return [int(k) for x, _ in islice(data.batches(seed, start, size), batches) for k in x[:, 0, 0, 0]]


@pytest.mark.parametrize("start", [0, 4, 7, 20, 33])
def test_batches_can_be_resumed_at_any_image(start: int) -> None:
    data = make(10)
    assert numbers(data, 3, start, 5, 6) == numbers(data, 3, 0, 1, start + 30)[start:]


def test_each_epoch_is_a_new_permutation() -> None:
    order = numbers(make(10), 0, 0, 4, 10)
    epochs = [order[e : e + 10] for e in range(0, 40, 10)]
    assert all(sorted(epoch) == list(range(10)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 4


def test_order_depends_on_the_seed_alone() -> None:
    assert numbers(make(50), 1, 0, 50, 1) == numbers(make(50), 1, 0, 50, 1)
    assert numbers(make(50), 1, 0, 50, 1) != numbers(make(50), 2, 0, 50, 1)


def test_a_batch_may_be_larger_than_the_data() -> None:
    assert sorted(numbers(make(3), 0, 0, 9, 1)) == [0, 0, 0, 1, 1, 1, 2, 2, 2]


def test_images_keep_their_labels_when_shuffled() -> None:
    for x, condition in islice(make(23).batches(0, 5, 7), 8):
        assert condition.values["digit"].equal(x[:, 0, 0, 0].float() % 10)


@pytest.mark.parametrize(("n", "test", "validation"), [(100, 15, 5), (200, 30, 10), (7, 1, 0)])
def test_splits_have_fixed_shares_and_share_nothing(n: int, test: int, validation: int) -> None:
    parts = split(make(n))
    assert [len(parts.train), len(parts.validation), len(parts.test)] == [n - test - validation, validation, test]
    seen = torch.cat([part.x[:, 0, 0, 0] for part in (parts.train, parts.validation, parts.test)])
    assert sorted(seen.tolist()) == list(range(n))
    assert parts.shape == (1, 4, 4)
    assert parts.schema == SCHEMA


def test_held_out_parts_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("condgen.data.splits.MOST_HELD_OUT", 8)
    parts = split(make(200))
    assert [len(parts.validation), len(parts.test)] == [8, 8]


def test_splitting_is_deterministic_and_shuffled() -> None:
    torch.manual_seed(1)
    first = split(make(100))
    torch.manual_seed(2)
    second = split(make(100))
    for one, two in ((first.train, second.train), (first.validation, second.validation), (first.test, second.test)):
        assert one.fingerprint == two.fingerprint
    assert first.test.x[:, 0, 0, 0].tolist() != list(range(15))


def test_a_given_test_set_is_used_as_it_is() -> None:
    given = make(9)
    parts = split(make(100), given)
    assert parts.test is given
    assert len(parts.train) == 95


def test_splits_select_labels_every_part_alike() -> None:
    parts = split(make(100)).select(["big"])
    assert all(part.schema.names == ["big"] for part in (parts.train, parts.validation, parts.test))
    with pytest.raises(RequestError, match="digit"):
        parts.select(["digit"])


def altered(data: Dataset, what: str) -> Dataset:
    x, condition = data.x.clone(), data.condition
    if what == "pixel":
        x[3, 0, 1, 2] += 1
    elif what == "label":
        condition = condition.with_codes("big", 1 - condition.values["big"])
    elif what == "presence":
        condition = condition.drop(torch.tensor([[True, False]]).expand(len(data), 2))
    elif what == "schema":
        renamed = Schema(attributes=(SCHEMA["digit"], Flag(name="large")))
        condition = Condition(renamed, {**condition.values, "large": condition.values["big"]}, condition.present)
    elif what == "order":
        return data[torch.arange(len(data)).flip(0)]
    elif what == "shape":
        x = x.reshape(-1, 1, 2, 8)
    return Dataset(x, condition)


def test_fingerprint_is_equal_for_equal_data() -> None:
    assert make(10).fingerprint == altered(make(10), "nothing").fingerprint


@pytest.mark.parametrize("what", ["pixel", "label", "presence", "schema", "order", "shape"])
def test_fingerprint_changes_with_data_and_labels(what: str) -> None:
    assert make(10).fingerprint != altered(make(10), what).fingerprint


@pytest.mark.parametrize(
    ("x", "part"),
    [
        (torch.zeros(4, 1, 4, 4, dtype=torch.uint8), "4 observations but 3 conditions"),
        (torch.zeros(3, 4, 4, dtype=torch.uint8), r"uint8 \[3, 4, 4\]"),
        (torch.zeros(3, 1, 4, 4), "float32"),
        (torch.zeros(3, 2, dtype=torch.uint8), "uint8"),
        (torch.zeros(3, 2, dtype=torch.int64), "int64"),
        (torch.zeros(3), r"\[3\]"),
    ],
)
def test_observations_of_the_wrong_shape_or_type_are_refused(x: torch.Tensor, part: str) -> None:
    with pytest.raises(DataError, match=part):
        Dataset(x, make(3).condition)


def test_models_see_numbers_between_0_and_1_and_give_them_back() -> None:
    x = torch.arange(256, dtype=torch.uint8).reshape(1, 1, 16, 16)
    seen = as_float(x)
    assert (seen.min(), seen.max()) == (0, 1)
    assert as_uint8(seen).equal(x)
    assert as_uint8(torch.tensor([-0.2, 0.4999, 1.3])).tolist() == [0, 127, 255]
    vectors = torch.tensor([[-2.5, 300.0]])
    assert as_float(vectors).equal(vectors)
    assert make(3).floats.equal(as_float(make(3).x))


@pytest.mark.parametrize(("name", "n", "shape"), [("digits", 1797, (1, 8, 8)), ("mixture", 20_000, (2,))])
def test_built_in_datasets_load_complete(name: str, n: int, shape: tuple[int, ...]) -> None:
    parts = load(name)
    assert isinstance(parts, Splits)
    assert len(parts.train) + len(parts.validation) + len(parts.test) == n
    assert parts.shape == shape
    assert parts.train.condition.complete
    assert parts.source == DataSource(name)


def test_built_in_datasets_do_not_ignore_options() -> None:
    assert load("mixture", attributes=["far"]).schema.names == ["far"]
    with pytest.raises(RequestError, match="size"):
        load("digits", size=16)
    with pytest.raises(RequestError, match="schema"):
        load("digits", schema=SCHEMA)
