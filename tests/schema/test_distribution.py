from collections import Counter

import pytest
import torch

from condgen.rng import Rng
from condgen.schema import (
    Between,
    Categorical,
    Condition,
    Constraint,
    Continuous,
    Flag,
    LabelDistribution,
    OneOf,
    Schema,
)

SCHEMA = Schema(
    attributes=(
        Categorical(name="animal", values=("cat", "dog", "fish")),
        Flag(name="fur"),
        Continuous(name="weight", low=0, high=100),
    )
)


def between(low: float, high: float) -> Between:
    return Between(float(low), float(high))


def rows_of(animal: str, fur: str, weights: range, times: int = 1) -> list[dict[str, object]]:
    return [{"animal": animal, "fur": fur, "weight": w} for w in weights] * times


@pytest.fixture(scope="module")
def zoo() -> LabelDistribution:
    """Cats are light and dogs heavy; a fifth of the cats and half of the dogs lack fur; fish are rare."""
    rows = [
        *rows_of("cat", "yes", range(0, 20), 4),
        *rows_of("cat", "no", range(0, 20)),
        *rows_of("dog", "yes", range(60, 80), 2),
        *rows_of("dog", "no", range(60, 80), 2),
        *rows_of("fish", "no", range(40, 45)),
    ]
    return LabelDistribution.of(Condition.of(SCHEMA, rows))


def draw(joint: LabelDistribution, n: int = 400, fill: bool = True, **asked: Constraint) -> Condition:
    return joint.draw(asked, Rng(range(n)), fill)


def shares(condition: Condition, name: str) -> dict[str | None, float]:
    counts = Counter(row[name] for row in condition.rows())
    return {value: n / len(condition) for value, n in counts.items()}


CAT, DOG, FISH = OneOf((0,)), OneOf((1,)), OneOf((2,))


def test_without_a_request_samples_follow_the_data(zoo: LabelDistribution) -> None:
    drawn = draw(zoo, 800)
    assert drawn.complete
    expected = {"cat": 100 / 185, "dog": 80 / 185, "fish": 5 / 185}
    for animal, share in expected.items():
        assert shares(drawn, "animal")[animal] == pytest.approx(share, abs=0.05)


@pytest.mark.parametrize(("animal", "fur"), [(CAT, 0.8), (DOG, 0.5), (FISH, 0.0)])
def test_free_attributes_follow_the_data_given_what_is_asked(zoo: LabelDistribution, animal: OneOf, fur: float) -> None:
    drawn = draw(zoo, animal=animal)
    assert (drawn.values["animal"] == animal.codes[0]).all()
    assert drawn.values["fur"].mean().item() == pytest.approx(fur, abs=0.07)
    low, high = {0: (0, 19), 1: (60, 79), 2: (40, 44)}[animal.codes[0]]
    assert drawn.values["weight"].min() >= low
    assert drawn.values["weight"].max() <= high


def test_bayes_holds_in_the_other_direction(zoo: LabelDistribution) -> None:
    drawn = draw(zoo, 800, fur=OneOf((1,)))
    assert shares(drawn, "animal")["cat"] == pytest.approx(80 / 120, abs=0.05)
    assert "fish" not in shares(drawn, "animal")


def test_a_number_takes_the_rest_from_its_neighbours(zoo: LabelDistribution) -> None:
    drawn = draw(zoo, weight=between(70.5, 70.5))
    assert (drawn.values["weight"] == 70.5).all()
    assert shares(drawn, "animal") == {"dog": 1}


@pytest.mark.parametrize(("weight", "animal"), [(25, "cat"), (56, "dog"), (35, "fish"), (100, "dog"), (400, "dog")])
def test_a_number_in_a_gap_or_beyond_the_data_takes_the_nearest(
    zoo: LabelDistribution, weight: float, animal: str
) -> None:
    drawn = draw(zoo, 100, weight=between(weight, weight))
    assert (drawn.values["weight"] == weight).all()
    assert shares(drawn, "animal").get(animal, 0) > 0.9


