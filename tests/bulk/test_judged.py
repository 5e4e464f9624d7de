"""Refusing and measuring in the same pass. The judges are untrained: they read something, which is enough."""

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import torch

from condgen.bulk import generate as generating
from condgen.bulk.generate import Bulk, generate
from condgen.bulk.judged import Judged
from condgen.data import Dataset, Splits
from condgen.errors import RequestError
from condgen.evaluation.judge.judge import Judge
from condgen.evaluation.metrics.obedience import obedience
from condgen.pixels import as_uint8
from condgen.progress import SILENT
from condgen.runs.run import Run
from tests.bulk.jobs import Here, Stopped
from tests.conftest import Command
from tests.unchecked import unchecked

ASKED = ["digit=4", "digit=9"]


@pytest.fixture
def judge(run: Run, monkeypatch: pytest.MonkeyPatch) -> Judge:
    torch.manual_seed(0)
    judge = Judge(run.schema, run.shape).eval()
    for name in ("gate", "gauge"):
        monkeypatch.setattr(generating, name, lambda data, progress, name=name: Judged(judge, {}, name))
    return judge


def bulk(run: Run, out: Path, engine: Any = None, **how: Any) -> Bulk:
    with unchecked():
        return generate(run, ASKED, 300, out, engine=engine or Here(), shard=500, progress=SILENT, **how)


def rows(folder: Path) -> list[dict[str, Any]]:
    return [row for file in sorted(folder.glob("*.parquet")) for row in pq.read_table(file).to_pylist()]


def test_refused_samples_are_left_out_and_counted(
    run: Run, judge: Judge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bulk(run, tmp_path / "all")
    monkeypatch.setattr(Judged, "obeyed", lambda self, samples, request: samples.seeds % (2 + samples.request) == 0)
    found = bulk(run, tmp_path / "kept", keep_if="obeyed")
    every = {"digit=4": 2, "digit=9": 3}
    expected = [row for row in rows(tmp_path / "all") if row["seed"] % every[row["request"]] == 0]
    assert rows(tmp_path / "kept") == expected
    index = json.loads((tmp_path / "kept" / "index.json").read_text())
    assert [(each["made"], each["samples"]) for each in index["requests"]] == [(300, 150), (300, 100)]
    assert (index["samples"], index["refused"]) == (250, 350)
    assert repr(found).startswith("250 samples of 600")
    assert "digit=9: 200 of 300 samples refused" in repr(found)


def test_a_judge_keeps_what_it_reads_as_asked(run: Run, judge: Judge) -> None:
    with unchecked():
        samples = run.sample("digit=*", 20)
        read = judge.predict(as_uint8(samples.x)).values["digit"]
        kept = Judged(judge, {}, "").obeyed(samples, run.requests("digit=1")[0])
    assert kept.tolist() == (read == samples.condition.values["digit"]).tolist()
    assert kept.any()


def test_a_shard_may_be_left_empty(run: Run, judge: Judge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Judged, "obeyed", lambda self, samples, request: samples.seeds < 0)
    found = bulk(run, tmp_path / "out", keep_if="obeyed", measure=True)
    assert (found.index.made, found.index.samples, rows(tmp_path / "out")) == (600, 0, [])


def test_the_report_is_about_all_samples(run: Run, judge: Judge, digits: Splits, tmp_path: Path) -> None:
    found = bulk(run, tmp_path / "out", measure=True)
    with unchecked():
        samples = run.sample(ASKED, 300)
        whole = obedience(judge, Dataset(as_uint8(samples.x), samples.condition), digits.test)
    assert found.report is not None
    assert found.report.obedience.joint == whole.joint
    assert found.report.obedience.joint_real == whole.joint_real
    assert [(each.request, each.n) for each in found.report.requests] == [(text, 300) for text in ASKED]
    assert "digit=9" in repr(found)
    assert json.loads((tmp_path / "out" / "report.json").read_text())["samples"] == 600


def test_interrupted_it_ends_with_the_same_report(run: Run, judge: Judge, tmp_path: Path) -> None:
    with pytest.raises(Stopped):
        bulk(run, tmp_path / "parts", Here(lambda shards: shards[::-1], most=1), measure=True)
    for name in ("parts", "whole"):
        bulk(run, tmp_path / name, measure=True)
    assert (tmp_path / "parts" / "report.json").read_bytes() == (tmp_path / "whole" / "report.json").read_bytes()


def test_another_judgement_is_refused(run: Run, judge: Judge, tmp_path: Path) -> None:
    bulk(run, tmp_path / "out")
    with pytest.raises(RequestError, match="differs in the reason to keep samples, the measurement"):
        bulk(run, tmp_path / "out", keep_if="obeyed", measure=True)


def test_there_are_known_reasons_to_keep_samples(run: Run, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"Unknown reason to keep samples 'obeys'. Did you mean obeyed"):
        bulk(run, tmp_path / "out", keep_if="obeys")
    assert not (tmp_path / "out").exists()


def test_options_of_judges_need_an_engine(run: Run, command: Command, tmp_path: Path) -> None:
    done = command("sample", run.path, "--measure", "--out", tmp_path / "out")
    assert (done.status, done.err.split(";")[0]) == (2, "Error: --measure is for generation in bulk")


@pytest.mark.slow
def test_trained_judges_keep_and_measure_in_a_command(run: Run, command: Command, tmp_path: Path) -> None:
    """The judge that refuses is another one than the judge that measures, so some of what is kept is still misread."""
    arguments = ("--engine", "processes", "--workers", 1, "--keep-if", "obeyed", "--measure")
    done = command("sample", run.path, "digit=*", "-n", 250, "--out", tmp_path / "out", *arguments)
    assert done.status == 0, done.err
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert 0.9 < report["obedience"]["joint"]["value"] <= 1
    assert report["samples"] == sum(each["n"] for each in report["requests"]) > 1_500
