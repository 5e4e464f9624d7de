"""Probabilities as labels of flags: from the table to the losses."""

import math
from pathlib import Path

import pytest
import torch
from torch.nn.functional import binary_cross_entropy_with_logits

from condgen.conditioning.encoder import EmbeddingEncoder, PlainEncoder
from condgen.data import Dataset, load, split
from condgen.data.infer import infer_attribute
from condgen.data.order import Balanced
from condgen.data.source import SplitConfig
from condgen.errors import RequestError
from condgen.evaluation.augmentation import shares
from condgen.evaluation.judge.judge import Judge
from condgen.evaluation.metrics.cells import Cells
from condgen.evaluation.metrics.critic import pairs
from condgen.inspection.association import co_occurrence
from condgen.inspection.balance import balances
from condgen.models import build
from condgen.rng import Rng
from condgen.schema import Condition, Continuous, Flag, LabelDistribution, Schema
from condgen.schema.combinations import Combinations

SCHEMA = Schema(attributes=(Flag(name="happy"), Flag(name="old")))


def soft(*codes: float) -> Condition:
    n = len(codes)
    values = {"happy": torch.tensor(codes), "old": torch.zeros(n)}
    return Condition(SCHEMA, values, torch.tensor([[True, False]]).expand(n, 2))


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([0, 1, 0.8, 1, 0], Flag),
        ([0.0, 1.0, 1.0, 0.0, 0.3, None], Flag),
        ([0.1 * k for k in range(11)] + [0.15, 0.25, 0.35], Continuous),  # a score
        ([0, 1, 2, 0.5] * 5 + [0.01 * k for k in range(20)], Continuous),
    ],
)
def test_a_column_mostly_of_zeros_and_ones_holds_probabilities(values: list[float | None], kind: type) -> None:
    assert isinstance(infer_attribute("happy", values), kind)


def test_probabilities_are_kept_for_training_and_rounded_for_the_rest(tmp_path: Path) -> None:
    rows = [f"{k / 40},{-k / 40},{(0, 1, 0.8, 0.25)[k % 4] if k % 8 else 1}" for k in range(40)]
    path = tmp_path / "points.csv"
    path.write_text("\n".join(["x0,x1,happy", *rows]))
    data = load(str(path))
    assert data.schema["happy"] == Flag(name="happy")
    assert {round(v, 2) for v in data.train.condition.values["happy"].tolist()} == {0.0, 1.0, 0.8, 0.25}
    for part in (data.validation, data.test):
        assert set(part.condition.values["happy"].tolist()) <= {0.0, 1.0}


def test_a_probability_cannot_be_asked_for() -> None:
    with pytest.raises(RequestError):
        Flag(name="happy").parse("0.8")


def test_encodings_interpolate() -> None:
    complete = Condition(SCHEMA, soft(0.0, 1.0, 0.8).values, torch.ones(3, 2, dtype=torch.bool))
    vector = PlainEncoder(SCHEMA)(complete).vector[:, 0]
    assert torch.allclose(vector, torch.tensor([-1.0, 1.0, 0.6]))
    no, yes, mixed = EmbeddingEncoder(SCHEMA, 8)(soft(0.0, 1.0, 0.8)).tokens[:, 0]
    assert torch.allclose(mixed, 0.2 * no + 0.8 * yes, atol=1e-6)


def test_classifiers_learn_the_probability() -> None:
    logits = torch.tensor([[[0.3, -1.2]]])
    expected = -binary_cross_entropy_with_logits(torch.tensor([-1.5]), torch.tensor([0.8]))
    assert torch.allclose(SCHEMA["happy"].density.log_prob(logits, torch.tensor([0.8])), expected)
    judge = Judge(SCHEMA, (2,)).eval()
    x = torch.randn(1, 2)
    q = judge(x)["happy"].sigmoid().item()
    assert judge.loss(x, soft(0.8)).item() == pytest.approx(-0.8 * math.log(q) - 0.2 * math.log(1 - q), rel=1e-4)


def test_the_joint_distribution_takes_the_likelier_and_filling_keeps_the_probability() -> None:
    labels = Condition.of(SCHEMA, [{"happy": "yes", "old": "yes"}, {"happy": "no", "old": "no"}] * 5)
    joint = LabelDistribution.of(Condition.cat([labels, soft(0.8, 0.1)]))
    assert set(joint.rows.values["happy"].tolist()) == {0.0, 1.0}
    filled = joint.fill(soft(0.8, 0.1), Rng([0, 1]))
    assert torch.allclose(filled.values["happy"], torch.tensor([0.8, 0.1]))
    assert filled.values["old"].tolist() == [1.0, 0.0]


CODES = [1.0, 0.9, 0.9001, 0.6, 0.4, 0.2, 0.1, 0.0]
LIKELIER = [1, 1, 1, 1, 0, 0, 0, 0]


def known(codes: list[float]) -> Dataset:
    """Twenty observations of each probability, both attributes alike."""
    both = torch.tensor(codes).repeat(20)
    condition = Condition(SCHEMA, {"happy": both, "old": both}, torch.ones(len(both), 2, dtype=torch.bool))
    return Dataset(torch.arange(len(both)).float()[:, None], condition)


def test_probabilities_count_as_the_likelier_value() -> None:
    soft, hard = known(CODES), known([float(code) for code in LIKELIER])
    assert Combinations.of(soft.condition, least=1) == Combinations.of(hard.condition, least=1)
    assert Cells.of(soft.condition) == Cells.of(hard.condition)
    assert co_occurrence(soft.condition) == co_occurrence(hard.condition)
    assert balances(soft, {}) == balances(hard, {})
    assert shares(soft, "happy", to=100) == shares(hard, "happy", to=100)
    assert torch.equal(pairs(soft.condition, "happy", 0), pairs(hard.condition, "happy", 0))
    assert len(Balanced(soft.condition, "happy").members) == 2


def test_held_out_combinations_include_the_likely_ones() -> None:
    parts = split(known(CODES), splitting=SplitConfig(hold_out=("happy=yes",)))
    assert parts.held is not None
    assert len(parts.held) == 80
    assert parts.train.condition.values["happy"].max() < 0.5
    assert parts.notes[-1] == "Holding out leaves no example of old=yes to train on."


@pytest.mark.parametrize("name", ["cvae", "flow", "acgan", "projection"])
def test_families_learn_from_probabilities(name: str) -> None:
    model = build(name, SCHEMA, (2,), embedding=8)
    for player in model.players():
        assert model(torch.randn(4, 2), soft(0.8, 0.2, 1.0, 0.0), player)["loss"].isfinite()