def test_a_range_is_drawn_from_the_data_within_it(zoo: LabelDistribution) -> None:
    drawn = draw(zoo, weight=between(15, 63))
    assert set(drawn.values["weight"].tolist()) == {*range(15, 20), *range(40, 45), *range(60, 64)}
    counts = {"cat": 25, "dog": 16, "fish": 5}
    for animal, n in counts.items():
        assert shares(drawn, "animal")[animal] == pytest.approx(n / sum(counts.values()), abs=0.08)


def test_unequal_is_drawn_from_the_data(zoo: LabelDistribution) -> None:
    drawn = draw(zoo, animal=OneOf((1, 2), negated=True))
    assert shares(drawn, "animal")["dog"] == pytest.approx(80 / 85, abs=0.04)
    assert "cat" not in shares(drawn, "animal")


@pytest.mark.parametrize(
    "asked",
    [
        {"animal": FISH, "fur": OneOf((1,))},
        {"animal": CAT, "weight": between(70, 75)},
        {"animal": FISH, "fur": OneOf((1,)), "weight": between(99, 99)},
        {"animal": OneOf((0, 2)), "weight": between(90, 100)},
        {"fur": OneOf((1,)), "weight": between(41, 43)},
    ],
)
def test_combinations_the_data_never_shows_are_answered_as_asked(
    zoo: LabelDistribution, asked: dict[str, Constraint]
) -> None:
    drawn = draw(zoo, 100, **asked)
    assert drawn.complete
    for name, constraint in asked.items():
        codes = drawn.values[name]
        if isinstance(constraint, OneOf):
            assert set(codes.int().tolist()) <= set(constraint.codes)
        else:
            assert ((constraint.low <= codes) & (codes <= constraint.high)).all()


def test_values_the_data_never_shows_can_be_asked_for() -> None:
    joint = LabelDistribution.of(Condition.of(SCHEMA, rows_of("cat", "yes", range(3))))
    drawn = draw(joint, 300, animal=OneOf((1, 2)))
    assert shares(drawn, "animal")["dog"] == pytest.approx(0.5, abs=0.1)


def test_field_defect_1_an_attribute_that_no_row_has_is_set_in_its_own_column() -> None:
    joint = LabelDistribution.of(Condition.of(SCHEMA, [{"animal": "dog"}]))
    (row,) = draw(joint, 1, weight=between(5, 5)).rows()
    assert row == {"animal": "dog", "fur": None, "weight": "5"}


def test_fill_false_leaves_the_free_ones_free(zoo: LabelDistribution) -> None:
    drawn = draw(zoo, 5, fill=False, fur=OneOf((1,)))
    assert drawn.rows() == [{"animal": None, "fur": "yes", "weight": None}] * 5
    assert not draw(zoo, 5, fill=False).present.any()


@pytest.fixture(scope="module")
def patchy() -> LabelDistribution:
    """No row has everything; code 0 would be a cat without fur that weighs nothing, which the data never shows."""
    rows = [{"animal": "dog", "fur": "yes"}] * 3 + [{"fur": "yes", "weight": w} for w in (60, 70, 80)]
    rows += [{"animal": "fish", "weight": 40}] * 3 + [{"weight": 50}]
    return LabelDistribution.of(Condition.of(SCHEMA, rows))


@pytest.mark.parametrize("asked", [{}, {"animal": DOG}, {"weight": between(50, 50)}, {"animal": CAT}])
def test_what_rows_lack_is_drawn_from_others_and_never_zero(
    patchy: LabelDistribution, asked: dict[str, Constraint]
) -> None:
    drawn = draw(patchy, 200, **asked)
    assert drawn.complete
    assert shares(drawn, "fur") == {"yes": 1}
    assert drawn.values["weight"].min() >= 40
    if "animal" not in asked:
        assert "cat" not in shares(drawn, "animal")
    elif asked["animal"] == DOG:
        assert shares(drawn, "animal") == {"dog": 1}


def test_an_attribute_the_data_never_has_stays_free_and_disturbs_nothing() -> None:
    rows = [{"fur": "yes", "weight": 70}] * 3 + [{"fur": "no", "weight": 10}] * 3
    joint = LabelDistribution.of(Condition.of(SCHEMA, rows))
    drawn = draw(joint, 50, fur=OneOf((1,)))
    assert shares(drawn, "animal") == {None: 1}
    assert set(drawn.values["weight"].tolist()) == {70}
    assert shares(draw(joint, 50, animal=DOG), "animal") == {"dog": 1}


