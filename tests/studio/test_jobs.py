"""Jobs: processes of their own, one training and one measurement at a time, and records that outlive the studio."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from condgen.files import write_text
from condgen.studio import jobs as module
from condgen.studio.jobs import Job, Jobs, Kind, NoJobError, State
from tests.studio import program


def soon(what: Callable[[], object], seconds: float = 60) -> None:
    """Wait until something holds. Fails if it does not come about."""
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.01)


@pytest.fixture(autouse=True)
def _program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PROGRAM", (sys.executable, program.__file__))


@pytest.fixture
def ended() -> list[tuple[str, str]]:
    """Model and state of every job whose process has ended."""
    return []


@pytest.fixture
def jobs(tmp_path: Path, ended: list[tuple[str, str]]) -> Iterator[Jobs]:
    found = Jobs(tmp_path / "runs", lambda job: ended.append((job.model, job.state)))
    yield found
    found.close()


def begin(jobs: Jobs, *command: object, kind: Kind = "train", model: str = "digits") -> Job:
    return jobs.start(kind, model, jobs.runs / model, [*map(str, command)])


def waiting(jobs: Jobs, file: Path, order: str = "wait", kind: Kind = "train") -> Job:
    """A job that has begun, and waits."""
    job = begin(jobs, order, file, kind=kind)
    soon(file.exists)
    return job


def test_a_job_runs_its_command_and_keeps_what_it_said(jobs: Jobs, ended: list[tuple[str, str]]) -> None:
    task = {"task": "training", "done": 5, "total": 10, "unit": "images", "left": 3, "values": {"loss": 0.5}}
    lines = ("plain words", '{"note": "set `r1=1`"}', json.dumps(task), '{"alarm": "collapsed"}')
    job = begin(jobs, "say", *lines, "print", "{}")
    soon(lambda: job.over)
    assert (job.state, job.error, jobs.output(job)) == ("done", "", "{}\n")
    assert jobs.said(job) == {"notes": ["plain words", "set `r1 = 1`"], "alarm": "collapsed", "tasks": [task]}
    assert ended == [("digits", "running")]  # told before anybody sees that it is over
    assert jobs[job.id] is job
    assert [*jobs] == [job]


def test_a_task_that_has_ended_is_no_longer_told(jobs: Jobs) -> None:
    outer, inner = ({"task": name, "done": 0, "total": None} for name in ("measuring", "judge"))
    job = begin(jobs, "say", *map(json.dumps, (outer, inner, inner | {"ended": True})))
    soon(lambda: job.over)
    assert jobs.said(job)["tasks"] == [outer]


@pytest.mark.parametrize(
    ("command", "state", "error"),
    [
        (("say", "Error: The data is gone.", "end", 2), "failed", "The data is gone."),
        (("say", '{"error": "Set `r1=1`.\\nOr not."}', "end", 2), "failed", "Set `r1 = 1`.\nOr not."),
        (("say", "Traceback", "MemoryError", "end", 1), "failed", "The process ended with status 1: MemoryError."),
        (("say", "Error: Stopped by SIGTERM; everything is saved.", "end", 143), "stopped", ""),
    ],
)
def test_the_end_of_a_job(jobs: Jobs, command: tuple[object, ...], state: State, error: str) -> None:
    job = begin(jobs, *command)
    soon(lambda: job.over)
    assert (job.state, job.error) == (state, error)


def test_stopping_is_a_ctrl_c_so_that_the_command_saves(jobs: Jobs, tmp_path: Path) -> None:
    job = waiting(jobs, tmp_path / "begun")
    assert os.getsid(job.process[0]) == job.process[0] if job.process else False  # a Ctrl-C at the studio spares it
    jobs.stop(job)
    soon(lambda: job.over)
    assert job.state == "stopped"
    assert (tmp_path / "begun.saved").exists()


def test_a_command_that_does_not_hear_is_told_more_firmly(
    jobs: Jobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LOOK", 0.1)
    monkeypatch.setattr(module, "PATIENCE", 0.1)
    job = waiting(jobs, tmp_path / "begun", "deaf")
    jobs.stop(job)
    soon(lambda: job.over)
    assert job.state == "stopped"


def test_a_command_that_saves_for_long_is_not_disturbed(
    jobs: Jobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LOOK", 0.1)
    monkeypatch.setattr(module, "PATIENCE", 1.5)  # less than it takes, more than it is silent
    job = waiting(jobs, tmp_path / "begun", "slow")
    jobs.stop(job)
    soon(lambda: job.over)
    assert job.state == "stopped"
    assert (tmp_path / "begun.saved").exists()


def test_trainings_wait_for_one_another_and_measurements_do_not_wait_for_them(jobs: Jobs, tmp_path: Path) -> None:
    first = waiting(jobs, tmp_path / "first")
    second = begin(jobs, "wait", tmp_path / "second")
    third = begin(jobs, "wait", tmp_path / "third")
    measured = waiting(jobs, tmp_path / "measured", kind="evaluate")
    assert [job.state for job in (first, second, third, measured)] == ["running", "queued", "queued", "running"]
    jobs.stop(second)  # before its turn
    jobs.stop(first)
    soon((tmp_path / "third").exists)
    assert [job.state for job in (first, second, third)] == ["stopped", "stopped", "running"]
    assert not (tmp_path / "second").exists()


def test_the_end_of_the_studio_stops_all_jobs(jobs: Jobs, tmp_path: Path) -> None:
    running, queued = waiting(jobs, tmp_path / "running"), begin(jobs, "wait", tmp_path / "queued")
    jobs.close()
    assert (running.state, queued.state) == ("stopped", "stopped")
    assert (tmp_path / "running.saved").exists()


ORPHAN = """
import subprocess, sys
print(subprocess.Popen(sys.argv[1:], start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).pid)
"""


def left_behind(jobs: Jobs, file: Path) -> Job:
    """A running job of a studio that is gone."""
    job = Job("0" * 12, "train", "digits", str(jobs.runs / "digits"), ["wait", str(file)], time.time(), "running")
    arguments = [sys.executable, "-c", ORPHAN, *module.PROGRAM, *job.command]
    pid = int(subprocess.run(arguments, capture_output=True, check=True).stdout)
    job.process = (pid, psutil.Process(pid).create_time())
    write_text(jobs.folder(job) / "job.json", json.dumps(job.record()))
    soon(file.exists)
    return job


def test_the_next_studio_takes_up_the_jobs_of_one_that_was_killed(
    jobs: Jobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LOOK", 0.1)
    done = begin(jobs, "print", "{}")
    soon(lambda: done.over)
    running = left_behind(jobs, tmp_path / "running")
    queued = Job("1" * 12, "train", "digits", "", [], time.time())
    write_text(jobs.folder(queued) / "job.json", json.dumps(queued.record()))
    told: list[str] = []
    later = Jobs(jobs.runs, lambda job: told.append(job.id))
    assert {job.id: job.state for job in later} == {done.id: "done", running.id: "running", queued.id: "stopped"}
    later.stop(later[running.id])
    soon(lambda: later[running.id].over)
    assert later[running.id].state == "stopped"
    assert (tmp_path / "running.saved").exists()
    assert told == [running.id]
    later.close()


def test_a_job_whose_process_is_gone_is_over(jobs: Jobs, tmp_path: Path) -> None:
    job = waiting(jobs, tmp_path / "begun")
    record = jobs.folder(job) / "job.json"
    kept = json.loads(record.read_text())
    psutil.Process(kept["process"][0]).kill()
    soon(lambda: job.over)
    other = kept | {"process": [os.getpid(), 1.0]}  # the number of a process is used again
    for state in (kept, other):
        record.write_text(json.dumps(state) + "\n")
        assert Jobs(jobs.runs)[job.id].state == "stopped"


def test_old_records_go_and_runs_stay(jobs: Jobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KEPT", 1)
    for name in ("a", "b", "c"):
        (jobs.runs / name).mkdir(parents=True)
        job = begin(jobs, "print", "done", model=name)
        soon(lambda job=job: job.over)
    assert [job.model for job in jobs] == ["c", "b"]
    assert sorted(path.name for path in jobs.runs.iterdir()) == [".jobs", "a", "b", "c"]
    assert len([*(jobs.runs / ".jobs").iterdir()]) == 2


def test_jobs_that_begin_at_once_remove_each_old_record_once(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KEPT", 0)
    old = begin(jobs, "print", "done")
    soon(lambda: old.over)
    whole = Job.over.fget
    assert whole

    def slowly(job: Job) -> bool:
        time.sleep(0.1 if job is old else 0)
        return whole(job)

    monkeypatch.setattr(Job, "over", property(slowly))
    with ThreadPoolExecutor(4) as pool:
        begun = [*pool.map(lambda k: begin(jobs, "print", k), range(4))]
    soon(lambda: all(job.over for job in begun))
    assert old.id not in {job.id for job in jobs}


def test_a_job_that_is_not_there(jobs: Jobs) -> None:
    with pytest.raises(NoJobError, match="no such job"):
        jobs["../../etc"]
