from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from condgen.data import Dataset
from condgen.evaluation.judge.judge import Judge, train_judge
from condgen.evaluation.metrics.counterfactuals import Counterfactuals, leakage, swap
from condgen.evaluation.metrics.estimate import share
from condgen.schema import Categorical, Condition, Continuous, Flag, LabelDistribution, Schema

pytestmark = pytest.mark.statistical

SCHEMA = Schema(
    attributes=(
        Flag(name="a"),
        Flag(name="b"),
        Categorical(name="c", values=("x", "y", "z")),
        Continuous(name="d", low=0, high=10),
    )
)
N = 400

Maker = Callable[[Condition, Tensor], Tensor]


def conditions(n: int, seed: int) -> Condition:
    u = torch.rand(n, 4, generator=torch.Generator().manual_seed(seed))
    values = {"a": u[:, 0].round(), "b": u[:, 1].round(), "c": (3 * u[:, 2]).floor(), "d": 10 * u[:, 3]}
    return Condition(SCHEMA, values, torch.ones(n, 4, dtype=torch.bool))


def honest(condition: Condition, noise: Tensor) -> Tensor:
    """One coordinate per attribute, far apart against the noise."""
    v = condition.values
    return torch.stack([2 * v["a"] - 1, 2 * v["b"] - 1, v["c"] - 1, v["d"] / 5 - 1], dim=1) + 0.1 * noise


@pytest.fixture(scope="module")
def judge() -> Judge:
    condition = conditions(4_000, 1)
    x = honest(condition, torch.randn(4_000, 4, generator=torch.Generator().manual_seed(1)))
    return train_judge(x, condition, images=60_000, batch=256).calibrate(Dataset(x[:500], condition[:500]))


def pairs(make: Maker) -> Counterfactuals:
    base = conditions(N, 2)
    noise, other = (torch.randn(N, 4, generator=torch.Generator().manual_seed(s)) for s in (3, 4))
    v = base.values
    changed = {
        "a": base.with_codes("a", 1 - v["a"]),
        "b": base.with_codes("b", 1 - v["b"]),
        "c": base.with_codes("c", (v["c"] + 1) % 3),
        "d": base.with_codes("d", (v["d"] + 5) % 10),
    }
    return Counterfactuals(
        base=Dataset(make(base, noise), base),
        again=Dataset(make(base, other), base),
        changed={name: Dataset(make(c, noise), c) for name, c in changed.items()},
    )


def swapped(condition: Condition, noise: Tensor) -> Tensor:
    v = condition.values
    return honest(condition.with_codes("a", v["b"]).with_codes("b", v["a"]), noise)


def entangled(condition: Condition, noise: Tensor) -> Tensor:
    """`a` also decides `b`, whatever was asked of b."""
    return honest(condition.with_codes("b", condition.values["a"]), noise)


def deaf(condition: Condition, noise: Tensor) -> Tensor:
    """`c` follows the noise."""
    return honest(condition.with_codes("c", (noise[:, 0] > 0).float()), noise)


def told_apart(judge: Judge, make: Maker) -> dict[str, float]:
    found = {a.name: swap(judge, a, pairs(make)) for a in SCHEMA}
    return {name: estimate.value for name, estimate in found.items() if estimate is not None}


def test_what_follows_its_request_is_told_apart_and_what_does_not_is_a_coin(judge: Judge) -> None:
    assert all(value > 0.99 for value in told_apart(judge, honest).values())
    found = told_apart(judge, deaf)
    assert found["c"] == 0.5  # equal noise, equal samples: all ties, which count half
    assert found["a"] > 0.99
    assert found["d"] > 0.99


def test_thirty_pairs_of_thirty_are_not_certainty(judge: Judge) -> None:
    few = pairs(honest)
    few = Counterfactuals(few.base[:30], few.again[:30], {name: x[:30] for name, x in few.changed.items()})
    found = swap(judge, SCHEMA["a"], few)
    assert found == share(torch.ones(30, dtype=torch.bool))
    assert found.low == pytest.approx(0.8865, abs=1e-4)


def test_an_attribute_that_was_not_tested_has_no_swap(judge: Judge) -> None:
    assert swap(judge, SCHEMA["a"], None) is None
    without = Counterfactuals(pairs(honest).base, pairs(honest).again, {})
    assert swap(judge, SCHEMA["a"], without) is None


