from collections import Counter
from itertools import islice
from pathlib import Path

import pytest
import torch

from condgen.data import Dataset, SplitConfig, Splits, load, split
from condgen.data.order import Balanced
from condgen.data.splits import by_row, matches, row_numbers
from condgen.errors import DataError, RequestError
from condgen.schema import Categorical, Condition, Continuous, Flag, Schema
from condgen.training.augmentation import augmentation

SCHEMA = Schema(
    attributes=(
        Categorical(name="color", values=("red", "blue", "rare")),
        Flag(name="big"),
        Continuous(name="age", low=0, high=100),
    )
)


def make(n: int = 400) -> Dataset:
    """Point k is at k; a hundredth is rare, and every tenth has no label for big."""
    k = torch.arange(n)
    values = {
        "color": torch.where(k % 100 == 0, 2, k % 2).float(),
        "big": (k % 4 > 1).float(),
        "age": (k % 100).float(),
    }
    present = torch.ones(n, 3, dtype=torch.bool)
    present[::10, 1] = False
    return Dataset(k[:, None].float(), Condition(SCHEMA, values, present))


def parts(splits: Splits) -> list[list[int]]:
    every = [splits.train, splits.validation, splits.test, *([splits.held] if splits.held else [])]
    return [part.x[:, 0].int().tolist() for part in every]


@pytest.mark.parametrize("how", ["random", "stratified:color", "group:person"])
@pytest.mark.parametrize("hold_out", [(), ("color=red, big=yes",)])
def test_every_example_is_in_exactly_one_part(how: str, hold_out: tuple[str, ...]) -> None:
    people = [k // 7 for k in range(400)]
    found = parts(split(make(), splitting=SplitConfig(how, hold_out), groups=people))
    assert sorted(k for part in found for k in part) == list(range(400))
    assert found == parts(split(make(), splitting=SplitConfig(how, hold_out), groups=people))


def test_a_held_out_combination_is_in_no_other_part() -> None:
    splits = split(make(), splitting=SplitConfig(hold_out=("color=red, big=yes", "color=blue age=90..100")))
    assert splits.held is not None
    for part in (splits.train, splits.validation, splits.test):
        rows = part.condition.rows()
        assert not [r for r in rows if r["color"] == "red" and r["big"] == "yes"]
        assert not [r for r in rows if r["color"] == "blue" and float(r["age"] or 0) >= 90]
        assert [r for r in rows if r["color"] == "red"]
        assert [r for r in rows if r["big"] == "yes"]
    assert all(r["color"] == "blue" or r["big"] == "yes" for r in splits.held.condition.rows())
    assert "red, big=yes (" in splits.notes[0]


def test_what_a_request_means_for_data() -> None:
    condition = make(40).condition
    big = condition.values["big"].bool() & condition.given("big")
    assert matches(condition, "big=yes").equal(big)
    assert matches(condition, "big=*").equal(condition.given("big"))
    assert matches(condition, "color!=red, age=10..12").nonzero().flatten().tolist() == [11]


@pytest.mark.parametrize(
    ("request_", "words"),
    [("color=rare, age=50", "nothing"), ("colour=red", "color"), ("age=0..100", "nothing is left")],
)
def test_impossible_held_out_combinations_are_explained(request_: str, words: str) -> None:
    with pytest.raises(RequestError, match=words):
        split(make(), splitting=SplitConfig(hold_out=(request_,)))


def test_a_value_that_is_held_out_altogether_is_pointed_out() -> None:
    notes = split(make(), splitting=SplitConfig(hold_out=("color=rare",))).notes
    assert any("no example of color=rare" in note for note in notes)


def test_a_given_test_set_keeps_its_combinations() -> None:
    given = make(40)
    assert split(make(), given, splitting=SplitConfig(hold_out=("color=rare",))).test is given


def test_stratified_parts_have_the_shares_of_the_whole() -> None:
    splits = split(make(2_000), splitting=SplitConfig("stratified:color"))
    assert [
        int((part.condition.values["color"] == 2).sum()) for part in (splits.train, splits.validation, splits.test)
    ] == [
        16,
        1,
        3,
    ]


def test_soft_labels_are_stratified_by_the_likelier_value() -> None:
    certain = (torch.arange(400) % 4 == 0).float()
    soft = (0.9 * certain + 0.001 * torch.arange(400) / 4).clamp(0, 1)  # each of them another probability
    orders = []
    for codes in (certain, soft):
        schema = Schema(attributes=(Flag(name="big"),))
        data = Dataset(make().x, Condition(schema, {"big": codes}, torch.ones(400, 1, dtype=torch.bool)))
        orders.append(parts(split(data, splitting=SplitConfig("stratified:big"))))
    assert orders[0] == orders[1]


def test_groups_stay_together_and_parts_keep_about_their_size() -> None:
    people = [None if k < 9 else f"person {k % 57}" for k in range(400)]
    splits = split(make(), splitting=SplitConfig("group:person"), groups=people)
    seen = [{people[k] for k in part} - {None} for part in parts(splits)]
    assert sum(map(len, seen)) == len(set.union(*seen))
    assert 50 <= len(splits.test) <= 70
    assert 10 <= len(splits.validation) <= 30


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ([3, 2, 95], (95, 2, 3)),
        ([60, 20, 20], (60, 20, 20)),
        ([20, 30, 50], (50, 20, 30)),
        ([30] * 3, (30, 30, 30)),
        ([*[1] * 100, 900], (900, 50, 50)),
        ([2, 2, 2], (2, 2, 2)),
    ],
)
def test_the_largest_groups_are_for_training(sizes: list[int], expected: tuple[int, ...]) -> None:
    people = [who for who, size in enumerate(sizes) for _ in range(size)]
    splits = split(make(len(people)), splitting=SplitConfig("group:person"), groups=people)
    assert tuple(map(len, (splits.train, splits.validation, splits.test))) == expected
    assert sorted(k for part in parts(splits) for k in part) == list(range(len(people)))
    assert sum(len({people[k] for k in part}) for part in parts(splits)) == len(sizes)


