"""What the command line does after training, in Python: one call each, with results that show themselves."""

import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest

import condgen
from condgen.api import Diagnosis, Shown, data_for, opened, reports_for, with_data
from condgen.data import Splits
from condgen.errors import CondgenWarning, DataError, RequestError, RunError
from condgen.evaluation.augmentation import Augmented
from condgen.evaluation.findings import Finding
from condgen.evaluation.judge.judge import Judge
from condgen.evaluation.measure import Evaluation
from condgen.evaluation.protocol import BRIEF, EvaluationConfig
from condgen.evaluation.report import Report
from condgen.models import FAMILIES
from condgen.pages.gallery import Gallery, GalleryContext
from condgen.runs.run import Run
from condgen.runs.sampling import SamplingOptions
from tests.unchecked import unchecked

QUICK: dict[str, Any] = {"samples": 200, "pairs": 0, "useful": 0, "edits": 0, "latents": 0}


@pytest.fixture(scope="module")
def report(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Any:
    own = shutil.copytree(run.path, tmp_path_factory.mktemp("report") / "run")
    return condgen.evaluate(own, **QUICK)


def test_a_report_is_text_a_page_and_files(report: Any, tmp_path: Path) -> None:
    assert report.headline in repr(report)
    assert len(repr(report).splitlines()) == 2
    assert report._repr_html_().startswith("<iframe srcdoc=")
    assert 0 <= report.obedience.joint.value <= 1
    assert repr(report.obedience).startswith("digit: ")
    report.save(tmp_path / "out")
    assert {"report.html", "report.json"} <= {p.name for p in (tmp_path / "out").iterdir()}
    with pytest.raises(AttributeError):
        _ = report.nothing_of_the_kind


def test_a_report_is_kept_for_the_doctor(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = shutil.copytree(run.path, tmp_path / "run")
    found = condgen.evaluate(own, **QUICK)
    assert (own / "report.html").is_file()
    monkeypatch.setattr("condgen.api.measured", None)
    assert condgen.doctor(own).headline == found.headline


def test_data_in_memory_is_measured_on(run: Run) -> None:
    own = run.data()
    x, y = own.test.x.numpy()[:, 0], [row["digit"] for row in own.test.condition.rows()]
    everything = condgen.load(np.concatenate([x, x]), labels={"digit": [*y, *y]}, schema=run.schema)
    assert condgen.evaluate(run, everything, **QUICK).protocol.samples == 200


def test_a_doctor_finds_or_says_that_nothing_is_wrong(run: Run) -> None:
    found = condgen.doctor(run, **QUICK)
    assert all(isinstance(f, Finding) for f in found)
    assert repr(Diagnosis(())) == "Nothing is wrong as far as can be measured."
    blurred = Finding("blurred", "because it is.", "Wear `glasses=2`.")
    assert "because it is" in repr(Diagnosis((blurred,)))
    assert "Wear <code>glasses=2</code>." in Diagnosis((blurred,), "9 < 10")._repr_html_()
    assert "9 &lt; 10" in Diagnosis((blurred,), "9 < 10")._repr_html_()
    assert "Nothing is wrong" in Diagnosis(())._repr_html_()


@pytest.mark.parametrize("batch", [32, 2])
def test_the_doctor_does_not_accuse_a_critic_that_has_just_begun(batch: int) -> None:
    """The kept run saw 5,184 images: 162 steps of 32 images, or 2,592 of 2."""
    trained = Run.open(Path(__file__).parent / "runs" / "trained" / "projection")
    trained.info.training["batch"] = batch
    assert trained.model.complaints({"critic/wins": 1.0})
    found = condgen.doctor(trained, "digits", **QUICK)
    assert ("critic overpowering" in [f.name for f in found]) == (batch == 2)


def test_comparing_measures_what_was_not_and_keeps_it(
    run: Run, flow: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import shutil

    runs = [shutil.copytree(r.path, tmp_path / r.path.name) for r in (run, flow)]
    compared = condgen.compare(*runs, **QUICK)
    assert [row.label.split(" ")[0] for row in compared.rows] == ["cvae", "flow"]
    assert all((folder / "report.json").exists() for folder in runs)
    assert "cvae" in repr(compared)
    assert "<table" in compared.page()
    monkeypatch.setattr("condgen.api.measured", None)  # both are kept now
    assert len(condgen.compare(*runs).rows) == 2
    with pytest.raises(RequestError, match="at least two"):
        condgen.compare(run)


def test_rare_values_are_generated(run: Run, tmp_path: Path) -> None:
    found = condgen.augment(run, "digit", tmp_path / "even", to=155, worth=0)
    assert sum(share.added for share in found.shares) == 155 * 10 - len(run.data().train)
    assert (tmp_path / "even" / "metadata.csv").is_file()


def test_a_gallery_shows_what_is_asked(run: Run, tmp_path: Path) -> None:
    hung = condgen.gallery(run, "digit=3", only=["requests"], n=2)
    assert repr(hung).splitlines()[1].strip() == "requests"
    assert "digit=3" in hung.page()
    hung.save(tmp_path)
    assert (tmp_path / "gallery.html").is_file()


def test_results_are_saved_where_they_are_asked_for(run: Run, tmp_path: Path) -> None:
    """A folder holds everything, and a file .html the page."""
    condgen.gallery(run, "digit=3", only=["requests"], n=2, out=tmp_path / "hung")
    condgen.gallery(run, "digit=3", only=["requests"], n=2, out=tmp_path / "page.html")
    assert (tmp_path / "hung" / "gallery.html").is_file()
    assert "digit=3" in (tmp_path / "page.html").read_text()
    condgen.inspect("digits", out=tmp_path / "seen")
    assert (tmp_path / "seen" / "inspection.json").is_file()


@pytest.mark.parametrize("memory", [False, True])
def test_data_is_inspected_wherever_it_is(memory: bool) -> None:
    x, y = np.random.default_rng(0).integers(0, 255, (100, 8, 8), dtype=np.uint8), np.arange(100) % 4
    found = condgen.inspect(condgen.load(x, labels={"digit": y}) if memory else "digits")
    assert found.schema.names == ["digit"]
    assert "attributes: digit" in repr(found)
    assert "Train first: `condgen.train(" in repr(found)
    assert "Recommended: " in repr(found)
    assert "digit" in found.page()
    assert "on this machine" in found.page()


def test_datasets_with_a_name_are_listed() -> None:
    found = condgen.datasets()
    assert {"digits", "mnist"} <= found.keys()
    assert all(found.values())
    assert "digits  " in repr(found)


def test_presets_and_families_are_listed() -> None:
    found = condgen.presets()
    assert found["digits"]["model"] == "projection"
    assert "99.6 % obedience" in found._repr_html_()
    assert condgen.settings().keys() == set(FAMILIES.names)


def test_presets_and_verify_are_modules_that_can_be_called(run: Run) -> None:
    """`import condgen.verify` makes the name a module, whoever did it."""
    code = (
        "import condgen, condgen.verify, condgen.presets, condgen.studio\n"
        "from condgen.presets import PRESETS, preset\n"
        f"assert 'tensors' in condgen.verify({str(run.path)!r})[0]\n"
        f"assert condgen.verify(condgen.open({str(run.path)!r})) == condgen.verify.verify({str(run.path)!r})\n"
        "assert condgen.presets() == PRESETS and callable(condgen.studio)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# ---- what each call passes on, without measuring


@pytest.fixture
def trained() -> Run:
    return Run.open(Path(__file__).parent / "runs" / "trained" / "projection")


class Passed(dict[str, Any]):
    """Remembers the arguments of the function that it stands for, and returns an answer."""

    def __init__(self, answer: Any = None) -> None:
        self.answer = answer

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        self.update({str(k): each for k, each in enumerate(arguments)} | named)
        return self.answer


def said(**facts: Any) -> Any:
    """A report of which a test looks at these facts only."""
    return Mock(spec=Report, **({"headline": "Obeyed.", "watch": "", "well": True, "findings": ()} | facts))


def evaluated(**facts: Any) -> Passed:
    """Stands for a measurement."""
    return Passed(Mock(spec=Evaluation, report=said(**facts)))


def test_a_result_shows_its_attributes_its_page_and_where_it_was_saved(tmp_path: Path) -> None:
    written: list[Path] = []
    shown: Shown[Any] = Shown(
        SimpleNamespace(headline="Obeyed.", _hidden=1), "text", lambda: '<p class="a">', written.append
    )
    assert {"headline", "save", "page"} <= set(dir(shown))
    assert "_hidden" not in dir(shown)
    assert shown.headline == "Obeyed."
    with pytest.raises(AttributeError):
        _ = shown._hidden
    assert "&lt;p class=&quot;a&quot;&gt;" in shown._repr_html_()
    assert shown.save(str(tmp_path)) == tmp_path
    assert written == [tmp_path]


@pytest.mark.parametrize(
    ("facts", "text"),
    [
        ({}, "Obeyed.\n  Nothing is wrong as far as can be measured."),
        ({"well": False}, "Obeyed."),
        ({"watch": "Watch: blur."}, "Obeyed.\n  Watch: blur."),
    ],
)
def test_a_report_says_that_all_is_well_only_if_it_is(
    facts: dict[str, Any], text: str, trained: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("condgen.api.measured", evaluated(**facts))
    monkeypatch.setattr("condgen.api.report_page.save", Passed())
    assert repr(condgen.evaluate(trained)) == text


def test_only_a_report_on_a_runs_own_data_is_kept_where_it_can_be(
    trained: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = Passed()
    monkeypatch.setattr("condgen.api.measured", evaluated())
    monkeypatch.setattr("condgen.api.report_page.save", kept)
    condgen.evaluate(trained, "digits")
    assert not kept
    condgen.evaluate(trained, out=tmp_path)
    assert kept["1"] == tmp_path
    condgen.evaluate(trained)
    assert kept["1"] == trained.path

    def refused(*_: object) -> None:
        raise RunError("report.json cannot be written.")

    monkeypatch.setattr("condgen.api.report_page.save", refused)
    with pytest.warns(CondgenWarning, match="The report is not kept"):
        assert condgen.evaluate(trained).headline == "Obeyed."


def test_settings_of_sampling_are_checked_and_passed_on(trained: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    for setting in ({"guidance": 2}, {"steps": 3}, {"sampler": "heun"}):
        with pytest.raises(RequestError, match=next(iter(setting))):
            condgen.evaluate(trained, **setting)  # type: ignore[arg-type]
    monkeypatch.setattr(SamplingOptions, "validate_for", lambda self, model: None)
    passed = evaluated()
    monkeypatch.setattr("condgen.api.measured", passed)
    monkeypatch.setattr("condgen.api.report_page.save", Passed())
    how = {"guidance": 2, "interval": (0.2, 0.8), "sampler": "heun", "steps": 3}
    condgen.evaluate(trained, **how, samples=777)
    assert passed["sampling"] == SamplingOptions(**how)
    assert passed["2"].samples == 777


def test_the_doctor_reads_a_kept_report_unless_it_is_asked_for_another(
    trained: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = evaluated(headline="New.", well=False)
    monkeypatch.setattr("condgen.evaluation.measure.evaluate", new)
    monkeypatch.setattr("condgen.evaluation.measure.kept_judge", lambda data: "a judge")
    monkeypatch.setattr("condgen.api.kept_report", lambda run: said(headline="Kept."))
    assert repr(condgen.doctor(trained)).splitlines() == ["Kept.", "Nothing is wrong as far as can be measured."]
    assert condgen.doctor(trained, "digits").headline == "New."
    assert repr(condgen.doctor(trained, pairs=7)) == "New."
    assert (new["2"].pairs, new["2"].useful) == (7, BRIEF["useful"])


def test_all_is_well_without_grave_findings_only() -> None:
    grave, light = Finding("blur", "It is blurred.", "Train."), Finding("blur", "A little.", "Train.", grave=False)
    assert repr(Diagnosis((light,))).startswith("No fault was found; worth knowing:\nblur: A little.")
    for found in (Diagnosis((grave,)), Diagnosis((), well=False)):
        assert not any(words in repr(found) for words in ("Nothing is wrong", "No fault"))


@pytest.mark.parametrize("data", [None, "digits"])
def test_only_reports_on_a_runs_own_data_are_kept(
    data: str | None, trained: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, kept = Passed([]), Passed()
    monkeypatch.setattr("condgen.api.reports_of", asked)
    monkeypatch.setattr("condgen.api.measured", evaluated(headline="its own"))
    monkeypatch.setattr("condgen.api.report_page.save", kept)
    reports_for([trained], data, {"samples": 7})
    assert (asked["anew"], asked["3"]) == (data is not None, {"samples": 7})
    assert asked["2"](trained, Mock(spec=Splits), EvaluationConfig()).headline == "its own"
    assert kept.get("1") == (trained.folder if data is None else None)


def test_a_gallery_is_hung_as_asked(trained: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    hung, judge = Passed(Mock(spec=Gallery, sections=())), Mock(spec=Judge)
    monkeypatch.setattr("condgen.api.gallery_of", hung)
    monkeypatch.setattr("condgen.api.kept_judge", lambda data: judge)
    condgen.gallery(trained, "digit=3", only=["edits"], n=4, seed=5, data="digits", steps=6)
    context = hung["0"]
    assert [request.text for request in context.asked] == ["digit=3"]
    assert (context.seed, context.columns, context.sampling) == (5, 4, SamplingOptions(steps=6))
    assert (context.judge, hung["1"]) == (judge, ["edits"])
    condgen.gallery(trained, data="digits")
    assert hung["0"].asked == ()


def test_data_that_is_not_at_hand_is_a_note_unless_it_was_named(trained: Run) -> None:
    def missing(run: Run, data: Any) -> Splits:
        raise DataError("It is gone.")

    context = GalleryContext(trained, ())
    assert "not at hand. It is gone." in with_data(context, None, missing).no_data
    with pytest.raises(DataError):
        with_data(context, "elsewhere", missing)


def test_a_judge_of_other_attributes_is_not_used(trained: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("condgen.api.kept_judge", lambda data: Mock(spec=Judge))
    other = condgen.load("shapes:40")
    found = with_data(GalleryContext(trained, ()), None, lambda run, data: other)
    assert (found.data, found.judge) == (other, None)


def test_augmenting_passes_its_settings_on(trained: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    passed = Passed(Mock(spec=Augmented))
    monkeypatch.setattr("condgen.api.augmented", passed)
    condgen.augment(trained, "digit", tmp_path, "digits", steps=6, to=9, worth=0)
    assert (passed["sampling"], passed["to"], passed["worth"]) == (SamplingOptions(steps=6), 9, 0)
    assert (passed["2"], passed["3"]) == ("digit", tmp_path)


def test_trust_is_given_once_and_kept(trained: Run) -> None:
    assert not opened(trained).trust
    assert opened(trained, True).trust
    assert opened(trained).trust
    assert condgen.open(trained.path, trust=True).trust


def test_data_of_a_run_of_vectors_is_measured_in_its_units(points: Run) -> None:
    x = np.stack([np.linspace(0, 1, 60), np.linspace(500, 900, 60)], 1)
    data = condgen.load(x, labels={"side": ["west", "east"] * 30})
    assert data.coordinates != points.coordinates
    assert data_for(points, data).coordinates == points.coordinates
    assert data_for(points, "mixture").schema == points.schema


def test_data_in_memory_is_inspected_as_it_would_be_loaded() -> None:
    pandas = pytest.importorskip("pandas")
    numbers = {"a": [k * k % 17 / 3 for k in range(60)], "b": [k * k % 31 / 7 for k in range(60)]}
    table = pandas.DataFrame({**numbers, "kind": ["x", "y", "z"] * 20})
    found = condgen.inspect(table, attributes=["b", "kind"])
    assert found.schema.names == ["b", "kind"]
    assert "`condgen.train(condgen.load(data, attributes=['b', 'kind']), out='my-run')`" in repr(found)
    x, y = np.zeros((60, 8, 8), dtype=np.uint8), np.arange(60) % 3
    found = condgen.inspect(x, labels={"digit": y})
    assert found.schema.names == ["digit"]
    assert "`condgen.train(condgen.load(data, labels=labels), out='my-run')`" in repr(found)
    with pytest.raises(TypeError, match="sise"):
        condgen.inspect(x, labels={"digit": y}, sise=8)


def test_features_may_be_named_by_one_text(run: Run) -> None:
    with unchecked(), pytest.raises(RequestError, match="Did you mean inception"):
        condgen.evaluate(run, features="incption")


def test_an_inspection_is_told_what_to_read_and_shows_the_first_problem(tmp_path: Path) -> None:
    lines = [f"{k % 40 + 0.5},{'ab'[k % 2]},{'uv'[k // 2 % 2]}" for k in range(120)]
    (tmp_path / "t.csv").write_text("\n".join(["size,side,part", *lines]))
    found = condgen.inspect(tmp_path / "t.csv", attributes=["side"])
    assert found.schema.names == ["side"]
    assert found.problems[0] in repr(found)
