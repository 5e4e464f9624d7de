"""evaluate, compare, doctor: what they print, what they leave, and every way to get them wrong."""

import json
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from condgen.data import Splits
from condgen.errors import RequestError
from condgen.evaluation import Judge
from condgen.evaluation.judge.judge import judge_for
from condgen.evaluation.protocol import EvaluationConfig
from condgen.evaluation.report import Report
from condgen.runs.run import Run
from condgen.runs.sampling import SamplingOptions
from condgen.training import checkpoint
from tests.cli.test_cli import contents, one_paragraph
from tests.conftest import Command

BRIEF = ["--samples", "200", "--pairs", "40", "--useful", "0"]
GRID = ["--models", "cvae,vae", "--seeds", "2", "--images", "300", *BRIEF]
TINY = ["--set", "channels=4", "--set", "latent=2", "--set", "previews=0"]


@pytest.fixture(scope="module", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CONDGEN_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def measured(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the run of digits, to be evaluated by the first test that does."""
    return shutil.copytree(run.path, tmp_path_factory.mktemp("proof") / "run")


def test_evaluate_prints_the_headline_and_leaves_report_and_page(command: Command, measured: Path) -> None:
    result = command("evaluate", measured, *BRIEF)
    assert result.status == 0, result.err
    report = Report.load(measured / "report.json")
    assert result.out.startswith(report.headline)
    assert "digit: " in result.out
    assert "in brackets, other real data" in result.out
    assert str(measured / "report.html") in result.out
    assert report.headline.split(":")[0] in (measured / "report.html").read_text(encoding="utf-8")
    assert report.protocol.samples == 200


def test_evaluate_as_json_is_the_report_and_nothing_else(command: Command, measured: Path, tmp_path: Path) -> None:
    before = contents(measured)
    result = command("evaluate", measured, *BRIEF, "--json", "--out", tmp_path / "elsewhere")
    found = Report.loads(result.out)
    assert found == Report.load(tmp_path / "elsewhere" / "report.json")
    assert contents(measured) == before  # with --out, the run's own folder stays as it was


def test_evaluate_on_other_data_with_the_same_labels(command: Command, measured: Path, tmp_path: Path) -> None:
    result = command("evaluate", measured, *BRIEF, "--data", "digits", "--out", tmp_path / "report", "--json")
    assert Report.loads(result.out).protocol.samples == 200


@pytest.mark.parametrize(
    ("wrong", "parts"),
    [
        (["--samples", "3"], ["at least 100"]),
        (["--labels", "fair"], ["uniform"]),
        (["--edits", "5"], ["5 edits are too few", "at least 20", "--edits 0"]),
        (["--useful", "5"], ["learns nothing from 5 images", "at least 1,000", "--useful 0"]),
        (["--samples", "few"], ["'few' is not a number", "500k"]),
        (["--features", "efficientnets"], ["Did you mean", "efficientnet"]),
        (["--guidance", "2"], ["no guidance"]),
        (["--data", "colored-digits"], ["shape", "--data"]),
        (["--data", "mixture"], ["attribute 'digit'", "mixture (selected: digit)"]),
    ],
)
def test_wrong_measurements_are_refused(
    command: Command, measured: Path, tmp_path: Path, wrong: list[str], parts: list[str]
) -> None:
    result = command("evaluate", measured, *wrong, "--out", tmp_path / "report")
    one_paragraph(result, 2, *parts)
    assert not (tmp_path / "report").exists()


def test_counts_are_taken_as_people_write_them(
    command: Command, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def noted(_: object, __: object, how: EvaluationConfig, **___: object) -> None:
        raise RequestError(str([how.samples, how.pairs, how.useful, how.edits, how.latents]))

    monkeypatch.setattr("condgen.evaluation.measure.evaluate", noted)
    counts = shlex.split("--samples 2k --pairs 0 --useful 1k --edits 20 --latents 0.5k --out")
    one_paragraph(command("evaluate", run.path, *counts, tmp_path / "new"), 2, "[2000, 0, 1000, 20, 500]")


def test_every_command_that_samples_takes_the_same_settings(
    command: Command, flow: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    passed = []

    def noted(*_: object, sampling: SamplingOptions, **__: object) -> None:
        passed.append(sampling)
        raise RequestError("That is all.")

    monkeypatch.setattr("condgen.api.measured", noted)  # first: imported later, it would keep the next one for good
    monkeypatch.setattr("condgen.evaluation.measure.evaluate", noted)
    monkeypatch.setattr("condgen.evaluation.augmentation.augment", noted)
    monkeypatch.setattr("condgen.pages.gallery.gallery", lambda look, *_: noted(sampling=look.sampling))
    monkeypatch.setattr("condgen.runs.generator.save_answers", noted)
    new, how = ["--out", tmp_path / "new"], shlex.split("--guidance 2 --interval 0.2..0.8 --steps 2 --sampler dpm")
    augment = ["augment", "digits", "--run", flow.path, "--attribute", "digit"]
    for words in (["evaluate", flow.path], augment, ["gallery", flow.path], ["sample", flow.path]):
        one_paragraph(command(*words, *new, *how), 2, "That is all.")
    assert passed == [SamplingOptions(guidance="2", interval=(0.2, 0.8), steps=2, sampler="dpm")] * 4


@pytest.mark.parametrize("words", [["evaluate", "RUN"], ["compare", "RUN", "RUN"], ["gallery", "RUN"]], ids=" ".join)
def test_a_place_that_cannot_be_written_is_refused_before_any_work(
    command: Command, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_measuring: None, words: list[str]
) -> None:
    monkeypatch.setattr("condgen.pages.gallery.gallery", None)
    (tmp_path / "photo.png").touch()
    out = tmp_path / "photo.png"
    named = [str(run.path) if word == "RUN" else word for word in words]
    result = command(*named, "--out", out / "page.html" if "gallery" in words else out)
    one_paragraph(result, 1, f"{out} cannot be written")


@pytest.mark.parametrize("wrong", [["--features", "judge,incption"], ["--edits", "5"]])
def test_wrong_measurements_are_refused_before_the_run_is_opened(
    command: Command, tmp_path: Path, wrong: list[str]
) -> None:
    (tmp_path / "checkpoint.safetensors").write_bytes(b"not a run")
    one_paragraph(command("evaluate", tmp_path, *wrong), 2, wrong[1].split(",")[-1])


def test_runs_that_cannot_be_compared_are_refused_before_any_is_measured(
    command: Command, measured: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("condgen.evaluation.measure.judge_for", None)
    fresh = shutil.copytree(measured, tmp_path / "fresh", ignore=shutil.ignore_patterns("report.*"))
    one_paragraph(command("compare", fresh, tmp_path / "none"), 1, str(tmp_path / "none"))


def test_a_judge_that_is_shown_less_measures_by_another_protocol(command: Command, run: Run, tmp_path: Path) -> None:
    folder = shutil.copytree(run.path, tmp_path / "run", ignore=shutil.ignore_patterns("report.*"))
    result = command("evaluate", folder, *BRIEF, "--judge-images", "2k")
    assert result.status == 0, result.err
    assert Report.load(folder / "report.json").protocol.judge.endswith("-2000")
    one_paragraph(
        command("evaluate", folder, *BRIEF, "--judge-images", "10"), 2, "at least 1,000", "--judge-images 50000"
    )


def test_doctor_uses_the_report_that_is_there(
    command: Command, measured: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not (measured / "report.json").exists():
        command("evaluate", measured, *BRIEF)
    monkeypatch.setattr("condgen.evaluation.measure.judge_for", None)
    result = command("doctor", measured)
    assert result.status == 0, result.err
    assert Report.load(measured / "report.json").headline in result.out
    found = json.loads(command("doctor", measured, "--json").out)
    assert all({"name", "evidence", "advice", "grave"} <= set(each) for each in found)


def test_doctor_measures_a_run_that_has_no_report(
    command: Command, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = shutil.copytree(run.path, tmp_path / "run")
    assert not (folder / "report.json").exists()
    result = command("doctor", folder)
    assert result.status == 0, result.err
    assert "digit" in result.out
    assert not (folder / "report.json").exists()  # a brief look is no report


def test_doctor_trains_a_small_judge_where_there_is_none_and_says_so(
    command: Command, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = shutil.copytree(run.path, tmp_path / "run", ignore=shutil.ignore_patterns("report.*"))
    monkeypatch.setenv("CONDGEN_CACHE", str(tmp_path / "cache"))
    shown: list[object] = []

    def small(data: Splits, **how: Any) -> Judge:
        shown.append(how.pop("images", None))
        return judge_for(data, images=1_000, **how)

    monkeypatch.setattr("condgen.evaluation.measure.judge_for", small)
    assert "by a judge that saw 30,000 images only" in command("doctor", folder).out
    chosen = command("doctor", folder, "--judge-images", "2k").out
    assert "rough" not in chosen
    monkeypatch.setattr("condgen.evaluation.measure.kept_judge", lambda data: "one that was shown more")
    assert "rough" not in command("doctor", folder).out
    assert shown == [30_000, 2_000, None]


def test_compare_trains_a_grid_and_goes_on_where_it_was(command: Command, tmp_path: Path) -> None:
    out = tmp_path / "grid"
    first = command("compare", "digits", *GRID, *TINY, "--out", out)
    assert first.status == 0, first.err
    assert "cvae" in first.out
    assert "vae" in first.out
    assert sorted(p.name for p in out.iterdir() if p.is_dir()) == ["cvae-0", "cvae-1", "vae-0", "vae-1"]
    assert {"comparison.html", "comparison.json", "comparison.md"} <= {p.name for p in out.iterdir()}
    again = command("compare", "digits", *GRID, *TINY, "--out", out, "--json")
    assert "training" not in again.err.replace("training images", "")
    assert json.loads(again.out)["recipe"]["samples"] == 200
    runs = command("compare", *sorted(p for p in out.iterdir() if p.is_dir()))
    assert runs.status == 0, runs.err


def test_compare_edits_as_many_images_as_asked(command: Command, tmp_path: Path) -> None:
    """Runs that are trained for it, and finished ones without a report."""
    grid = ["--models", "cvae,vae", "--seeds", "1", "--images", "300", *BRIEF, *TINY]
    result = command("compare", "digits", *grid, "--edits", "20", "--out", tmp_path)
    assert result.status == 0, result.err
    reports = [tmp_path / name / "report.json" for name in ("cvae-0", "vae-0")]
    assert json.loads(reports[0].read_text())["edits"]["n"] == 20
    for report in reports:
        report.unlink()
    result = command("compare", *(report.parent for report in reports), *BRIEF, "--edits", "0")
    assert result.status == 0, result.err
    assert all(json.loads(report.read_text()).get("edits") is None for report in reports)


def test_compare_refuses_different_recipes_and_names_the_part(command: Command, measured: Path, tmp_path: Path) -> None:
    other = shutil.copytree(measured, tmp_path / "other")
    command("evaluate", measured, *BRIEF)
    command("evaluate", other, "--samples", "300", "--pairs", "40", "--useful", "0")
    one_paragraph(command("compare", measured, other), 2, "samples", "200", "300")


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["nowhere"], "at least two runs"),
        (["digits", "--models", "cvae", "--images", "100"], "--out DIR"),
        (["digits", "--models", "cvae", "--out", "OUT"], "--budget"),
        (["digits", "--models", "cave", "--images", "100", "--out", "OUT"], "cvae"),
    ],
)
def test_compare_says_what_is_missing(command: Command, tmp_path: Path, arguments: list[str], part: str) -> None:
    given = [str(tmp_path / "out") if a == "OUT" else a for a in arguments]
    one_paragraph(command("compare", *given), 2, part)


def test_compare_holds_a_combination_out_and_says_how_it_was_obeyed(command: Command, tmp_path: Path) -> None:
    held, brief = ["--hold-out", "side=east, far=yes", "--split", "stratified:side"], [*BRIEF, "--judge-images", "10k"]
    grid = ["--models", "cvae", "--seeds", "1", "--images", "300", *brief, *TINY, "--out", tmp_path / "grid"]
    result = command("compare", "mixture", *grid, *held, "--json")
    assert result.status == 0, result.err
    assert "Held out: side=east, far=yes" in result.err
    (row,) = json.loads(result.out)["rows"]
    assert {"obedience_held", "obedience_held_side", "obedience_held_far"} <= set(row["cells"])
    shown = command("evaluate", tmp_path / "grid" / "cvae-0", *brief)  # which loads and splits the data again
    assert "held-out combinations, all at once: " in shown.out
    one_paragraph(command("compare", "mixture", *grid), 2, "data=")  # nothing held out is other data


@pytest.mark.parametrize(
    "unused",
    [
        ["--hold-out", "digit=7"],
        ["--size", "16"],
        ["--resize", "pad"],
        ["--data-dir", "/tmp"],
        ["--seeds", "3"],
        ["--mechanisms", "film"],
        ["--budget", "1m"],
        ["--set", "lr=0.1"],
    ],
    ids=lambda unused: unused[0],
)
def test_options_of_training_are_refused_with_finished_runs(
    command: Command, measured: Path, unused: list[str]
) -> None:
    one_paragraph(command("compare", measured, measured, *unused), 2, unused[0], "--models", "do nothing")


@pytest.fixture
def no_measuring(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fails as soon as anything is measured."""
    monkeypatch.setattr("condgen.evaluation.measure.judge_for", None)


def _fresh(measured: Path, folder: Path) -> Path:
    return shutil.copytree(measured, folder, ignore=shutil.ignore_patterns("report.*"))


def test_the_same_run_twice_is_refused_before_it_is_measured(
    command: Command, measured: Path, tmp_path: Path, no_measuring: None
) -> None:
    fresh, copy = _fresh(measured, tmp_path / "fresh"), _fresh(measured, tmp_path / "copy")
    one_paragraph(command("compare", fresh, copy), 2, "one run, not two")


@pytest.mark.parametrize(
    ("option", "there", "again"),
    [
        (["--samples", "10000"], "samples 200", "--samples 10000 --pairs 40 --useful 0"),
        (
            ["--judge-images", "50000"],
            "judge_images as usual",
            f"{' '.join(BRIEF)} --judge-images 50000",
        ),
    ],
    ids=["samples", "judge"],
)
def test_a_recipe_that_reports_would_ignore_is_refused_before_measuring(
    command: Command,
    measured: Path,
    flow: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    option: list[str],
    there: str,
    again: str,
) -> None:
    command("evaluate", measured, *BRIEF)
    monkeypatch.setattr("condgen.evaluation.measure.judge_for", None)
    fresh = _fresh(flow.path, tmp_path / "flow")
    refused = command("compare", measured, fresh, *option)
    one_paragraph(refused, 2, f"measured with {there}", f"condgen evaluate {measured} {again})")


def test_runs_without_a_report_are_judged_as_those_that_have_one(
    command: Command, run: Run, flow: Run, tmp_path: Path
) -> None:
    there, new = _fresh(run.path, tmp_path / "there"), _fresh(flow.path, tmp_path / "new")
    command("evaluate", there, *BRIEF, "--edits", "0", "--judge-images", "5k")
    result = command("compare", there, new, "--edits", "0")
    assert result.status == 0, result.err
    assert Report.load(new / "report.json").protocol.judge_images == 5_000


def test_data_that_does_not_fit_is_refused_before_measuring(
    command: Command, run: Run, unconditional: Run, tmp_path: Path, no_measuring: None
) -> None:
    fits, other = (_fresh(each.path, tmp_path / each.path.name) for each in (run, unconditional))
    info, tensors = checkpoint.load(other / checkpoint.FILE)
    info.schema["attributes"][0]["name"] = "number"
    checkpoint.save(other / checkpoint.FILE, info, {k.replace("digit", "number"): v for k, v in tensors.items()})
    one_paragraph(command("compare", fits, other, "--data", "digits"), 2, "number", "labelled alike")


def test_a_grid_is_refused_before_a_judge_is_trained(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("condgen.evaluation.judge.judge.train_judge", None)
    grid = ["--models", "cvae", "--seeds", "1", "--images", "300", *TINY, "--out", tmp_path / "grid"]
    one_paragraph(command("compare", "digits", *grid, "--features", "incption"), 2, "inception")
    one_paragraph(command("compare", "digits", *grid, "--resize", "pad"), 2, "--resize", "no effect")
