"""The kept report of a model, in short and as a page of its own."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from condgen.evaluation.measure import fingerprint
from condgen.evaluation.report import Report
from condgen.runs.run import Run
from condgen.studio.spelling import spell
from tests.pages.test_report import digits_report
from tests.serving.echo import Echo
from tests.studio.conftest import Studio


@pytest.fixture
def measured(run: Run, tmp_path: Path) -> Path:
    """A copy of a run with a report of its weights."""
    folder = tmp_path / "digits"
    shutil.copytree(run.path, folder)
    of_it = {**digits_report().run, "weights": fingerprint(run)}
    replace(digits_report(), run=of_it).save(folder)
    return folder


def test_the_report_in_short(studio: Studio, measured: Path) -> None:
    found = studio(digits=measured).get("/studio/digits/report").json()
    kept, shown = Report.load(measured / "report.json"), found["report"]
    assert (shown["headline"], shown["well"], shown["current"]) == (kept.headline, kept.well, True)
    assert [(each["name"], each["advice"]) for each in shown["findings"]] == [
        (f.name, spell(f.advice)) for f in kept.findings
    ]
    assert shown["results"][0]["lines"] == kept.obedience.lines() if kept.obedience else False
    assert not found["page"]


def test_the_report_of_other_weights_says_so(studio: Studio, measured: Path) -> None:
    digits_report().save(measured)
    assert not studio(digits=measured).get("/studio/digits/report").json()["report"]["current"]


def test_a_model_without_a_report(studio: Studio, run: Run, echo: Echo) -> None:
    client = studio(digits=run.path, echo=echo)
    for name in ("digits", "echo"):
        assert client.get(f"/studio/{name}/report").json() == {"report": None, "page": False}
        assert client.get(f"/studio/{name}/report/page").status_code == 404


def test_nothing_in_the_page_of_a_report_can_run(studio: Studio, measured: Path) -> None:
    (measured / "report.html").write_text("<!doctype html><script>alert(1)</script>")
    client = studio(digits=measured)
    assert client.get("/studio/digits/report").json()["page"]
    answer = client.get("/studio/digits/report/page")
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "sandbox" in policy
    assert not {"script", "allow-scripts", "connect-src"} & {*policy.replace(";", " ").split()}
    assert answer.text.startswith("<!doctype html>")


def test_a_damaged_report_is_named(studio: Studio, measured: Path) -> None:
    (measured / "report.json").write_text("{")
    answer = studio(digits=measured).get("/studio/digits/report")
    assert answer.status_code == 500
    assert "report.json" in answer.json()["detail"]
