from pathlib import Path

import pytest
import torch
from torch import Tensor

from condgen.data import Dataset, Splits
from condgen.evaluation.metrics.codes import CodeMatch
from condgen.evaluation.subject import EvaluatedRun, as_in_data, counterfactuals, never_seen, uniform
from condgen.models import Model, build
from condgen.rng import Rng
from condgen.runs.run import Run
from condgen.schema import Categorical, Condition, Flag, LabelDistribution, Schema
from condgen.training.checkpoint import Info
from tests.evaluation import liars


@pytest.fixture(scope="module")
def data() -> Splits:
    return liars.world(3_000)


@pytest.fixture
def subject(data: Splits) -> EvaluatedRun:
    return EvaluatedRun(liars.run_of(liars.Perfect(), data), data)


def test_a_sample_depends_on_its_condition_and_seed_only(subject: EvaluatedRun, data: Splits) -> None:
    asked, seeds = data.test.condition[:40], torch.arange(100, 140)
    whole = subject.answer(asked, seeds)
    part = subject.answer(asked[7:9], seeds[7:9])
    torch.testing.assert_close(part.x, whole.x[7:9])
    assert whole.condition.describe() == asked.describe()


def test_images_are_measured_as_they_would_be_saved(run: Run, digits: Splits) -> None:
    made = EvaluatedRun(run, digits).answer(digits.test.condition[:5], torch.arange(5))
    assert made.x.dtype == torch.uint8
    exact = run.answer(digits.test.condition[:5], torch.arange(5))
    torch.testing.assert_close(made.x.float() / 255, exact, atol=0.5 / 255 + 1e-6, rtol=0)


def test_what_a_model_cannot_leave_free_is_filled_from_the_data(subject: EvaluatedRun, data: Splits) -> None:
    free = data.test.condition[:30].drop(torch.tensor([[True, False, False]]).expand(30, 3))
    made = subject.answer(free, torch.arange(30))
    assert made.x.isfinite().all()
    assert not made.condition.given("side").any()  # it was not asked, so it is not judged


def test_conditions_are_asked_as_often_as_the_data_has_them(data: Splits) -> None:
    n = len(data.test)
    asked = as_in_data(data.test, 2 * n, seed=0)
    assert sorted(asked.describe()) == sorted(data.test.condition.describe() * 2)
    assert as_in_data(data.test, 10, seed=0).describe() == asked[:10].describe()
    assert as_in_data(data.test, 10, seed=1).describe() != asked[:10].describe()


def test_uniform_conditions_are_even_over_values_and_ranges(data: Splits) -> None:
    drawn = uniform(LabelDistribution.of(data.train.condition), 8_000, seed=0)
    assert drawn.complete
    assert torch.allclose(drawn.values["side"].long().bincount() / 8_000, torch.tensor(0.25), atol=0.02)
    angles = drawn.values["angle"]
    assert float(angles.min()) < -58
    assert float(angles.max()) > 58


def test_never_seen_are_only_combinations_that_training_lacks(data: Splits) -> None:
    rows = data.train.condition
    without = rows[~((rows.values["side"] == 2) & (rows.values["far"] == 1))]
    found = never_seen(LabelDistribution.of(without), 50, seed=0)
    assert found is not None
    assert {(s, f) for s, f in zip(found.values["side"].tolist(), found.values["far"].tolist(), strict=True)} == {
        (2.0, 1.0)
    }
    assert found.complete
    assert never_seen(LabelDistribution.of(rows), 50, seed=0) is None


def test_counterfactuals_share_the_noise_and_change_one_attribute(subject: EvaluatedRun, data: Splits) -> None:
    asked = data.test.condition[:200]
    pairs = counterfactuals(subject, asked, seed=0)
    assert set(pairs.changed) == {"side", "far", "angle"}
    for name, other in pairs.changed.items():
        for each in ("side", "far", "angle"):
            same = other.condition.values[each] == asked.values[each]
            assert same.all() if each != name else not same.any()
    noise = (pairs.base.x - liars.WORLD.modes(asked).mean(1)).norm(dim=1)
    far = pairs.changed["far"]
    again = (far.x - liars.WORLD.modes(far.condition).mean(1)).norm(dim=1)
    torch.testing.assert_close(noise, again, atol=1e-4, rtol=1e-4)
    assert not torch.equal(pairs.base.x, pairs.again.x)
    angles = pairs.changed["angle"].condition.values["angle"]
    assert float(angles.abs().max()) <= 60


# ---- codes


class Coded(Model):
    """Shows the code it is asked for as a number."""

    def __init__(self) -> None:
        schema = Schema(attributes=(Categorical(name="code1", values=("0", "1")), Flag(name="other")))
        super().__init__(schema, (1,))
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def sample(self, condition: Condition, rng: Rng) -> Tensor:
        return condition.values["code1"][:, None] + 0.1 * rng.normal(1)

    def read(self, x: Tensor) -> Condition:
        raise NotImplementedError("codes are matched by a stand-in")


def test_a_model_with_codes_is_asked_for_the_code_that_stands_for_the_label(monkeypatch: pytest.MonkeyPatch) -> None:
    schema = Schema(attributes=(Categorical(name="tone", values=("dark", "light")), Flag(name="big")))
    condition = Condition.of(schema, [{"tone": t, "big": b} for t in ("dark", "light") for b in ("yes", "no")] * 10)
    part = Dataset(torch.zeros(40, 1), condition)
    splits = Splits(part, part, part)
    model = Coded()
    joint = LabelDistribution.of(Condition.of(model.schema, [{"code1": k, "other": "yes"} for k in (0, 1)]))
    run = Run(model, joint, Info({"model": "infogan", "arguments": {}}, (1,), {}, {}, {}), Path("nowhere"))
    match = CodeMatch("code1", "tone", {"0": "light", "1": "dark"}, 0.0, torch.eye(2))
    monkeypatch.setattr(EvaluatedRun, "match", match)
    subject = EvaluatedRun(run, splits)
    assert subject.conditional
    made = subject.answer(condition, torch.arange(40))
    shown = made.x[:, 0].round()
    assert torch.equal(shown, 1 - condition.values["tone"])  # dark is code 1
    assert made.condition.given("tone").all()
    assert not made.condition.given("big").any()  # codes say nothing of it


def test_a_model_without_a_condition_cannot_be_asked(digits: Splits, unconditional: Run) -> None:
    subject = EvaluatedRun(unconditional, digits)
    assert not subject.conditional
    assert subject.answer(digits.test.condition[:4], torch.arange(4)).x.shape == (4, 1, 8, 8)


def test_a_cvae_of_other_attributes_is_not_asked_for_these(digits: Splits, data: Splits) -> None:
    model = build("cvae", data.schema, (2,), embedding=4, channels=4, latent=2)
    assert not EvaluatedRun(liars.run_of(model, data), digits).conditional
