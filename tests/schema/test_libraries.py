"""Attributes, conditions and label distributions give the same with arrays of NumPy and of PyTorch."""

from itertools import accumulate
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from condgen.arrays import to_numpy
from condgen.rng import NumpyRng, Rng
from condgen.schema import Attribute, Between, Condition, Constraint, LabelDistribution, OneOf, Schema
from condgen.schema.constraints import inverse_cdf
from condgen.schema.vector import Exactly, Vector
from tests.schema.test_kinds import EVERY, every_kind

SCHEMA = Schema.model_validate(
    {"attributes": [{**a.model_dump(), "name": f"{a.kind}{k}", "synonyms": ()} for k, a in enumerate(EVERY)]}
)
RNG = np.random.default_rng


def numbers(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(RNG(seed).random(shape, dtype=np.float32))


def in_numpy(condition: Condition) -> Condition:
    values = {name: to_numpy(codes) for name, codes in condition.values.items()}
    return Condition(condition.schema, values, to_numpy(condition.present))


def distribution_in_numpy(joint: LabelDistribution) -> LabelDistribution:
    return LabelDistribution(in_numpy(joint.rows), to_numpy(joint.counts))


def same(x: Any, y: Any, rounding: float = 0.0) -> None:
    """An array of NumPy holds the numbers of a tensor, with the same type."""
    assert isinstance(x, np.ndarray)
    assert str(x.dtype) == str(y.dtype).removeprefix("torch.")
    np.testing.assert_allclose(x, to_numpy(y), rounding, rounding)


def same_conditions(x: Condition, y: Condition) -> None:
    same(x.present, y.present)
    for name in y.values:
        same(x.codes(name), y.codes(name))


# ---- attributes


@every_kind
def test_attributes_answer_alike(a: Attribute) -> None:
    u, other, noise = (numbers(40, *a.shape, seed=seed) for seed in range(3))
    counts = torch.ones(40)
    codes = a.uniform(u)
    same(a.uniform(to_numpy(u)), codes, 1e-6)
    x = to_numpy(codes)
    for what in ("hard", "encode", "features", "place", "bins"):
        same(getattr(a, what)(x), getattr(a, what)(codes), 1e-5)
    same(a.decode(to_numpy(a.encode(codes))), a.decode(a.encode(codes)), 1e-4)
    same(a.error(x, to_numpy(codes.flip(0))), a.error(codes, codes.flip(0)), 1e-5)
    same(a.counterfactual(x, to_numpy(other)), a.counterfactual(codes, other), 1e-5)
    same(a.vicinity(x, 0.1, lambda _: to_numpy(noise)), a.vicinity(codes, 0.1, lambda _: noise), 1e-5)
    same(a.numbered(x)[0], a.numbered(codes)[0])
    same(a.sweep(x, to_numpy(counts), 5), a.sweep(codes, counts, 5), 1e-5)
    assert a.numbered(x)[1] == a.numbered(codes)[1]
    assert a.crowding(x, to_numpy(counts)) == a.crowding(codes, counts)


LONG = Vector(name="long", mean=(0.0,) * 512, scale=(1.0,) * 512)


@pytest.mark.parametrize("a", [*EVERY, LONG], ids=lambda a: a.kind)
def test_rows_lose_the_same_weight_to_the_last_bit(a: Attribute) -> None:
    """In both libraries, and whatever else is in the batch: else a draw changes now and then."""
    codes, rows = a.uniform(numbers(48, *a.shape, seed=7)), a.uniform(numbers(1003, *a.shape, seed=8))
    known = numbers(1003, seed=9) < 0.7
    rows[-8 * 48 :] = codes.repeat(8, *[1] * len(a.shape))  # many rows that have what is asked for
    lost = a.mismatch(codes, rows, known)
    same(a.mismatch(to_numpy(codes), to_numpy(rows), to_numpy(known)), lost)
    for k in (0, 20):
        same(to_numpy(lost[[k]]), a.mismatch(codes[[k]], rows, known))


def test_rows_lose_the_same_weight_under_a_range() -> None:
    log, rows = EVERY[4], 1 + 9999 * numbers(2000)
    for constraint in (Between(3.0, 70.0), Between(250.0, 250.0)):
        lost = constraint.mismatch(log, rows, rows > 0)
        same(constraint.mismatch(log, to_numpy(rows), to_numpy(rows > 0)), lost)


# ---- conditions


@pytest.fixture
def some() -> Condition:
    """Twenty conditions with every kind of attribute, half of them given."""
    values = {a.name: a.uniform(numbers(20, *a.shape, seed=k)) for k, a in enumerate(SCHEMA)}
    return Condition(SCHEMA, values, numbers(20, len(SCHEMA), seed=99) < 0.5)


def test_conditions_are_changed_alike(some: Condition) -> None:
    x, names = in_numpy(some), SCHEMA.names[:3]
    same(x.matrix(), some.matrix())
    same_conditions(Condition.of_matrix(SCHEMA, x.matrix(), x.present), some)
    same_conditions(x.repeat(3), some.repeat(3))
    same_conditions(x.select(names), some.select(names))
    same_conditions(x.about(names), some.about(names))
    same_conditions(x.update(x[::-1]), some.update(some[torch.arange(19, -1, -1)]))
    same_conditions(x.with_codes("flag0", x.values["flag0"]), some.with_codes("flag0", some.values["flag0"]))
    same_conditions(Condition.cat([x, x.hard()]), Condition.cat([some, some.hard()]))
    assert x.rows() == some.rows()
    assert x.describe() == some.describe()
    assert x.to("cpu").device == "cpu"


def test_conditions_are_made_in_the_library_of_an_array() -> None:
    rows = [{"flag0": "yes", "vector5": [0, 5]}, {"continuous3": 2000}]
    same_conditions(Condition.of(SCHEMA, rows, like=np.ones(1)), Condition.of(SCHEMA, rows))


# ---- drawing

ASKED: list[dict[str, Constraint]] = [
    {},
    {"flag0": OneOf((1,))},
    {"categorical1": OneOf((0, 2)), "continuous2": Between(-1.0, 3.5)},
    {"continuous4": Between(20.0, 90.0), "vector5": Exactly((0.3, 5.2))},
    {"flag0": OneOf((0,)), "categorical1": OneOf((1,)), "continuous3": Between(5000.0, 5000.0)},
    {"vector6": Exactly((990.0, -2.0, 0.5, 4e-3)), "continuous4": Between(9000.0, 20000.0)},
]


def some_distribution(seed: int) -> LabelDistribution:
    """Few or many distinct rows, of which some lack attributes; an attribute may be known in none."""
    rng = RNG(seed)
    n, distinct, known = int(rng.integers(1, 300)), int(rng.integers(1, 60)), rng.choice([0.3, 0.8, 1.0])
    picked = torch.from_numpy(rng.integers(distinct, size=n))
    values = {a.name: a.uniform(numbers(distinct, *a.shape, seed=seed + k))[picked] for k, a in enumerate(SCHEMA)}
    present = torch.from_numpy(rng.random((distinct, len(SCHEMA))) < known)[picked]
    return LabelDistribution.of(Condition(SCHEMA, values, present))


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**31), asked=st.sampled_from(ASKED))
def test_both_libraries_draw_the_same_conditions(seed: int, asked: dict[str, Constraint]) -> None:
    joint, seeds = some_distribution(seed), range(seed, seed + 20)
    light = distribution_in_numpy(joint)
    for fill in (True, False):
        drawn = light.draw(asked, NumpyRng(seeds), fill)
        same_conditions(drawn, joint.draw(asked, Rng(seeds), fill))
    half = drawn.drop(RNG(seed).random(drawn.present.shape) < 0.5)
    heavy = Condition(SCHEMA, {n: torch.from_numpy(v) for n, v in half.values.items()}, torch.from_numpy(half.present))
    same_conditions(light.fill(half, NumpyRng(seeds)), joint.fill(heavy, Rng(seeds)))


