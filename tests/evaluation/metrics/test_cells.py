from itertools import pairwise

import torch

from condgen.data.synthetic.mixture import Mixture
from condgen.evaluation.metrics.cells import Cells
from condgen.schema import Categorical, Condition, Continuous, Flag, Schema

WORLD = Mixture()


def condition(schema: Schema, *codes: list[float]) -> Condition:
    values = {name: torch.tensor(c) for name, c in zip(schema.names, codes, strict=True)}
    return Condition(schema, values, torch.ones(len(codes[0]), len(schema), dtype=torch.bool))


def test_the_cells_of_one_attribute_are_the_values_that_occur() -> None:
    sides = Schema(attributes=(Categorical(name="side", values=("east", "north", "west")),))
    real = condition(sides, [2.0, 0.0, 2.0])
    cells = Cells.of(real)
    assert cells.names == ["side=east", "side=west"]
    assert cells.index(condition(sides, [0.0, 1.0, 2.0])).tolist() == [0, -1, 1]


def test_a_flag_has_two_cells() -> None:
    assert Cells.of(WORLD.conditions(50, seed=0).select(["far"])).names == ["far=no", "far=yes"]


def test_one_number_has_five_bins_of_equal_count_named_by_their_ends() -> None:
    angles = Schema(attributes=(WORLD.schema["angle"],))
    real = condition(angles, torch.linspace(-60, 60, 10_001)[:10_000][torch.randperm(10_000)].tolist())
    cells = Cells.of(real)
    assert cells.names == ["angle=-60..-36", "angle=-36..-12", "angle=-12..12", "angle=12..36", "angle=36..60"]
    index = cells.index(real)
    assert torch.bincount(index).tolist() == [2_000] * 5
    bins = [real.values["angle"][index == k] for k in range(5)]
    assert all(a.max() < b.min() for a, b in pairwise(bins))


def test_numbers_beyond_the_data_belong_to_the_bins_at_its_ends() -> None:
    ages = Schema(attributes=(Continuous(name="age", low=0, high=100),))
    cells = Cells.of(condition(ages, [20.0, 30.0, 40.0, 50.0, 60.0]))
    assert cells.index(condition(ages, [0.0, 30.0, 100.0])).tolist() == [0, 1, 4]
    assert cells.names[0] == "age=20.0..30.0"


def test_bins_are_fewer_where_observations_share_a_value_and_none_is_empty() -> None:
    ages = Schema(attributes=(Continuous(name="age", low=0, high=1),))
    real = condition(ages, [0.0] * 70 + [0.5] * 10 + [1.0] * 20)
    assert torch.bincount(Cells.of(real).index(real)).tolist() == [80, 20]
    assert len(Cells.of(real).names) == 2


def test_several_attributes_have_their_common_combinations_commonest_first() -> None:
    schema = Schema(attributes=(Flag(name="old"), Flag(name="glasses")))
    real = condition(schema, [0.0] * 60 + [1.0] * 149, [1.0] * 60 + [0.0] * 100 + [1.0] * 49)
    cells = Cells.of(real)
    assert cells.names == ["old=yes, glasses=no", "old=no, glasses=yes"]
    assert torch.bincount(cells.index(real) + 1).tolist() == [49, 100, 60]


def test_numbers_among_several_attributes_have_three_bins_and_no_more_than_24_combinations_count() -> None:
    real = WORLD.conditions(6_000, seed=0)
    assert len(Cells.of(real).names) == 24  # 4 sides, near and far, 3 bins
    assert len(Cells.of(real.select(["far", "angle"])).names) == 6
    many = Schema(attributes=(Categorical(name="side", values=tuple("abcdefghijklmnopqrst")), Flag(name="far")))
    codes = (torch.arange(6_000) % 20).float().tolist(), (torch.arange(6_000) // 20 % 2).float().tolist()
    assert len(Cells.of(condition(many, *codes)).names) == 24


def test_what_leaves_an_attribute_free_belongs_to_no_cell() -> None:
    real = WORLD.conditions(400, seed=0).select(["side"])
    free = real.drop(torch.arange(400)[:, None] < 200)
    assert (Cells.of(real).index(free)[:200] == -1).all()
    assert (Cells.of(real).index(free)[200:] >= 0).all()
    assert Cells.of(free.drop(free.present)).names == []


def test_where_nothing_can_be_asked_for_there_are_no_cells() -> None:
    nothing = Condition.free(Schema(), 5)
    assert Cells.of(nothing).names == []
    assert Cells.of(nothing).index(nothing).tolist() == [-1] * 5
