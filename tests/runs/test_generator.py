"""Whatever answers requests with samples is asked in one way."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from condgen.errors import CondgenWarning, RequestError, RunError
from condgen.runs.addresses import open_generator
from condgen.runs.generator import Generator, save_answers
from condgen.runs.run import Run
from condgen.runs.samples import Samples
from condgen.runs.sampling import Part, SamplingOptions


def test_a_run_is_a_generator_and_opens_as_one(run: Run) -> None:
    assert isinstance(run, Generator)
    opened = open_generator(run.path)
    (samples,) = opened.stream(opened.requests("digit=7"), 4, seed=3)
    assert samples.x.equal(run.sample("digit=7", n=4, seed=3).x)
    assert opened.schema == run.schema


def test_a_folder_of_a_run_may_have_the_name_of_an_exported_model(run: Run, tmp_path: Path) -> None:
    place = shutil.copytree(run.path, tmp_path / "model.onnx")
    assert open_generator(place).fingerprint == run.fingerprint


def test_where_nothing_is_nothing_is_opened(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no checkpoint"):
        open_generator(tmp_path)
    assert not isinstance(object(), Generator)


ASKED = ("digit=4", "digit=9")


def answers(run: Run, folder: Path, n: int = 7, asked: tuple[str, ...] = ASKED) -> Path:
    return save_answers(run, run.requests(asked), n, 3, folder, batch=5)


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


class Killed(BaseException):
    """The end of a process, after which nothing is tidied up."""


def killed(run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch, after: int) -> Path:
    """What is left where a process ended in the batch after so many; its threads had written the ones before."""
    together, made = Run.together, []

    def ending(*arguments: Any) -> Samples:
        made.append(1)
        if len(made) > after:
            raise Killed
        return together(*arguments)

    with monkeypatch.context() as patched:
        patched.setattr(Run, "together", ending)
        patched.setattr("condgen.runs.writer.AHEAD", 0)
        with pytest.warns(CondgenWarning, match="The same request again continues"), pytest.raises(Killed):
            answers(run, folder)
    return folder.with_name(f"{folder.name}.partial")


def test_samples_of_a_killed_process_are_continued_and_end_alike(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = answers(run, tmp_path / "whole").parent
    left = killed(run, tmp_path / "out", monkeypatch, after=3)
    assert not (tmp_path / "out").exists()
    assert len(list(left.glob("0*.png"))) == 12
    asked: list[int] = []
    together = Run.together
    monkeypatch.setattr(Run, "together", lambda *a: (asked.extend(len(p.seeds) for p in a[1]), together(*a))[1])
    assert answers(run, tmp_path / "out") == tmp_path / "out" / "grid.png"
    assert asked == [2]
    assert contents(tmp_path / "out") == contents(whole)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["out", "whole"]


@pytest.mark.parametrize("damage", ["image", "table", "log"])
def test_what_is_not_whole_is_made_again(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    """Files that a power failure left empty, and lines that it cut short."""
    whole = answers(run, tmp_path / "whole").parent
    left = killed(run, tmp_path / "out", monkeypatch, after=3)
    if damage == "image":
        (left / "000006.png").write_bytes(b"")
    else:
        file = left / {"table": "metadata.csv", "log": ".batches.jsonl"}[damage]
        file.write_bytes(file.read_bytes()[:-9])
    answers(run, tmp_path / "out")
    assert contents(tmp_path / "out") == contents(whole)


def test_another_request_does_not_continue_it(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    left = killed(run, tmp_path / "out", monkeypatch, after=1)
    with pytest.raises(RequestError, match="beginning of something else"):
        answers(run, tmp_path / "out", asked=("digit=1",))
    assert len(list(left.glob("0*.png"))) == 5


def test_a_wrong_request_leaves_nothing(run: Run, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="at least 1"):
        answers(run, tmp_path / "out", n=0)
    assert list(tmp_path.iterdir()) == []


MIXED = ("digit=7", "digit!=3", "", "digit=1|2")


@pytest.mark.parametrize("how", [SamplingOptions(), SamplingOptions(guidance=2.0), SamplingOptions(free=True)])
def test_requests_answered_together_have_the_samples_that_each_has_alone(flow: Run, how: SamplingOptions) -> None:
    parts = [Part(flow.requests(text)[0], range(5 * k, 5 * k + k + 1)) for k, text in enumerate(MIXED)]
    samples = flow.together(parts, how)
    assert samples.seeds.tolist() == [seed for part in parts for seed in part.seeds]
    for k, part in enumerate(parts):
        (alone,) = flow.stream([part.request], len(part.seeds), part.seeds.start, sampling=how)
        mine = samples[samples.request == k]
        assert mine.condition.rows() == alone.condition.rows()
        assert (mine.x - alone.x).abs().max() < 1e-4
