"""Numbers on a logarithmic scale: a tolerance and a change mean the same for small numbers as for large ones."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from condgen.data import Dataset
from condgen.data.splits import matches
from condgen.evaluation.judge.features import extractor
from condgen.evaluation.judge.judge import Judge, Reading
from condgen.evaluation.metrics.counterfactuals import Counterfactuals, leakage
from condgen.evaluation.metrics.edits import Trials, measured
from condgen.evaluation.metrics.obedience import obedience, tolerances
from condgen.runs.editing import EditOptions
from condgen.schema import Condition, Continuous, Flag, LabelDistribution, Schema

SCHEMA = Schema(attributes=(Flag(name="new"), Continuous(name="price", low=1, high=100_000, scale="log")))
N = 2_000
ERRS = 0.15  # standard deviation of the judge's error, in logarithms


class Oracle(Judge):
    """Reads the codes that observations consist of."""

    def read(self, x: Any, batch: int = 512) -> Reading:
        new = x[:, :1]
        return Reading(self.schema, x, {"new": torch.cat([1 - new, new], 1).log(), "price": x[:, 1:]}, {"price": ERRS})


JUDGE = Oracle(SCHEMA, (2,))


def labels(seed: int) -> Condition:
    u = torch.rand(2, N, generator=torch.Generator().manual_seed(seed))
    values = {"new": u[0].round(), "price": SCHEMA["price"].uniform(u[1])}
    return Condition(SCHEMA, values, torch.ones(N, 2, dtype=torch.bool))


def times(condition: Condition, factor: float | Tensor) -> Condition:
    """The same conditions with other prices."""
    return condition.with_codes("price", condition.values["price"] * factor)


def shown(condition: Condition, asked: Condition | None = None) -> Dataset:
    """Observations that show a condition, and were asked for another."""
    return Dataset(torch.stack([condition.values[name] for name in SCHEMA.names], 1), asked or condition)


def real(seed: int = 1) -> Dataset:
    """Real observations that the judge reads with errors."""
    errors = ERRS * torch.randn(N, generator=torch.Generator().manual_seed(seed + 100))
    return shown(times(labels(seed), errors.exp()), labels(seed))


@pytest.mark.parametrize(("factor", "obeyed"), [(1.0, 1.0), (1.2, 1.0), (10.0, 0.0), (0.1, 0.0)])
@pytest.mark.parametrize("below", [300, 100_000])
def test_ten_times_the_price_is_not_obeyed_however_small_it_is(factor: float, obeyed: float, below: float) -> None:
    asked = labels(2)
    asked = asked[asked.values["price"] < below]
    assert obedience(JUDGE, shown(times(asked, factor), asked), real()).joint.value == obeyed


def test_the_tolerance_is_told_as_a_factor() -> None:
    price = obedience(JUDGE, shown(labels(2)), real())["price"]
    assert price.tolerance is None
    assert price.factor == pytest.approx(math.exp(1.645 * ERRS), rel=0.03)  # nine in ten of the judge's errors
    linear = Continuous(name="age", low=0, high=80)
    assert (linear.error_at(0.1), linear.factor_at(0.1)) == (8.0, None)


def test_a_request_for_a_price_is_met_within_the_same_factor() -> None:
    bounds = tolerances(JUDGE.read(real().x), real().condition)
    prices = Condition.of(SCHEMA, [{"price": price} for price in (100, 120, 150, 1_000, 2_000)])
    assert matches(prices, "price=100", bounds).tolist() == [True, True, False, False, False]
    assert matches(prices, "price=100").tolist() == [True, False, False, False, False]


def test_large_numbers_that_differ_do_not_match() -> None:
    """Their logarithms differ by less than 32 bits can tell."""
    schema = Schema(attributes=(Continuous(name="people", low=1, high=10**9, scale="log"),))
    found = Condition.of(schema, [{"people": n} for n in (12_345_678, 12_345_679)])
    assert matches(found, "people=12345678").tolist() == [True, False]


def test_a_price_that_changes_tenfold_leaks_alike_whatever_it_is() -> None:
    base = labels(3)
    base = base[base.values["price"] < 1_000]
    other = base.with_codes("new", 1 - base.values["new"])
    changed = {"new": shown(times(other, 10), other), "price": shown(times(base, 10))}
    pairs = Counterfactuals(shown(base), shown(base), changed)
    found = leakage(JUDGE, pairs, LabelDistribution.of(labels(4)), (JUDGE.read(real().x), real().condition))
    assert found.changed[0][1] == pytest.approx(0.2, abs=1e-3)  # one decade of five
    assert found.misread(0, 1) == pytest.approx(ERRS * 2 / math.pi**0.5 / math.log(100_000), rel=0.1)


def test_edits_that_change_a_price_tenfold_move_it_alike_whatever_it_is() -> None:
    before = labels(3)
    before = before[before.values["price"] < 1_000][:100]
    asked = before.with_codes("new", 1 - before.values["new"])
    made = Trials(shown(before), shown(before), {"new": shown(times(asked, 10), asked)})
    features = type(extractor("judge", JUDGE))("plain", lambda x: x, lambda x: x, torch.device("cpu"))
    for edit in measured(made, real(), JUDGE, features, EditOptions()).edits:
        assert edit.moved.read["price"].value == pytest.approx(0.2, abs=1e-3)