def test_the_same_rows_are_distinct() -> None:
    joint = some_distribution(3)
    rows = joint.rows[torch.randint(len(joint.rows), (500,))]
    light, heavy = LabelDistribution.of(in_numpy(rows)), LabelDistribution.of(rows)
    same_conditions(light.rows, heavy.rows)
    same(light.counts, heavy.counts)


@settings(max_examples=50, deadline=None)
@given(counts=st.lists(st.integers(2**23, 2**24), min_size=1, max_size=9), seed=st.integers(0, 2**31))
def test_a_share_that_ends_a_row_begins_the_next(counts: list[int], seed: int) -> None:
    """Rows are drawn exactly by their counts, with shares of 24 bits as random numbers are, ends included."""
    ends, total = [*accumulate(counts)], sum(counts)
    near = [end * 2**24 // total + step for end in ends for step in (0, 1)]
    k = [each for each in (*near, *RNG(seed).integers(2**24, size=20).tolist()) if each < 2**24]
    exact = [sum(each * total >= end * 2**24 for end in ends) for each in k]
    u = np.array(k, np.float32) / np.float32(2**24)
    weights = np.array([counts], np.float32)
    assert inverse_cdf(weights, u).tolist() == exact
    assert inverse_cdf(torch.from_numpy(weights), torch.from_numpy(u)).tolist() == exact


def test_what_else_is_in_the_batch_changes_no_draw() -> None:
    joint = some_distribution(11)
    whole = joint.draw(ASKED[3], Rng(range(64)))
    for k in range(0, 64, 16):
        same_conditions(in_numpy(whole[[k]]), joint.draw(ASKED[3], Rng([k])))
