import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from condgen.data import Splits
from condgen.errors import RequestError
from condgen.evaluation.findings import Finding
from condgen.evaluation.measure import evaluate, fingerprint
from condgen.evaluation.protocol import EvaluationConfig
from condgen.evaluation.report import Report
from condgen.models import Model
from condgen.pages.report import save
from condgen.pages.sheets import sheets_of
from condgen.progress import Silent
from condgen.runs.run import Run
from condgen.runs.sampling import SamplingOptions
from tests.evaluation import liars
from tests.unchecked import unchecked

pytestmark = pytest.mark.statistical

BRIEF = EvaluationConfig(samples=2_500, pairs=500, useful=15_000, folds=0)


@pytest.fixture(scope="module", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CONDGEN_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def data() -> Splits:
    return liars.world()


@pytest.fixture(scope="module")
def perfect(data: Splits) -> Report:
    return measured(liars.Perfect(), data)


def measured(model: Model, data: Splits) -> Report:
    with unchecked():
        return evaluate(liars.run_of(model, data), data, BRIEF).report


def only(report: Report) -> Finding:
    """The one grave finding."""
    (finding,) = (f for f in report.findings if f.grave)
    assert finding.evidence in report.watch
    return finding


# ---- known truth: every fault is caught by the metric meant for it, named correctly, and no other is


def test_a_perfect_generator_is_not_accused(perfect: Report) -> None:
    assert perfect.findings == ()
    assert perfect.watch == ""
    assert perfect.rare is not None
    assert perfect.rare.combinations
    assert not any(each.faulty for each in perfect.rare.combinations)
    assert perfect.headline.startswith("Requests are obeyed")
    assert perfect.obedience is not None
    assert perfect.obedience.joint.value == pytest.approx(perfect.obedience.joint_real.value, abs=0.05)
    f = perfect.fidelity[0]
    assert f.overall.frechet.low < f.floor.frechet.high
    assert f.intra_recall == pytest.approx(f.intra_recall_floor, abs=0.03)
    assert perfect.usefulness is not None
    assert perfect.usefulness.made["side"] == pytest.approx(perfect.usefulness.real["side"], abs=0.01)


def test_one_that_ignores_an_attribute_is_found_by_swap_test_and_obedience(data: Splits) -> None:
    report = measured(liars.Ignores(), data)
    finding = only(report)
    assert finding.name == "ignored condition"
    assert "side" in finding.evidence
    assert "far" not in finding.evidence
    assert report.obedience is not None
    side, far = report.obedience["side"], report.obedience["far"]
    assert side.asked.value == pytest.approx(side.chance, abs=0.05)
    assert side.swap is not None
    assert side.swap.value == 0.5  # equal noise and what is asked makes no difference: all ties
    assert far.relative > 0.99
    assert report.headline.startswith("Requests are not obeyed")


def test_one_that_breaks_a_rare_combination_is_found_where_averages_praise_it(data: Splits) -> None:
    report = measured(liars.Breaks(), data)
    finding = only(report)
    assert finding.name == "missed combinations"
    assert "It is far that falls short most" in finding.evidence
    assert report.rare is not None
    assert report.obedience is not None
    worst = report.rare.worst(report.obedience)
    assert worst is not None
    assert worst.request in report.headline
    assert report.obedience["far"].relative > 0.94


def test_one_that_swaps_two_attributes_is_found_by_leakage(data: Splits) -> None:
    report = measured(liars.Swaps(), data)
    finding = only(report)
    assert finding.name == "swapped attributes"
    assert {"side", "far"} <= set(finding.evidence.replace(",", " ").replace(";", " ").split())
    assert report.obedience is not None
    assert report.obedience.leakage is not None
    side, far = (report.obedience.leakage.names.index(name) for name in ("side", "far"))
    changed = report.obedience.leakage.changed
    assert changed[far][side] > 0.9
    assert changed[side][far] > 0.5  # of the other sides, one of three is of the same parity
    assert changed[far][far] < 0.1


def test_one_that_swaps_two_values_is_found_by_the_confusion(data: Splits) -> None:
    finding = only(measured(liars.Permutes(), data))
    assert finding.name == "permuted values"
    assert "east shows north" in finding.evidence
    assert "north shows east" in finding.evidence
    assert "west" not in finding.evidence


def test_one_that_entangles_two_attributes_is_found_by_leakage(data: Splits) -> None:
    finding = only(measured(liars.Entangles(), data))
    assert finding.name == "leakage"
    assert "another far also changes side" in finding.evidence


def test_one_that_drops_a_mode_is_found_by_coverage_within_conditions(data: Splits, perfect: Report) -> None:
    report = measured(liars.Drops(), data)
    assert only(report).name == "dropped mode"
    f = report.fidelity[0]
    assert f.intra_recall < 0.75 * f.intra_recall_floor  # one of two modes: half of it is left
    assert f.intra_precision == pytest.approx(f.intra_precision_floor, abs=0.05)
    assert report.obedience is not None
    assert perfect.obedience is not None
    assert report.obedience.joint.value > 0.96 * perfect.obedience.joint.value  # obedience alone does not see it


def test_one_that_collapses_is_found_by_diversity(data: Splits) -> None:
    report = measured(liars.Collapses(), data)
    assert only(report).name == "mode collapse"
    assert report.fidelity[0].overall.diversity < 0.3
    assert report.memorisation.duplicates.value > 0.2


def test_one_that_memorises_is_found_by_nearest_neighbours(data: Splits) -> None:
    report = measured(liars.Memorises(data.train), data)
    assert only(report).name == "memorisation"
    assert report.memorisation.copies.value > 0.99
    assert report.memorisation.nearer.value > 0.99
    assert report.fidelity[0].intra_frechet < 2 * report.fidelity[0].intra_frechet_floor  # which distances do not see


# ---- recipes


def test_the_same_measurement_gives_the_same_numbers(data: Splits, perfect: Report) -> None:
    again = measured(liars.Perfect(), data)
    assert again.obedience == perfect.obedience
    assert again.fidelity == perfect.fidelity
    assert again.memorisation == perfect.memorisation
    assert again.protocol == perfect.protocol


def test_uniform_labels_change_what_is_asked_but_not_what_distances_are_of(data: Splits, perfect: Report) -> None:
    how = EvaluationConfig(samples=2_500, pairs=0, useful=0, labels="uniform", folds=0)
    report = evaluate(liars.run_of(liars.Perfect(), data), data, how).report
    assert report.protocol.labels == "uniform"
    assert report.fidelity == perfect.fidelity
    assert report.obedience is not None
    assert report.obedience["side"].confusion != perfect.obedience["side"].confusion  # type: ignore[index]
    assert report.obedience.leakage is None
    assert report.usefulness is None


@pytest.mark.parametrize(
    ("wrong", "part"),
    [
        ({"samples": 5}, "at least 100"),
        ({"labels": "fair"}, "'uniform'"),
        ({"features": ()}, "features"),
        ({"pairs": -1}, "negative"),
        ({"latents": -1}, "negative"),
    ],
)
def test_measurements_that_cannot_be_meant_are_refused(wrong: dict[str, object], part: str) -> None:
    with pytest.raises(RequestError, match=part):
        EvaluationConfig(**wrong)  # type: ignore[arg-type]


def test_unknown_features_and_foreign_data_are_refused_in_a_sentence(data: Splits, digits: Splits) -> None:
    run = liars.run_of(liars.Perfect(), data)
    with pytest.raises(RequestError, match="efficientnet"):
        evaluate(run, data, EvaluationConfig(samples=100, pairs=0, useful=0, features=("effcientnet",)))
    with pytest.raises(RequestError, match="shape"):
        evaluate(run, digits, BRIEF)
    with pytest.raises(RequestError, match="labelled alike"):
        evaluate(run, data.select(["side", "far"]), BRIEF)
    with pytest.raises(RequestError, match="no guidance"):
        evaluate(run, data, BRIEF, sampling=SamplingOptions(guidance=2))


# ---- trained runs


@pytest.fixture(scope="module")
def of_digits(run: Run, digits: Splits, tmp_path_factory: pytest.TempPathFactory) -> tuple[Report, Path]:
    folder = tmp_path_factory.mktemp("report")
    found = evaluate(run, digits, EvaluationConfig(samples=600, pairs=100, useful=10_000))
    save(found, folder)
    return found.report, folder


def test_a_run_gets_a_report_and_a_page(of_digits: tuple[Report, Path], run: Run) -> None:
    report, folder = of_digits
    assert Report.load(folder / "report.json") == report
    assert report.run["model"] == "cvae"
    assert report.run["weights"] == fingerprint(run)
    assert report.latents is not None
    assert report.latents.dimensions == 4
    assert sum(map(sum, report.obedience["digit"].confusion)) == 600  # type: ignore[index]
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert report.headline.split(":")[0] in page
    assert page.count("<img") > 100
    for section in ("Samples by request", "Nearest training images", "Latent dimensions"):
        assert section in page


def test_few_samples_are_warned_about(of_digits: tuple[Report, Path]) -> None:
    report, _ = of_digits
    assert any("Fréchet" in text for text in report.warnings) or any("recall" in text for text in report.warnings)


def test_the_report_is_json_that_others_can_read(of_digits: tuple[Report, Path]) -> None:
    _, folder = of_digits
    content = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    assert content["format"] == 1
    assert set(content["recipe"]) >= {"samples", "labels", "features", "reference", "judge"}
    assert content["obedience"]["attributes"][0]["asked"]["value"] <= 1


def test_a_model_that_cannot_be_asked_is_measured_without_obedience(unconditional: Run, digits: Splits) -> None:
    report = evaluate(unconditional, digits, EvaluationConfig(samples=300, pairs=50, useful=1_000)).report
    assert report.obedience is None
    assert report.usefulness is None
    assert report.fidelity[0].within == ()
    assert "cannot be asked" in report.headline


def test_guidance_is_part_of_what_was_measured_but_not_of_the_recipe(flow: Run, digits: Splits) -> None:
    how = EvaluationConfig(samples=120, pairs=0, useful=0)
    plain, guided = (
        evaluate(flow, digits, how, sampling=SamplingOptions(guidance=g, steps=2)).report for g in (1.0, 2.0)
    )
    assert plain.protocol == guided.protocol
    assert guided.sampling == {"guidance": 2.0, "steps": 2}
    assert plain.fidelity != guided.fidelity


def test_only_what_is_measured_is_spoken_of(flow: Run, digits: Splits) -> None:
    said: list[str] = []

    class Notes(Silent):
        def note(self, text: str) -> None:
            said.append(text)

    how = EvaluationConfig(samples=120, pairs=0, useful=0, edits=0, latents=0)
    brief = evaluate(flow, digits, how, sampling=SamplingOptions(steps=2), progress=Notes())
    assert brief.report.latents is None
    assert not {"traversals", "edits"} & sheets_of(brief).keys()
    assert not any(what in text for text in said for what in ("Usefulness", "Edits", "Latents", "Requests"))
    said.clear()
    how = EvaluationConfig(samples=120, pairs=0, useful=0, edits=0, latents=100, ask=("a 7",))
    full = evaluate(flow, digits, how, sampling=SamplingOptions(steps=2), progress=Notes()).report
    assert full.latents is not None
    assert full.latents.attribute == "digit"
    assert [text for text in said if "Latents" in text or "Requests" in text] == ["Requests as a whole …", "Latents …"]


def test_the_fingerprint_changes_with_any_weight(run: Run) -> None:
    before = fingerprint(run)
    parameter = next(run.model.parameters())
    kept = parameter.detach().clone()
    with torch.no_grad():
        parameter[(0,) * parameter.ndim] += 1e-3
    changed = fingerprint(run)
    with torch.no_grad():
        parameter.copy_(kept)
    assert changed != before
    assert fingerprint(run) == before
