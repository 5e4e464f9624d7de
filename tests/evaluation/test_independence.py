"""What a run was trained against does not measure it, nor do relatives of it."""

from dataclasses import replace
from pathlib import Path

import pytest

from condgen.data import Splits
from condgen.errors import RequestError
from condgen.evaluation.comparison.finished import reports_of
from condgen.evaluation.independence import must_be_independent
from condgen.evaluation.measure import evaluate, fingerprint, kept_report
from condgen.evaluation.protocol import EvaluationConfig
from condgen.evaluation.report import Report
from condgen.feature_networks import FeatureNetwork, network
from condgen.models import FAMILIES, build
from condgen.runs.run import Run
from condgen.runs.train import train
from condgen.training import checkpoint
from tests.conftest import SMALL
from tests.evaluation import liars
from tests.evaluation.test_report import report as report  # the fixture


@pytest.fixture(scope="module")
def data() -> Splits:
    return liars.world(400)


def trained_against(data: Splits, *names: str, path: Path = Path("nowhere")) -> Run:
    run = liars.run_of(liars.Perfect(), data, path)
    run.info.against = tuple(map(network, names))
    return run


def never(run: Run, data: Splits, config: EvaluationConfig) -> Report:
    raise AssertionError("was measured")


def test_features_of_training_and_their_relatives_are_refused_and_others_named(data: Splits) -> None:
    run = trained_against(data, "efficientnet")
    for features in ("efficientnet-224", "inception"):
        with pytest.raises(RequestError, match=r"trained against efficientnet.*`features='judge'`"):
            must_be_independent(run, ["judge", features])
    must_be_independent(run, ["judge"])


def test_nothing_is_measured_before_the_refusal(data: Splits) -> None:
    with pytest.raises(RequestError, match="obedience is always read by the judge"):
        evaluate(trained_against(data, "judge"), data, EvaluationConfig())


def test_a_comparison_refuses_before_its_first_measurement(data: Splits) -> None:
    runs = [trained_against(data, "inception"), liars.run_of(liars.Perfect(), data, Path("other"), images=2)]
    for seed, run in enumerate(runs):
        run.info.training = {"seed": seed}
    with pytest.raises(RequestError, match="trained against inception"):
        reports_of(runs, lambda run: data, never, {"features": ("judge", "efficientnet")})


def test_a_report_by_relatives_of_what_trained_a_run_is_not_believed(
    data: Splits, report: Report, tmp_path: Path
) -> None:
    run = trained_against(data, path=tmp_path)
    of_run = {**report.run, "weights": fingerprint(run)}
    replace(report, run=of_run, protocol=replace(report.protocol, features=("inception-v3-2048",))).save(tmp_path)
    assert kept_report(run) is not None
    run.info.against = (network("efficientnet"),)
    assert kept_report(run) is None


def test_a_run_keeps_the_record_of_what_trained_it(digits: Splits, tmp_path: Path) -> None:
    run = train("projection", digits, tmp_path / "run", images=64, **SMALL)
    assert [each.name for each in run.info.against] == ["its own critic"]
    info, _ = checkpoint.load(run.path / checkpoint.FILE)
    assert info.against == run.info.against
    assert all(isinstance(each, FeatureNetwork) for each in info.against)


@pytest.mark.parametrize("family", [name for name, each in FAMILIES.items() if each.as_student is None])
def test_every_adversarial_family_says_what_it_trains_against(family: str, digits: Splits) -> None:
    model = build(family, digits.schema, digits.shape)
    features = family == "codec"  # it reconstructs those of a critic that does not learn
    assert bool(model.trained_against) == ("critic" in model.players() or features)


def test_a_perceptual_loss_is_on_the_record(digits: Splits) -> None:
    plain, perceptual = (build("cvae", digits.schema, digits.shape, perceptual=w) for w in (0.0, 1.0))
    assert not plain.trained_against
    assert perceptual.trained_against
