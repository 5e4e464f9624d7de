"""What choosing among candidates gains and costs."""

from dataclasses import replace

import pytest
import torch

from condgen.evaluation.judge.judge import Judge
from condgen.evaluation.metrics.best_of import BEST_OF
from condgen.evaluation.metrics.metric import Measurement
from condgen.evaluation.protocol import EvaluationConfig
from condgen.evaluation.subject import EvaluatedRun, as_in_data
from condgen.runs.run import Run
from condgen.runs.sampling import SamplingOptions
from tests.evaluation import liars


def test_it_stands_beside_single_samples_of_the_same_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    data = liars.world(1_000)
    run = liars.run_of(liars.Ignores(), data)

    def right(self: Run, x: torch.Tensor, condition: object) -> torch.Tensor:
        nearest = (x[:, None] - data.train.x[None]).norm(dim=2).argmin(1)
        return (data.train.condition.values["side"][nearest] == condition.values["side"]).float()  # type: ignore[attr-defined]

    monkeypatch.setattr(Run, "preference", right)
    config = EvaluationConfig(samples=200)
    subject = EvaluatedRun(run, data, SamplingOptions(best_of=4))
    judge = Judge(data.schema, data.shape).eval()
    samples = subject.answer(as_in_data(data.test, 200, 0), torch.arange(200))
    case = Measurement(subject, judge, samples, config)
    assert BEST_OF.skipped(case) == ""
    assert BEST_OF.skipped(replace(case, subject=EvaluatedRun(run, data)))
    found = BEST_OF.measure(case)
    assert found.candidates == 4
    again = BEST_OF.measure(replace(case, samples=EvaluatedRun(run, data).answer(samples.condition, torch.arange(200))))
    assert again.best == again.single == found.single
    assert found.best != found.single
    assert "best of 4 candidates" in BEST_OF.lines(found)[0]


def test_choosing_makes_a_disobedient_model_obey_more_often() -> None:
    data = liars.world(1_000)
    run = liars.run_of(liars.Ignores(), data)
    asked = as_in_data(data.test, 300, 0)

    class Choosing(Run):
        def preference(self, x: torch.Tensor, condition: object) -> torch.Tensor:  # type: ignore[override]
            nearest = (x[:, None] - data.train.x[None]).norm(dim=2).argmin(1)
            return (data.train.condition.values["side"][nearest] == condition.values["side"]).float()  # type: ignore[attr-defined]

    chooser = Choosing(run.model, run.joint, run.info, run.path)
    shares = []
    for n in (1, 4):
        x = chooser.answer(asked, torch.arange(300), SamplingOptions(best_of=n))
        shares.append(float(chooser.preference(x, asked).mean()))
    assert shares[0] == pytest.approx(0.25, abs=0.1)
    assert shares[1] == pytest.approx(1 - 0.75**4, abs=0.1)
