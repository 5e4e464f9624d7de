"""Rare combinations: what averages hide is found, and noise is not taken for a fault."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from condgen.data import Dataset, Splits
from condgen.evaluation.judge import crossfit
from condgen.evaluation.judge.crossfit import Reader, all_real, cross_fitted, held_out_reader
from condgen.evaluation.judge.judge import Judge, Reading
from condgen.evaluation.metrics.estimate import Estimate, difference, quantile_among
from condgen.evaluation.metrics.rare import RARE, Made, Rare, RareObedience, rare
from condgen.evaluation.verdict import MOSTLY, OBEYED, headline, verdict
from condgen.schema import Condition, Flag, Schema
from condgen.schema.combinations import Combinations
from tests.evaluation import liars
from tests.evaluation.test_doctor import attribute, case, named, obeying

PEOPLE = Schema(attributes=(Flag(name="male"), Flag(name="old"), Flag(name="glasses")))


class Oracle(Judge):
    """Reads the codes that observations consist of."""

    def read(self, x: Any, batch: int = 512) -> Reading:
        sure = {name: torch.stack([1 - x[:, k], x[:, k]], 1).log() for k, name in enumerate(self.schema.names)}
        return Reading(self.schema, x, sure, {})


def people(n: int, seed: int = 0) -> Condition:
    drawn = torch.rand(3, n, generator=torch.Generator().manual_seed(seed)) < torch.tensor([[0.5], [0.3], [0.15]])
    return Condition(PEOPLE, dict(zip(PEOPLE.names, drawn.float(), strict=True)), torch.ones(n, 3, dtype=torch.bool))


def shown(condition: Condition) -> Tensor:
    return torch.stack([condition.values[name] for name in PEOPLE.names], 1)


def measured(observed: Tensor, asked: Condition, typical: int | None = None) -> tuple[RareObedience, ...]:
    real = people(8_000, seed=1)
    chosen = Combinations.of(real)
    made = Made(Dataset(observed, asked), typical or len(asked), tuple(rows for _, rows in chosen.members(asked)))
    return rare([Reader(Oracle(PEOPLE, (3,)), Dataset(shown(real), real))], chosen, made)


def test_samples_that_show_what_was_asked_fall_short_of_nothing() -> None:
    asked = people(6_000)
    found = measured(shown(asked), asked)
    assert len(found) == 20  # 3 pairs of 4 and 8 triples
    assert not any(each.missed for each in found)
    assert {each.made.value for each in found} == {1.0}


def test_a_broken_triple_is_the_worst_and_says_by_what() -> None:
    asked = people(8_000)
    x = shown(asked)
    broken = x.all(1) & (torch.arange(len(x)) % 2 == 0)
    x[broken, 0] = 0.0  # half of the old men with glasses are women
    assert (x[:, 0] == asked.values["male"])[asked.values["male"] == 1].float().mean() > 0.97  # by the average
    worst = measured(x, asked)[0]
    assert worst.names == ("male", "old", "glasses")
    assert worst.request == "male=yes, old=yes, glasses=yes"
    assert worst.faulty
    assert worst.weakest == "male"
    assert worst.made.value == pytest.approx(0.5, abs=0.02)
    assert worst.weakest_real == 1.0


def test_what_misses_an_attribute_everywhere_has_no_fault_of_its_combinations() -> None:
    asked = people(8_000)
    x = shown(asked)
    x[torch.arange(len(x)) % 2 == 0, 0] = 0.0  # half of all men are women
    found = measured(x, asked)
    assert found[0].missed
    assert found[0].usual == pytest.approx(0.5, abs=0.02)
    assert not any(each.faulty for each in found)


def test_a_combination_of_a_value_that_no_typical_sample_has_can_be_faulty() -> None:
    """Its value's own gap is unknown, which excuses nothing."""
    asked = people(3_000)
    asked = asked.with_codes("glasses", torch.zeros(3_000))
    more = people(8_000, seed=2)
    more = more[(shown(more).sum(1) == 3).nonzero()[:100, 0]]
    x = torch.cat([shown(asked), torch.zeros(100, 3)])  # the samples made for the triple show none of it
    worst = measured(x, Condition.cat([asked, more]), typical=3_000)[0]
    assert worst.request == "male=yes, old=yes, glasses=yes"
    assert worst.usual == 0
    assert worst.faulty