def test_fill_keeps_what_is_given_and_draws_the_rest(zoo: LabelDistribution) -> None:
    given = Condition.of(SCHEMA, [{"animal": "dog"}, {"fur": "yes", "weight": 3}, {}] * 20)
    filled = zoo.fill(given, Rng(range(60)))
    assert filled.complete
    assert filled.update(given).rows() == filled.rows()
    assert filled[::3].values["weight"].min() >= 60
    assert (filled[1::3].values["animal"] == 0).all()
    assert not given.complete


@pytest.mark.parametrize("batch", [1, 3, 7])
def test_sample_k_does_not_depend_on_the_batch(patchy: LabelDistribution, batch: int) -> None:
    seeds = range(21)
    whole_rng = Rng(seeds)
    whole = patchy.draw({"weight": between(30, 80)}, whole_rng)
    parts, noise = [], []
    for start in range(0, 21, batch):
        rng = Rng(seeds[start : start + batch])
        parts.append(patchy.draw({"weight": between(30, 80)}, rng))
        noise.append(rng.normal(2))
    assert Condition.cat(parts).rows() == whole.rows()
    assert torch.cat(noise).equal(whole_rng.normal(2)), "what is drawn next depends on the batch, too"


def test_filling_sample_k_does_not_depend_on_the_others(patchy: LabelDistribution) -> None:
    some: list[dict[str, object]] = [{}, {"animal": "dog"}, {"animal": "fish", "fur": "no", "weight": 1}]
    given = Condition.of(SCHEMA, [*some, {"animal": "cat", "fur": "yes"}] * 5)
    rng = Rng(range(20))
    whole, noise = patchy.fill(given, rng), rng.normal()
    for k in range(20):
        alone = Rng([k])
        assert patchy.fill(given[k : k + 1], alone).rows() == whole[k : k + 1].rows()
        assert alone.normal().equal(noise[k : k + 1])


def test_counts_are_how_often_a_row_occurs(zoo: LabelDistribution) -> None:
    assert zoo.counts.sum() == 185
    assert len(zoo.rows) == 85


def test_columns_are_found_by_name_not_by_position() -> None:
    shuffled = Condition(
        SCHEMA,
        {"weight": torch.tensor([7.0]), "fur": torch.tensor([1.0]), "animal": torch.tensor([2.0])},
        torch.ones(1, 3, dtype=torch.bool),
    )
    assert LabelDistribution.of(shuffled).rows.rows() == [{"animal": "fish", "fur": "yes", "weight": "7"}]


def test_an_empty_schema_draws_nothing() -> None:
    joint = LabelDistribution.of(Condition.free(Schema(), 4))
    assert len(joint.draw({}, Rng(range(3)))) == 3


def test_the_rows_of_a_joint_are_those_of_a_table_of_all_codes(people: Schema) -> None:
    """Against a plain sort of all codes and presences."""
    n = 400
    values = {
        "color": torch.randint(3, (n,)).float(),
        "Eyeglasses": torch.rand(n).round(decimals=1),
        "age": torch.randint(5, (n,)).float(),
    }
    condition = Condition(people, values, torch.rand(n, 3) > 0.3)
    found = LabelDistribution.of(condition)
    hard = condition.hard()
    codes = torch.stack([hard.values[name] * hard.given(name) for name in people.names], 1)
    table, counts = torch.cat([codes, hard.present.float()], 1).unique(dim=0, return_counts=True)
    rows = torch.stack([found.rows.values[name] for name in people.names], 1)
    assert torch.cat([rows, found.rows.present.float()], 1).equal(table)
    assert found.counts.equal(counts.float())
    assert found.counts.sum() == n


def test_rows_of_many_attributes_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """More than fit into one number of 64 bits."""
    schema = Schema(attributes=tuple(Flag(name=f"flag {k}") for k in range(80)))
    codes = torch.eye(80)
    condition = Condition(schema, dict(zip(schema.names, codes, strict=True)), torch.ones(80, 80, dtype=torch.bool))
    found = LabelDistribution.of(Condition.cat([condition, condition]))
    assert found.counts.tolist() == [2] * 80