def test_parts_far_from_their_share_are_told() -> None:
    people = [who for who, size in enumerate([60, 20, 20]) for _ in range(size)]
    splits = split(make(100), splitting=SplitConfig("group:person"), groups=people)
    assert splits.notes == (
        "20 examples are for validation, where 5 are usual, since groups of 'person' stay together.",
    )
    assert split(make(), splitting=SplitConfig("group:person"), groups=[k // 4 for k in range(400)]).notes == ()


def test_a_sound_split_by_groups_is_the_one_that_runs_remember() -> None:
    splits = split(make(40), splitting=SplitConfig("group:person"), groups=[k // 2 for k in range(40)])
    assert parts(splits)[1:] == [[28, 29], [20, 21, 36, 37, 32, 33]]


def test_wrong_ways_to_split_are_explained(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="stratified:ATTRIBUTE"):
        SplitConfig("groups")
    with pytest.raises(RequestError, match="color"):
        split(make(), splitting=SplitConfig("stratified:colour"))
    with pytest.raises(
        DataError, match=r"fewer than three.*Split by another column, or take rows by chance \(`split='random'`\)"
    ):
        split(make(), splitting=SplitConfig("group:person"), groups=["one"] * 400)
    (tmp_path / "p.csv").write_text(
        "x0,side,who\n" + "\n".join(f"{k % 3 - 1},{'ab'[k % 2]},{k // 4}" for k in range(40))
    )
    with pytest.raises(RequestError, match="who"):
        load(str(tmp_path / "p.csv"), splitting=SplitConfig("group:whom"))
    found = load(str(tmp_path / "p.csv"), attributes=["side"], splitting=SplitConfig("group:who"))
    assert len(found.test) % 4 == 0


def test_a_built_in_dataset_can_be_split_otherwise() -> None:
    found = load("digits", splitting=SplitConfig("stratified:digit", ("digit=7",)))
    assert found.held is not None
    assert (found.held.condition.values["digit"] == 7).all()
    assert len(found.held) == 179


# ---- balanced order


def order(data: Dataset, start: int, size: int, batches: int, balance: str = "color") -> list[int]:
    return [int(k) for x, _ in islice(data.batches(3, start, size, balance), batches) for k in x[:, 0]]


def test_balanced_values_come_equally_often_and_all_of_each() -> None:
    data = make()
    seen = order(data, 0, 96, 128)
    colors = Counter(int(data.condition.values["color"][k]) for k in seen)
    assert max(colors.values()) - min(colors.values()) <= 3
    assert set(seen) == set(range(400))
    near = Counter(int(data.condition.values["color"][k]) for k in seen[:300])
    assert min(near.values()) > 70  # in every stretch, not one value after the other


@pytest.mark.parametrize("start", [1, 4_095, 4_097, 9_000])
def test_a_balanced_order_can_be_resumed_at_any_image(start: int) -> None:
    assert order(make(), start, 50, 4) == order(make(), 0, 1, start + 200)[start:]


def test_unlabelled_examples_are_one_more_value() -> None:
    data = make()
    seen = order(data, 0, 4_098, 1, "big")
    assert sum(k % 10 == 0 for k in seen) == pytest.approx(4_098 / 3, abs=2)


def test_combinations_of_several_attributes_come_equally_often_but_very_rare_ones_share_a_place() -> None:
    schema = Schema(attributes=(Flag(name="old"), Flag(name="glasses")))
    codes = {"old": [0.0] * 700 + [1.0] * 300, "glasses": [0.0] * 500 + [1.0] * 200 + [0.0] * 180 + [1.0] * 120}
    values = {name: torch.tensor(each) for name, each in codes.items()}
    condition = Condition(schema, values, torch.ones(1_000, 2, dtype=torch.bool))
    shown = condition[Balanced(condition, "old, glasses")(0, 0, 4_096)]
    pairs = Counter(zip(shown.values["old"].tolist(), shown.values["glasses"].tolist(), strict=True))
    assert set(pairs.values()) == {1_024}
    few = Balanced(condition[:890], "old,glasses")  # ten old people with glasses
    assert sorted(map(len, few.members)) == [190, 200, 500]


def test_a_number_cannot_be_balanced() -> None:
    with pytest.raises(RequestError, match="named values"):
        next(make().batches(0, 0, 4, "age"))


# ---- augmentation


def test_an_unsafe_augmentation_is_refused() -> None:
    schema = Schema(
        attributes=(Categorical(name="looks", values=("left", "right"), unsafe=("flip",)), Flag(name="big"))
    )
    with pytest.raises(RequestError, match="flip would change looks"):
        augmentation(schema, (1, 8, 8), flip=True, shift=0)
    assert augmentation(schema, (1, 8, 8), flip=False, shift=2) is not None
    assert augmentation(schema.select(["big"]), (1, 8, 8), flip=True, shift=0) is not None
    assert augmentation(schema, (1, 8, 8), flip=False, shift=0) is None
    with pytest.raises(RequestError, match="applies to images only"):
        augmentation(schema, (2,), flip=False, shift=1)


def test_images_are_flipped_or_moved_each_in_its_own_way() -> None:
    x = torch.rand(64, 3, 8, 8)
    flip, shift = (augmentation(Schema(), (3, 8, 8), flip=f, shift=s) for f, s in ((True, 0), (False, 2)))
    assert flip is not None
    assert shift is not None
    flipped = flip(x)
    same = [bool(a.equal(b)) for a, b in zip(flipped, x, strict=True)]
    assert 16 < sum(same) < 48
    assert all(a.equal(b if s else b.flip(2)) for a, b, s in zip(flipped, x, same, strict=True))
    moves = {(d, r) for d in range(-2, 3) for r in range(-2, 3)}
    found = set()
    for moved, image in zip(shift(x), x, strict=True):
        fits = {m for m in moves if moved[:, 2:6, 2:6].equal(image[:, 2 - m[0] : 6 - m[0], 2 - m[1] : 6 - m[1]])}
        assert len(fits) == 1
        found |= fits
    assert len(found) > 15


def test_rows_are_split_in_the_place_of_observations() -> None:
    whole = by_row(Condition.free(Schema(attributes=(Flag(name="glasses"),)), 100), first=7)
    parts = split(whole)
    found = [row for part in (parts.train, parts.validation, parts.test) for row in row_numbers(part).tolist()]
    assert sorted(found) == list(range(7, 107))
