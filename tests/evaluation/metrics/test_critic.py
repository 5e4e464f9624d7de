"""What a critic knows of labels, by critics that know them, know them by heart, or do not."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from condgen.data import Splits
from condgen.evaluation.findings import Evidence
from condgen.evaluation.judge.judge import Judge
from condgen.evaluation.metrics import critic
from condgen.evaluation.metrics.critic import CRITIC, KnownAttribute, KnownLabels, pairs
from condgen.evaluation.metrics.estimate import share
from condgen.evaluation.metrics.metric import Measurement
from condgen.evaluation.protocol import EvaluationConfig
from condgen.evaluation.subject import EvaluatedRun
from condgen.models.remedies import TrainedAs
from condgen.schema import Categorical, Condition, Continuous, Flag, Schema
from tests.evaluation import liars
from tests.evaluation.test_doctor import attribute, obeying


class Knows(liars.Ignores):
    """Its critic prefers what is near the modes of a condition."""

    def preference(self, x: Tensor, condition: Condition) -> Tensor:
        assert condition.complete  # it cannot judge what it is not told
        return -(x[:, None] - liars.WORLD.modes(condition)).norm(dim=2).amin(1)


class Crams(liars.Ignores):
    """Its critic has learned by heart which training observations have which `side`, and knows nothing else."""

    def __init__(self, data: Splits):
        super().__init__()
        self.learned = data.train

    def preference(self, x: Tensor, condition: Condition) -> Tensor:
        same = (x[:, None] == self.learned.x).all(2)
        own = self.learned.condition.values["side"] == condition.values["side"][:, None]
        return (same & own).any(1).float()


def case(model: liars.Perfect, data: Splits) -> Measurement:
    subject, judge = EvaluatedRun(liars.run_of(model, data), data), Judge(data.schema, data.shape)
    return Measurement(subject, judge, data.test, EvaluationConfig())


@pytest.fixture(scope="module")
def data() -> Splits:
    return liars.world(3_000)


def shares(found: KnownLabels) -> dict[str, tuple[float, float]]:
    return {each.name: (each.seen.value, each.unseen.value) for each in found.attributes}


def test_a_critic_that_knows_labels_knows_them_in_data_that_it_has_not_seen(data: Splits) -> None:
    found = CRITIC.measure(case(Knows(), data))
    for seen, unseen in shares(found).values():
        assert seen > 0.9
        assert unseen > 0.9
    assert set(shares(found)) == {"side", "far", "angle"}
    assert not any(each.by_heart for each in found.attributes)


def test_one_that_learned_them_by_heart_knows_nothing_of_data_that_it_has_not_seen(data: Splits) -> None:
    found = CRITIC.measure(case(Crams(data), data))
    assert shares(found) == {"side": (1.0, 0.5), "far": (0.5, 0.5), "angle": (0.5, 0.5)}  # all but `side` are ties
    assert [each.name for each in found.attributes if each.by_heart] == ["side"]
    assert any("side: the critic tells own from exchanged values in 100" in line for line in CRITIC.lines(found))


def test_without_a_critic_or_without_pairs_it_is_left_out(data: Splits) -> None:
    assert "no critic" in CRITIC.skipped(case(liars.Perfect(), data))
    few = replace(data, test=data.test[torch.arange(10)])
    assert "30 pairs" in CRITIC.skipped(case(Knows(), few))
    assert CRITIC.skipped(case(Knows(), data)) == ""


def test_other_attributes_may_be_unknown(data: Splits) -> None:
    """Of a model that cannot leave them free they are drawn, and equal for both values."""
    free = torch.zeros_like(data.test.condition.present)
    free[::2, data.schema.position("angle")] = True
    some = replace(data, test=replace(data.test, condition=data.test.condition.drop(free)))
    (far,) = (each for each in CRITIC.measure(case(Knows(), some)).attributes if each.name == "far")
    assert far.unseen.value > 0.9


def test_of_many_attributes_those_with_rare_values_are_looked_at(data: Splits, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(critic, "MOST", 1)
    assert critic.chosen(data, 0) == [min(data.schema.names, key=lambda name: len(pairs(data.test.condition, name, 0)))]


SCHEMA = Schema(
    attributes=(
        Flag(name="glasses"),
        Categorical(name="color", values=("red", "green")),
        Continuous(name="age", low=0, high=9),
    )
)


def labelled(glasses: list[float], age: list[float]) -> Condition:
    n = len(glasses)
    values = {"glasses": torch.tensor(glasses), "color": torch.zeros(n), "age": torch.tensor(age)}
    return Condition(SCHEMA, values, torch.ones(n, 3, dtype=torch.bool))


def test_pairs_differ_and_hold_every_observation_of_a_rare_value_once() -> None:
    condition = labelled([1.0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0], [float(k) for k in range(11)])
    both = pairs(condition, "glasses", 0)
    assert both.shape == (3, 2)
    assert len(both.unique()) == 6
    assert {0, 5, 9} <= set(both.flatten().tolist())
    assert (condition.values["glasses"][both].sum(1) == 1).all()
    assert len(pairs(condition, "color", 0)) == 0  # all are red


def test_numbers_of_a_pair_are_half_of_all_observations_apart() -> None:
    condition = labelled([0.0] * 8, [7.0, 6, 5, 4, 3, 2, 1, 0])
    both = condition.values["age"][pairs(condition, "age", 0)]
    assert sorted((both[:, 1] - both[:, 0]).tolist()) == [4.0] * 4


def test_free_attributes_are_in_no_pair() -> None:
    condition = labelled([1.0, 1, 0, 0], [0.0] * 4)
    free = torch.zeros(4, 3, dtype=torch.bool)
    free[0, 0] = True
    both = pairs(condition.drop(free), "glasses", 0)
    assert both.shape == (1, 2)
    assert 0 not in both


# ---- findings


def known(seen: float, unseen: float, n: int = 200) -> KnownLabels:
    hits = (share(torch.arange(n) < round(p * n)) for p in (seen, unseen))
    return KnownLabels((KnownAttribute("glasses", *hits),))


MISSED: dict[str, Any] = {"confusion": ((95, 5), (60, 40)), "real_confusion": ((95, 5), (5, 95))}


@pytest.mark.parametrize(
    ("found", "missed", "name"),
    [
        (known(0.95, 0.5), True, "labels learned by heart"),
        (known(0.55, 0.5), True, "labels unknown to the critic"),
        (known(0.95, 0.85), True, None),
        (known(0.95, 0.5, n=4), True, None),  # within noise
        (known(0.95, 0.5), False, None),
    ],
)
def test_what_a_critic_does_not_know_is_a_finding_where_samples_miss_it(
    found: KnownLabels, missed: bool, name: str | None
) -> None:
    obedience = obeying(attribute(name="glasses", **(MISSED if missed else {})))
    evidence = Evidence({"obedience": obedience, "critic": found}, trained=TrainedAs("projection"))
    findings = list(CRITIC.findings(found, evidence))
    assert [f.name for f in findings] == ([name] if name else [])
    assert all("label_weight=" in f.advice for f in findings)
    (other,) = CRITIC.findings(found, replace(evidence, trained=TrainedAs("cgan"))) if name else (None,)
    assert other is None or other.advice == "Train with more data."
