"""The best of several candidates: the same in any batch, chosen by the critic or by a judge of its own."""

from typing import Any

import pytest
import torch

from condgen.data import Splits
from condgen.errors import RequestError
from condgen.evaluation.judge import choosing
from condgen.evaluation.judge.judge import Judge
from condgen.models import FAMILIES, build
from condgen.models.protocols import Prefers
from condgen.rng import Stream
from condgen.runs.best import APART, MOST, best, candidates
from condgen.runs.remote import _sent
from condgen.runs.run import Run
from condgen.runs.sampling import SamplingOptions
from condgen.schema import LabelDistribution, Schema
from condgen.testing import ATTRIBUTES
from condgen.testing.worlds import conditions
from tests.evaluation import liars
from tests.export.untrained import IMAGE, untrained


@pytest.fixture(scope="module")
def gan() -> Run:
    return untrained("projection")


def test_the_first_candidate_is_the_seeds_own_and_no_two_streams_meet() -> None:
    streams = list(candidates(torch.tensor([0, 7, 2**40 - 1]), 3))
    assert streams[0].seeds == [0, 7, 2**40 - 1]
    every = [seed for rng in streams for seed in rng.seeds]
    assert len(set(every)) == 9
    assert min(streams[1].seeds) > Stream.EXCLUDED + APART


def test_the_highest_score_wins_and_the_first_of_equals() -> None:
    found = [torch.tensor([[0.0], [0.0], [0.0]]), torch.tensor([[1.0], [1.0], [1.0]])]
    scores = [torch.tensor([0.0, 2.0, 1.0]), torch.tensor([1.0, 1.0, 1.0])]
    assert best(found, scores)[:, 0].tolist() == [1.0, 0.0, 0.0]


def test_image_k_is_the_best_of_its_own_candidates_whatever_the_batch(gan: Run) -> None:
    together = gan.sample("row=top", n=6, seed=3, best_of=3)
    later = gan.sample("row=top", n=3, seed=6, best_of=3)
    torch.testing.assert_close(together.x[3:], later.x, rtol=1e-5, atol=1e-6)
    alone = gan.sample("row=top", n=6, seed=3)
    assert torch.equal(alone.condition.values["tone"], together.condition.values["tone"])
    assert torch.equal(gan.sample("row=top", n=6, seed=3, best_of=1).x, alone.x)


def test_more_candidates_are_never_worse_to_the_one_that_chooses(gan: Run) -> None:
    scores = [gan.preference(s.x, s.condition) for s in (gan.sample(n=16, best_of=k) for k in (1, 2, 6))]
    assert (scores[1] >= scores[0] - 1e-5).all()
    assert (scores[2] >= scores[1] - 1e-5).all()
    assert (scores[2] > scores[0] + 1e-5).any()


@pytest.mark.parametrize("name", [name for name, each in FAMILIES.items() if each.as_student is None])
def test_every_model_with_a_critic_prefers_each_observation_by_itself(name: str) -> None:
    model = build(name, Schema(attributes=ATTRIBUTES["all"]), IMAGE).eval()
    if "critic" not in model.players():
        assert not isinstance(model, Prefers)
        return
    assert isinstance(model, Prefers)
    joint = model.joint(LabelDistribution.of(conditions("all", 40)))
    x, condition = torch.rand(6, *IMAGE), joint.draw({}, Stream.NOISE.rng(range(6)))
    whole = model.preference(x, condition)
    torch.testing.assert_close(whole[2:4], model.preference(x[2:4], condition[2:4]), rtol=1e-4, atol=1e-5)


def test_a_model_without_a_critic_is_chosen_for_by_a_judge_of_another_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dict[str, Any]] = []

    def remembered(data: Splits, **arguments: Any) -> Judge:
        asked.append(arguments)
        return Judge(data.schema, data.shape)

    data = liars.world(200)
    monkeypatch.setattr(choosing, "judge_for", remembered)
    monkeypatch.setattr(Run, "data", lambda self, **given: data)
    run = liars.run_of(liars.Perfect(), data)
    run.sample("side=west", n=3, best_of=2)
    assert [each["seed"] for each in asked] == [choosing.SEED]
    assert choosing.SEED != 0  # that of evaluations


def test_the_data_of_that_judge_may_be_named(monkeypatch: pytest.MonkeyPatch, gan: Run) -> None:
    learned: list[Splits] = []

    def remembered(data: Splits, **arguments: Any) -> Judge:
        learned.append(data)
        return Judge(data.schema, data.shape)

    monkeypatch.setattr(choosing, "judge_for", remembered)
    data = liars.world(200)
    run = liars.run_of(liars.Perfect(), data)
    run.choose_by(data)
    run.sample("side=west", n=3, best_of=2)
    assert learned == [data]
    gan.choose_by(data)  # has a critic
    assert learned == [data]


def test_without_attributes_and_critic_nothing_is_best(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ATTRIBUTES, "none", ())
    run = untrained("vae", kind="none")
    with pytest.raises(RequestError, match="Nothing tells which of several candidates is the best: vae"):
        run.sample(n=2, best_of=2)
    assert len(untrained("gan", kind="none").sample(n=2, best_of=2)) == 2


def test_a_judge_scores_what_a_condition_gives_and_nothing_else() -> None:
    data = liars.world(200)
    judge = Judge(data.schema, data.shape).eval()
    condition = data.test.condition
    free = condition.drop(torch.ones(len(condition), 1, dtype=torch.bool) & torch.tensor([False, True, True]))
    found = choosing.log_likelihood(judge, data.test.x, free)
    torch.testing.assert_close(found, judge.read(data.test.x).log_prob("side", condition.values["side"]))


def test_wrong_numbers_and_what_cannot_choose_are_refused(gan: Run) -> None:
    for n in (0, MOST + 1):
        with pytest.raises(RequestError, match="best of 1 to 64 candidates"):
            gan.sample(n=1, best_of=n)
    with pytest.raises(RequestError, match="leave out `best_of`"):
        _sent(SamplingOptions(best_of=2))
    assert SamplingOptions().given == {}
    assert SamplingOptions(best_of=4).given == {"best_of": 4}
