import torch

from condgen.schema import Categorical, Condition, Continuous, Flag, Schema, Vector
from condgen.schema.combinations import Combination, Combinations


def condition(schema: Schema, *codes: list[float]) -> Condition:
    values = {name: torch.tensor(c) for name, c in zip(schema.names, codes, strict=True)}
    return Condition(schema, values, torch.ones(len(codes[0]), len(schema), dtype=torch.bool))


def flags(n: int, names: int, seed: int = 0) -> Condition:
    schema = Schema(attributes=tuple(Flag(name=f"f{k}") for k in range(names)))
    drawn = torch.rand(names, n, generator=torch.Generator().manual_seed(seed)) < 0.3
    return condition(schema, *drawn.float().tolist())


def test_the_rarest_come_first_and_those_with_too_few_examples_are_left_out() -> None:
    schema = Schema(attributes=(Flag(name="old"), Flag(name="glasses")))
    data = condition(schema, [0.0] * 160 + [1.0] * 149, [1.0] * 60 + [0.0] * 200 + [1.0] * 49)
    found = Combinations.of(data, least=50)
    assert [found.describe(each) for each in found.found] == [
        "old=no, glasses=yes",
        "old=no, glasses=no",
        "old=yes, glasses=no",
    ]
    assert [each.examples for each in found.found] == [60, 100, 100]
    assert Combinations.of(data, least=50, most=1).found == found.found[:1]


def test_members_are_those_that_have_all_of_it() -> None:
    data = flags(2_000, 3)
    found = Combinations.of(data, least=20)
    assert {len(each.names) for each in found.found} == {2, 3}
    for each, rows in found.members(data):
        right = [data.values[name] == part for name, part in zip(each.names, each.parts, strict=True)]
        assert torch.equal(rows, torch.stack(right).all(0).nonzero()[:, 0])
        assert len(rows) == each.examples


def test_what_leaves_an_attribute_free_is_an_example_of_none_of_its_combinations() -> None:
    data = flags(500, 2)
    free = data.drop((torch.arange(500) < 400)[:, None] & torch.tensor([True, False]))
    assert sum(each.examples for each in Combinations.of(free, least=1).found) == 100


def test_a_number_is_cut_at_its_lowest_and_highest_fifth() -> None:
    schema = Schema(attributes=(Flag(name="male"), Continuous(name="age", low=0, high=100)))
    data = condition(schema, [0.0, 1.0] * 500, [k / 10 for k in range(1_000)])
    found = Combinations.of(data, least=1)
    assert sorted(each.examples for each in found.found) == [100, 100, 100, 100, 300, 300]
    assert "male=yes, age=80..99.9" in [found.describe(each) for each in found.found]


def test_numbers_that_hardly_differ_have_fewer_ranges_and_none_is_empty() -> None:
    schema = Schema(attributes=(Flag(name="male"), Continuous(name="age", low=0, high=1)))
    data = condition(schema, [0.0, 1.0] * 50, [0.5] * 90 + [1.0] * 10)
    assert all(each.examples for each in Combinations.of(data, least=1).found)
    assert Combinations.of(condition(schema, [0.0] * 9, [0.5] * 9), least=1).found == (
        Combination(("male", "age"), (0, 0), 9),
    )


def test_with_many_attributes_there_are_pairs_alone_and_no_more_than_asked_for() -> None:
    found = Combinations.of(flags(3_000, 40), least=100).found
    assert len(found) == 100
    assert {len(each.names) for each in found} == {2}


def test_values_too_many_for_a_table_are_counted_all_the_same() -> None:
    names = tuple(f"v{k}" for k in range(300))
    schema = Schema(attributes=(Categorical(name="make", values=names), Categorical(name="model", values=names)))
    data = condition(schema, [299.0] * 5 + [0.0] * 3, [298.0] * 5 + [299.0] * 3)
    assert [(each.parts, each.examples) for each in Combinations.of(data, least=1).found] == [
        ((0, 299), 3),
        ((299, 298), 5),
    ]


def test_where_there_is_nothing_to_combine_there_is_nothing() -> None:
    vectors = Schema(attributes=(Flag(name="old"), Vector(name="face", mean=(0.0, 0.0), scale=(1.0, 1.0))))
    values = {"old": torch.ones(9), "face": torch.zeros(9, 2)}
    assert Combinations.of(Condition(vectors, values, torch.ones(9, 2, dtype=torch.bool)), least=1).found == ()
    assert Combinations.of(Condition.free(Schema(), 5), least=1).found == ()