def test_what_was_free_is_in_no_pair(judge: Judge) -> None:
    """Of half the requests `a` was free: nothing was asked there that could be told from what is asked now."""
    full, half = pairs(honest), (torch.arange(N) < N // 2)[:, None] & torch.tensor([True, False, False, False])
    shown = torch.where(half[:, :1], full.changed["a"].x, full.base.x)  # there, it happens to be what is asked now
    some = Counterfactuals(Dataset(shown, full.base.condition.drop(half)), full.again, full.changed)
    told = swap(judge, SCHEMA["a"], some)
    assert told is not None
    assert told.value > 0.99
    found = leakage(judge, some, LabelDistribution.of(conditions(1_000, 5)))
    assert found.changed[0][0] > 0.99


def test_an_honest_generator_changes_what_is_asked_and_nothing_else(judge: Judge) -> None:
    found = leakage(judge, pairs(honest), LabelDistribution.of(conditions(4_000, 5)))
    changed = torch.tensor(found.changed)
    for name in ("a", "b", "c"):
        assert changed[SCHEMA.position(name), SCHEMA.position(name)] > 0.99
    assert changed[3, 3] == pytest.approx(0.5, abs=0.05)  # moved by half the range
    off = changed - changed.diag().diag()
    assert off.max() < 0.03
    assert max(found.still) < 0.08  # d is read from a noisy coordinate
    assert max(found.data[i][j] for i in range(4) for j in range(4) if i != j) < 0.08  # independent


def test_swapped_attributes_change_each_other(judge: Judge) -> None:
    found = leakage(judge, pairs(swapped), LabelDistribution.of(conditions(1_000, 5)))
    assert found.changed[0][1] > 0.99
    assert found.changed[1][0] > 0.99
    assert found.changed[0][0] < 0.02
    assert told_apart(judge, swapped)["a"] < 0.75  # either way, as the judge leans


def test_entangled_attributes_leak_one_way(judge: Judge) -> None:
    found = leakage(judge, pairs(entangled), LabelDistribution.of(conditions(1_000, 5)))
    assert found.changed[0][1] > 0.99  # asking for another a changes b
    assert found.changed[1][0] < 0.02
    assert found.still[1] < 0.02  # other noise does not


def test_what_noise_changes_is_told_from_what_the_request_does(judge: Judge) -> None:
    found = leakage(judge, pairs(deaf), LabelDistribution.of(conditions(1_000, 5)))
    assert found.still[2] == pytest.approx(0.5, abs=0.1)  # c is another in half of the samples with other noise
    assert found.changed[0][2] < 0.02


def test_dependence_in_the_data_is_the_mean_distance_between_its_distributions(judge: Judge) -> None:
    """Where a=no: b=yes in 1 of 4, d is 0 or 2; where a=yes: b=yes in 3 of 4, d is 5 or 7. By hand: ½, and 5 of 10."""
    rows = [
        *[{"a": "no", "b": b, "c": "x", "d": d} for b, d in (("no", 0), ("no", 2), ("no", 0), ("yes", 2))],
        *[{"a": "yes", "b": b, "c": "x", "d": d} for b, d in (("yes", 5), ("yes", 7), ("yes", 5), ("no", 7))],
    ]
    found = leakage(judge, pairs(honest), LabelDistribution.of(Condition.of(SCHEMA, rows)))
    assert found.data[0][0] == pytest.approx(1.0)
    assert found.data[0][1] == pytest.approx(0.5)
    assert found.data[0][3] == pytest.approx(0.5)
    assert found.data[0][2] == 0
    assert found.data[2][0] == 0  # c has one value only


def test_dependence_counts_every_pair_of_values_by_how_often_they_meet(judge: Judge) -> None:
    """c=x (½ of the rows) has b=yes; y and z (¼ each) have b=no: pairs x–y and x–z at distance 1, y–z at 0."""
    rows = [{"c": "x", "b": "yes"}] * 4 + [{"c": "y", "b": "no"}] * 2 + [{"c": "z", "b": "no"}] * 2
    found = leakage(judge, pairs(honest), LabelDistribution.of(Condition.of(SCHEMA, rows)))
    assert found.data[2][1] == pytest.approx((2 * 0.5 * 0.25) / (2 * 0.5 * 0.25 + 0.25 * 0.25))


def test_equal_numbers_are_one_value_however_many_there_are(judge: Judge) -> None:
    """Whole numbers repeat: in data where d says nothing of b, d says nothing of b, and where it does, all of it."""
    independent = [{"d": d, "b": b} for d in (2, 8) for b in ("no", "yes")] * 50
    constant = [{"d": 5, "b": b} for b in ("no", "yes")] * 50
    rare = [{"d": 0, "b": "no"}] * 95 + [{"d": 9, "b": "yes"}] * 5
    for rows, expected in ((independent, 0.0), (constant, 0.0), (rare, 1.0)):
        found = leakage(judge, pairs(honest), LabelDistribution.of(Condition.of(SCHEMA, rows)))
        assert found.data[3][1] == pytest.approx(expected, abs=1e-6)


def test_what_the_judge_misreads_in_real_data_too_is_no_leakage(judge: Judge) -> None:
    """Where `a` is, real observations look like another b, so the judge reads b wrongly in samples and real data."""
    condition = conditions(4_000, 7)
    noise = torch.randn(4_000, 4, generator=torch.Generator().manual_seed(8))
    alike = Dataset(entangled(condition, noise), condition)
    trained = LabelDistribution.of(conditions(1_000, 5))
    own, honestly = (
        leakage(judge, pairs(entangled), trained, (judge.read(x), condition))
        for x in (alike.x, honest(condition, noise))
    )
    assert own.changed[0][1] > 0.99
    assert own.real[0][1] > 0.99
    assert own.excess(0, 1) < 0.02
    assert honestly.excess(0, 1) > 0.95
    assert max(honestly.real[i][j] for i in range(4) for j in range(4) if i != j) < 0.08


def test_of_too_few_real_observations_nothing_is_said(judge: Judge) -> None:
    condition = conditions(4_000, 7)
    x = honest(condition, torch.zeros(4_000, 4))
    never = (condition.values["a"] == 0) | (condition.values["b"] == 0)
    real = (judge.read(x[never]), condition[never])
    few = (judge.read(x[:0]), condition[:0])
    found = [leakage(judge, pairs(honest), LabelDistribution.of(conditions(1_000, 5)), each) for each in (real, few)]
    assert found[0].real[0][1] < 0.02  # among b = 0, where both values of a occur
    assert found[1].real[0][1] is None
    assert found[1].excess(0, 1) == found[1].changed[0][1] - found[1].still[1]
