"""What the command line does after training, in Python: one call each, with results that show themselves."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import condgen
from condgen.api import Diagnosis
from condgen.errors import RequestError
from condgen.evaluation.findings import Finding
from condgen.runs.run import Run

QUICK: dict[str, Any] = {"samples": 200, "pairs": 0, "useful": 0, "edits": 0, "latents": 0}


@pytest.fixture(scope="module")
def report(run: Run) -> Any:
    return condgen.evaluate(run, **QUICK)


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