def test_the_interval_of_a_gap_holds_for_all_combinations_at_once() -> None:
    alone, among = difference(0.9, 200, 0.8, 200), difference(0.9, 200, 0.8, 200, quantile_among(100))
    assert alone.low > 0 > among.low
    # Newcombe 1998, table II, case (a): 56/70 and 48/80, by method 10.
    example = difference(56 / 70, 70, 48 / 80, 80)
    assert (example.low, example.high) == pytest.approx((0.0524, 0.3339), abs=6e-5)
    assert quantile_among(1) == pytest.approx(1.96, abs=1e-3)


def gap(value: float, low: float, request: str = "a=yes, b=yes") -> RareObedience:
    names = tuple(part.partition("=")[0] for part in request.split(", "))
    made, real = Estimate(0.9 - value, 0.0, 1.0), Estimate(0.9, 0.85, 0.95)
    return RareObedience(request, names, made, real, Estimate(value, low, 1.0), 0.0, "b", 0.5, 0.9, 9, 9)


@pytest.mark.parametrize(
    ("value", "low", "said", "is_named"),
    [(0.2, 0.05, MOSTLY, True), (0.05, 0.01, OBEYED, True), (0.2, -0.05, OBEYED, False)],
)
def test_the_headline_names_the_worst_combination_beyond_noise_and_a_fault_keeps_it_from_praise(
    value: float, low: float, said: str, is_named: bool
) -> None:
    obedience, result = obeying(attribute(name="a"), attribute(name="b")), Rare((gap(value, low),), 3, 100)
    assert verdict(obedience, result) == said
    assert ("a=yes, b=yes" in headline(obedience, "flow", result)) == is_named
    evidence = case(obedience=obedience)
    evidence = replace(evidence, results={**evidence.results, "rare": result})
    assert named(evidence) == (["missed combinations"] if said == MOSTLY else [])


def test_combinations_of_what_the_judge_cannot_read_accuse_nobody() -> None:
    blind = attribute(name="b", asked=Estimate(0.5, 0.4, 0.6), real=Estimate(0.51, 0.4, 0.6))
    result = Rare((gap(0.4, 0.2),), 0, 100)
    assert result.worst(obeying(attribute(name="a"), blind)) is None
    assert result.worst(obeying(attribute(name="a"), attribute(name="b"))) == result.combinations[0]


# ---- cross-fitting


def test_each_real_observation_is_read_once_by_a_judge_that_did_not_learn_it(monkeypatch: pytest.MonkeyPatch) -> None:
    learned: list[Dataset] = []

    def remembered(data: Splits, **arguments: Any) -> Judge:
        learned.append(data.train)
        return Judge(data.schema, data.shape)

    monkeypatch.setattr(crossfit, "judge_for", remembered)
    data = liars.world(500)
    readers = cross_fitted(data, 3, images=1_000)
    rows = [{tuple(x) for x in reader.real.x.tolist()} for reader in readers]
    assert set.union(*rows) == {tuple(x) for x in all_real(data).x.tolist()}
    assert sum(map(len, rows)) == 500
    for part, train in zip(rows, learned, strict=True):
        assert part.isdisjoint({tuple(x) for x in train.x.tolist()})
        assert len(part) + len(train) == 500


def test_held_out_data_is_what_neither_model_nor_judge_learned() -> None:
    data = liars.world(500)
    reader = held_out_reader(Judge(data.schema, data.shape), data)
    assert len(reader.real) == len(data.validation) + len(data.test)


def test_it_is_in_the_report_as_it_was_written() -> None:
    result = Rare((gap(0.2, 0.05),), 3, 100)
    assert "a=yes, b=yes" in "\n".join(RARE.lines(result))
    assert "1, of which 1 falls short" in RARE.lines(result)[0]
