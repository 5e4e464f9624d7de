"""Training from the page: inspections, jobs and their news, over HTTP."""

import json
import shutil
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.testclient import TestClient

from condgen.files import read_log
from condgen.runs.run import Run
from condgen.studio import jobs
from condgen.studio.app import create_studio
from tests.conftest import SMALL
from tests.serving.echo import Echo
from tests.serving.server import listening
from tests.studio import program
from tests.studio.conftest import Studio


@pytest.fixture
def plays(monkeypatch: pytest.MonkeyPatch) -> Any:
    """`plays(LINE, …)`: every command is a program that does what these words say."""

    def so(*words: object) -> None:
        monkeypatch.setattr(jobs, "PROGRAM", (sys.executable, program.__file__, *map(str, words), "end", "0"))

    so("print", "{}")
    return so


def ordered(client: TestClient, kind: str, **settings: Any) -> dict[str, Any]:
    answer = client.post("/studio/jobs", json={"kind": kind, "settings": settings})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def news(client: TestClient, job: dict[str, Any]) -> list[dict[str, Any]]:
    """All news of a job until it has ended."""
    answer = client.get(f"/studio/jobs/{job['id']}/events")
    assert answer.headers["content-type"].startswith("text/event-stream")
    return [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: ")]


def finished(run: Run, folder: Path) -> Path:
    """A copy of a run, as if it had been trained there."""
    shutil.copytree(run.path, folder)
    (folder / "samples").mkdir(exist_ok=True)
    (folder / "samples" / "0000000100.png").write_bytes(b"PNG")
    return folder


def detail(answer: Any) -> str:
    assert answer.headers["content-type"] == "application/problem+json"
    return str(answer.json()["detail"])


def test_data_is_inspected_as_by_the_command(studio: Studio, plays: Any) -> None:
    client = studio()
    plays("say", '{"note": "looking"}', "print", '{"shape": [1, 8, 8]}')
    assert client.post("/studio/inspect", json={"data": "digits"}).json() == {"shape": [1, 8, 8]}
    plays("say", "Note: hm", "Error: The data /no does not exist.", "end", 2)
    answer = client.post("/studio/inspect", json={"data": "/no"})
    assert (answer.status_code, detail(answer)) == (422, "The data /no does not exist.")
    plays("say", "Traceback", "MemoryError", "end", 1)
    assert detail(client.post("/studio/inspect", json={"data": "/no"})) == "MemoryError"
    assert client.post("/studio/inspect", json={"data": ""}).status_code == 422


def test_a_training_is_followed_and_then_served(studio: Studio, run: Run, tmp_path: Path, plays: Any) -> None:
    client = studio()
    made = finished(run, tmp_path / "made")
    task = json.dumps({"task": "training", "done": 1, "total": 2, "unit": "images", "left": None, "values": {}})
    plays("say", task, "copy", made, tmp_path / "runs" / "digits", "print", "Trained")
    job = ordered(client, "train", data="digits", budget="3s")
    assert (job["model"], job["run"], job["state"]) == (
        "digits",
        "digits",
        "queued" if job["state"] == "queued" else "running",
    )
    assert job["command"].endswith("runs/digits --budget 3s -- digits")
    told = news(client, job)
    assert told[-1]["type"] in ("job", "pictures", "log")
    last = [each for each in told if each["type"] == "job"][-1]
    assert (last["state"], last["images"], last["total"], last["shape"]) == ("done", 40_000, 40_000, [1, 8, 8])
    log = [entry for each in told if each["type"] == "log" for entry in each["entries"]]
    assert log == read_log(made / "log.jsonl")
    names = [name for each in told if each["type"] == "pictures" for name in each["names"]]
    assert names == sorted(path.stem for path in (made / "samples").iterdir())
    picture = client.get(f"/studio/jobs/{job['id']}/pictures/0000000100")
    assert (picture.content, picture.headers["content-type"]) == (b"PNG", "image/png")
    assert [model["name"] for model in client.get("/studio/models").json()["models"]] == ["digits"]
    assert client.post("/v1/digits/sample", json={"request": {"digit": 7}}).status_code == 200
    everything = client.get("/studio/jobs").json()
    assert [each["state"] for each in everything["jobs"]] == ["done"]
    assert [(each["run"], each["served"], each["model"]) for each in everything["runs"]] == [
        ("digits", "digits", "cvae")
    ]


def test_the_checkpoint_is_all_that_a_run_needs(studio: Studio, run: Run, tmp_path: Path, plays: Any) -> None:
    client = studio()
    made = finished(run, tmp_path / "made")
    (made / "config.json").unlink()
    saved(tmp_path / "runs" / "damaged")
    plays("copy", made, tmp_path / "runs" / "digits", "print", "Trained")
    news(client, ordered(client, "train", data="digits"))
    known = {each["run"]: each for each in client.get("/studio/jobs").json()["runs"]}
    digits = known["digits"]
    assert (digits["model"], digits["images"], digits["served"]) == ("cvae", 40_000, "digits")
    assert digits["data"] == json.loads((run.path / "config.json").read_text())["data"]["source"]
    assert {known["damaged"][name] for name in ("model", "images", "total", "data", "served")} == {None}


def test_a_training_that_is_stopped_and_resumed(studio: Studio, tmp_path: Path, plays: Any) -> None:
    client = studio()
    plays("wait", tmp_path / "begun")
    job = ordered(client, "train", data="digits", name="mine")
    for _ in range(1000):
        if (tmp_path / "begun").exists():
            break
        time.sleep(0.01)
    assert client.post(f"/studio/jobs/{job['id']}/stop").json()["stopping"]
    assert [each["state"] for each in news(client, job) if each["type"] == "job"][-1] == "stopped"
    saved(tmp_path / "runs" / "mine")
    plays("print", "Trained")
    again = ordered(client, "resume", run="mine", budget="+10s")
    assert again["command"].endswith("resume --budget +10s -- " + str(tmp_path / "runs" / "mine"))
    assert [each["state"] for each in news(client, again) if each["type"] == "job"][-1] == "done"


def saved(run: Path) -> None:
    """A run with a checkpoint, as far as its folder tells."""
    run.mkdir(parents=True)
    (run / "checkpoint.safetensors").touch()


def test_what_has_not_ended_is_not_begun_twice(studio: Studio, run: Run, tmp_path: Path, plays: Any) -> None:
    client = studio(digits=run.path)
    saved(tmp_path / "runs" / "mine")
    plays("wait", tmp_path / "begun")
    for kind, settings in (("evaluate", {"model": "digits"}), ("resume", {"run": "mine", "budget": "+10s"})):
        assert ordered(client, kind, **settings)["id"] == ordered(client, kind, **settings)["id"]
    assert ordered(client, "doctor", model="digits")["kind"] == "doctor"
    answer = client.post("/studio/jobs", json={"kind": "resume", "settings": {"run": "mine", "budget": "+1h"}})
    assert (answer.status_code, "is being worked on already" in detail(answer)) == (409, True)


@pytest.mark.parametrize(
    ("kind", "settings", "why"),
    [
        ("train", {"data": "digits", "budget": "abc"}, "'abc' is not a time"),
        ("train", {"data": "digits", "images": "some"}, "'some' is not a number"),
        ("train", {"data": "digits", "budget": "1m", "images": "1k"}, "not both"),
        ("resume", {"run": "mine", "budget": "10m"}, "'10m' does not say how much time to add"),
        ("resume", {"run": "mine", "budget": "+abc"}, "'abc' is not a time"),
        ("resume", {"run": "none"}, "There is no run 'none'"),
    ],
)
def test_wrong_orders_are_refused_before_anything_starts(
    studio: Studio, tmp_path: Path, plays: Any, kind: str, settings: dict[str, str], why: str
) -> None:
    client = studio()
    saved(tmp_path / "runs" / "mine")
    answer = client.post("/studio/jobs", json={"kind": kind, "settings": settings})
    assert (answer.status_code, why in detail(answer)) == (422, True), answer.text
    assert client.get("/studio/jobs").json()["jobs"] == []


def test_names_of_runs_are_free_and_lead_nowhere_else(studio: Studio, tmp_path: Path, plays: Any, echo: Echo) -> None:
    client = studio(digits=echo)
    (tmp_path / "runs" / "there").mkdir(parents=True)
    assert ordered(client, "train", data="digits")["model"] == "digits-2"  # the model `digits` is served
    for name, why in (
        ("there", "already a model or a folder"),
        ("digits", "already"),
        ("../out", "cannot be a model's name"),
    ):
        answer = client.post("/studio/jobs", json={"kind": "train", "settings": {"data": "digits", "name": name}})
        assert answer.status_code == 422
        assert why in detail(answer)
    answer = client.post("/studio/jobs", json={"kind": "resume", "settings": {"run": "../out"}})
    assert answer.status_code == 422


def test_a_measurement_has_a_result(studio: Studio, run: Run, plays: Any, echo: Echo) -> None:
    client = studio(digits=run.path, echo=echo)
    plays("print", '[{"name": "under-training"}]')
    job = ordered(client, "doctor", model="digits")
    news(client, job)
    assert client.get(f"/studio/jobs/{job['id']}").json()["result"] == [{"name": "under-training"}]
    answer = client.post("/studio/jobs", json={"kind": "doctor", "settings": {"model": "echo"}})
    assert "no folder of a run" in detail(answer)
    assert client.post("/studio/jobs", json={"kind": "doctor", "settings": {"model": "none"}}).status_code == 404


@pytest.mark.parametrize("path", ["none", "none/events", "none/pictures/0000000100", "none/pictures/..%2f..%2fx"])
def test_jobs_that_are_not_there(studio: Studio, path: str) -> None:
    assert studio().get(f"/studio/jobs/{path}").status_code == 404


def test_pictures_are_those_of_samples_alone(studio: Studio, run: Run, tmp_path: Path, plays: Any) -> None:
    client = studio()
    plays("copy", finished(run, tmp_path / "made"), tmp_path / "runs" / "digits", "print", "Trained")
    job = ordered(client, "train", data="digits")
    news(client, job)
    (tmp_path / "runs" / "digits" / "samples" / "other.png").write_bytes(b"PNG")
    for name in ("0000000101", "..%2fconfig", "%2e%2e%2fconfig", "config", "other"):
        assert client.get(f"/studio/jobs/{job['id']}/pictures/{name}").status_code == 404


def test_the_page_can_offer_all_data_models_and_settings(studio: Studio) -> None:
    client = studio()
    offered = client.get("/studio/choices").json()
    assert "digits" in [each["name"] for each in offered["built_in"]]
    assert "mnist" in [each["name"] for each in offered["published"]]
    assert {"cvae", "flow"} <= offered["models"].keys()
    assert {"vae", "gan", "infogan"} <= {*offered["without_labels"]}
    assert not {"cvae", "cgan", "projection"} & {*offered["without_labels"]}
    settings = client.get("/studio/choices/cvae").json()
    assert "latent" in [each["name"] for each in settings["settings"]]
    assert "previews" in [each["name"] for each in settings["training"]]
    answer = client.get("/studio/choices/cave")
    assert (answer.status_code, "cvae" in detail(answer)) == (422, True)


@pytest.mark.slow
def test_digits_are_trained_stopped_and_resumed_for_real(studio: Studio) -> None:
    client = studio()
    sizes = {name: value for name, value in SMALL.items() if name != "previews"}
    job = ordered(client, "train", data="digits", model="cvae", images="200k", settings=sizes | {"previews": 40})
    path = f"/studio/jobs/{job['id']}"
    while not any(task["values"] for task in client.get(path).json()["tasks"]):
        assert client.get(path).json()["state"] in ("queued", "running")
        time.sleep(0.05)
    client.post(f"{path}/stop")
    told = news(client, job)
    last = [each for each in told if each["type"] == "job"][-1]
    assert last["state"] == "stopped"
    assert 0 < last["images"] < 200_000
    assert client.post("/v1/digits/sample", json={"request": "a 7"}).status_code == 200
    told = news(client, ordered(client, "resume", run="digits"))
    last = [each for each in told if each["type"] == "job"][-1]
    assert (last["state"], last["error"]) == ("done", "")
    assert last["images"] == last["total"] >= 200_000
    assert len([name for each in told if each["type"] == "pictures" for name in each["names"]]) >= 30


def test_a_server_that_ends_does_not_wait_for_those_who_follow_a_job(tmp_path: Path, plays: Any) -> None:
    plays("wait", tmp_path / "begun")
    runs = tmp_path / "runs"
    with httpx.Client() as client, listening(create_studio({}, runs=runs, watch=None)) as address:
        order = {"kind": "train", "settings": {"data": "digits"}}
        job = client.post(f"{address}/studio/jobs", json=order).json()
        stream = client.stream("GET", f"{address}/studio/jobs/{job['id']}/events", timeout=None)
        lines = stream.__enter__().iter_lines()  # still open when the server ends
        assert json.loads(next(lines).removeprefix("data: "))["id"] == job["id"]
    [record] = read_log(runs / ".jobs" / job["id"] / "job.json")
    assert record["state"] == "stopped"
