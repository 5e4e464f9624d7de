from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import Tensor

from condgen.data import Dataset, SplitConfig, Splits, split
from condgen.data.storage.mapped import Mapped, Store
from condgen.evaluation.comparison.comparison import groups
from condgen.evaluation.judge.held_out import judge_splits
from condgen.evaluation.judge.judge import Judge, judge_for
from condgen.evaluation.measure import evaluate
from condgen.evaluation.protocol import EvaluationConfig
from condgen.evaluation.report import Report
from condgen.progress import Progress
from condgen.rng import Rng
from condgen.schema import Condition
from tests.evaluation import liars

pytestmark = pytest.mark.statistical

ASKED = "side=east, far=yes"
BRIEF = EvaluationConfig(samples=1_000, pairs=0, useful=0, folds=0)


@pytest.fixture(scope="module", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CONDGEN_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setattr("condgen.evaluation.measure.judge_for", partial(judge_for, images=60_000))
        yield


@pytest.fixture(scope="module")
def data() -> Splits:
    """The mixture without what is far in the east."""
    return split(liars.world(8_000).train, splitting=SplitConfig(hold_out=(ASKED,)))


class OnlySeen(liars.Perfect):
    """Shows the near in the place of what it was never shown."""

    def sample(self, condition: Condition, rng: Rng) -> Tensor:
        unseen = (condition.values["side"] == 0) & (condition.values["far"] == 1)
        return self.honest(condition.with_codes("far", torch.where(unseen, 0.0, condition.values["far"])), rng)


@pytest.fixture(scope="module")
def honest(data: Splits) -> Report:
    return evaluate(liars.run_of(liars.Perfect(), data), data, BRIEF).report


def test_a_judge_learns_half_of_what_is_held_out_and_is_measured_by_the_rest(data: Splits) -> None:
    seen, held = judge_splits(data), data.held
    assert held is not None
    assert seen.held is not None
    added = seen.train.x[len(data.train) :]
    assert abs(len(added) - len(seen.held)) <= 1
    assert sorted(torch.cat([added, seen.held.x]).tolist()) == sorted(held.x.tolist())
    assert judge_splits(data).train.fingerprint == seen.train.fingerprint != data.train.fingerprint


def test_the_judge_of_a_dataset_learns_that_half(data: Splits, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    learned: list[Tensor] = []

    def untrained(x: Tensor, condition: Condition, progress: Progress, advise: bool) -> Judge:
        learned.append(x)
        return Judge(condition.schema, (2,))

    monkeypatch.setattr("condgen.evaluation.judge.judge.train_judge", untrained)
    monkeypatch.setenv("CONDGEN_CACHE", str(tmp_path))
    judge_for(data)
    assert len(learned[0]) == len(judge_splits(data).train) > len(data.train)


def test_data_of_which_nothing_is_held_out_stays_as_it_is(data: Splits) -> None:
    whole = replace(data, held=None)
    assert judge_splits(whole) is whole


def test_a_single_held_out_example_is_learned_and_leaves_nothing_to_measure(data: Splits) -> None:
    assert data.held is not None
    assert judge_splits(replace(data, held=data.held[:1])).held is None


def test_images_in_a_file_stay_there(data: Splits, tmp_path: Path) -> None:
    assert data.held is not None
    n, m = len(data.train), len(data.held)
    (tmp_path / "pixels").write_bytes(bytes(n + m))
    store = Store(tmp_path / "pixels", (n + m, 1, 1, 1))
    rows = torch.arange(n + m)
    train = Dataset(Mapped(store, rows[:n], "content"), data.train.condition)
    held = Dataset(Mapped(store, rows[n:], "content"), data.held.condition)
    seen = judge_splits(replace(data, train=train, held=held)).train.observations
    assert isinstance(seen, Mapped)
    assert seen.rows[:n].tolist() == list(range(n))
    assert set(seen.rows[n:].tolist()) < set(range(n, n + m))


def test_held_out_combinations_are_reported_beside_real_examples_of_them(data: Splits, honest: Report) -> None:
    found = honest.obedience
    assert found is not None
    assert found.held is not None
    assert found.held.joint_real.value > 0.7  # a judge that had seen none of them would find none
    assert found.held["far"].real.value > 0.9
    assert found.held.joint.high > found.held.joint_real.low


def test_one_that_cannot_compose_is_found_though_the_rest_is_obeyed(data: Splits) -> None:
    found = evaluate(liars.run_of(OnlySeen(), data), data, BRIEF).report.obedience
    assert found is not None
    assert found.held is not None
    assert found.held["far"].asked.value < 0.1 < 0.9 < found.held["side"].asked.value
    assert found["far"].asked.value > 0.9
    assert "held-out combinations" in found.lines()[-1]


def test_a_report_with_held_out_combinations_is_read_as_it_was_written(honest: Report) -> None:
    assert Report.loads(honest.dumps()) == honest
    assert {"obedience_held", "obedience_held_side"} <= {q.name for group in groups(honest).values() for q in group}
