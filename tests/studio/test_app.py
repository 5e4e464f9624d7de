"""The studio as an application: its page's files, its guards, and models that come while it runs."""

import re
from pathlib import Path

import pytest

from condgen.progress import SILENT
from condgen.runs.run import Run
from condgen.studio import page
from condgen.studio.opening import add_found, named_below
from tests.serving.echo import Echo
from tests.studio.conftest import Studio


def test_the_page_comes_with_its_policy_and_is_asked_for_again_only_when_it_changed(studio: Studio) -> None:
    client = studio()
    answer = client.get("/")
    assert answer.text == page.index()
    assert answer.headers["content-security-policy"] == page.policy(page.index())
    again = client.get("/", headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert client.get("/", headers={"If-None-Match": '"other"'}).status_code == 200


@pytest.mark.parametrize("name", page.files())
def test_every_file_of_the_page_is_served(studio: Studio, name: str) -> None:
    answer = studio().get(f"/{name}")
    assert answer.content == page.files()[name].read_bytes()
    assert answer.headers["content-type"] == page.TYPES[page.files()[name].suffix]
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_large_files_are_packed(studio: Studio) -> None:
    answer = studio().get("/studio.css", headers={"Accept-Encoding": "gzip"})
    assert answer.headers["content-encoding"] == "gzip"


@pytest.mark.parametrize("path", ["/../app.py", "/%2e%2e/app.py", "/nosuch", "/views"])
def test_nothing_but_the_page_s_files_is_served(studio: Studio, path: str) -> None:
    answer = studio().get(path)
    assert answer.status_code == 404
    assert answer.json()["detail"].startswith("There is nothing at")


def test_the_api_is_there_too(studio: Studio, echo: Echo) -> None:
    client = studio(echo=echo)
    assert client.post("/v1/echo/sample", json={"request": "digit=3", "n": 2}).json()["samples"][1]["seed"] == 1
    assert [each["name"] for each in client.get("/studio/models").json()["models"]] == ["echo"]


def test_other_pages_may_show_it_only_if_they_are_named(studio: Studio) -> None:
    named = studio(frames=("http://localhost:*",)).get("/").headers["content-security-policy"]
    assert re.findall(r"frame-ancestors ([^;]*)", named) == ["'self' http://localhost:*"]
    assert "frame-ancestors 'self'" in studio().get("/").headers["content-security-policy"]


def test_every_address_is_in_the_documentation(studio: Studio) -> None:
    text = (Path(__file__).parents[2] / "docs" / "reference" / "studio.md").read_text(encoding="utf-8")
    paths = studio().get("/openapi.json").json()["paths"]
    told = {each.partition(" ")[::2] for each in re.findall(r"`((?:GET|POST) studio/[^`]*)`", text)}
    there = {
        (method.upper(), re.sub(r"{(\w+)}", lambda name: name[1].upper(), path.removeprefix("/")))
        for path, operations in paths.items()
        for method in operations
        if path.startswith("/studio/")
    }
    assert told == there


# ---- guards


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8000", "127.0.0.1.evil.example", "", "192.168.0.7"])
def test_names_that_others_gave_to_this_machine_are_refused(studio: Studio, host: str) -> None:
    answer = studio().get("/studio/models", headers={"Host": host})
    assert answer.status_code == 403
    assert "localhost" in answer.json()["detail"]


@pytest.mark.parametrize("host", ["localhost", "localhost:8000", "127.0.0.1:1", "[::1]:8000"])
def test_the_machine_s_own_names_are_not(studio: Studio, host: str) -> None:
    assert studio().get("/studio/models", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "http://127.0.0.1:9000"},  # another server of this machine
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_other_pages_can_change_nothing(studio: Studio, echo: Echo, headers: dict[str, str]) -> None:
    client = studio(echo=echo)
    assert client.post("/v1/echo/sample", json={}, headers=headers).status_code == 403
    assert echo.batches == []


@pytest.mark.parametrize(
    "headers", [{}, {"Origin": "http://127.0.0.1:8000", "Sec-Fetch-Site": "same-origin"}, {"Sec-Fetch-Site": "none"}]
)
def test_its_own_page_and_programs_can(studio: Studio, echo: Echo, headers: dict[str, str]) -> None:
    assert studio(echo=echo).post("/v1/echo/sample", json={}, headers=headers).status_code == 200


def test_a_token_guards_all_but_the_page(studio: Studio, echo: Echo) -> None:
    client = studio(token="secret", echo=echo)
    assert client.get("/").status_code == client.get("/studio.css").status_code == 200
    assert client.get("/studio/models").status_code == client.post("/v1/echo/sample", json={}).status_code == 401
    assert "the address that it told" in client.get("/studio/models").json()["detail"]
    known = {"Authorization": "Bearer secret"}
    assert client.get("/studio/models", headers=known).status_code == 200


# ---- models that come while it runs


def test_a_model_can_be_added(studio: Studio, run: Run) -> None:
    client = studio()
    assert client.get("/studio/models").json()["models"] == []
    serving = client.app.state.serving  # type: ignore[attr-defined]
    assert client.get("/openapi.json").status_code == 200  # before: it is made anew when models come
    assert serving.add("digits", run.path).name == "digits"
    assert serving.add("again", run.path).name == "digits"  # the same run
    assert serving.add("digits", run).name == "digits-2"  # another model of that name
    answer = client.post("/v1/digits-2/sample", json={"request": "a 7"})
    assert answer.json()["samples"][0]["condition"] == {"digit": "7"}
    named = client.get("/openapi.json").json()["paths"]["/v1/{model}/sample"]["post"]["parameters"][0]["schema"]
    assert named["enum"] == ["digits", "digits-2"]


def test_the_latest_runs_in_a_folder_are_found(studio: Studio, run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    for name in ("a run", "deep/er"):
        (folder / name).mkdir(parents=True)
        (folder / name / "checkpoint.safetensors").write_bytes((run.path / "checkpoint.safetensors").read_bytes())
    (folder / "broken").mkdir()
    (folder / "broken" / "checkpoint.safetensors").write_bytes(b"nothing")
    serving = studio().app.state.serving  # type: ignore[attr-defined]
    add_found(serving, folder, SILENT)
    assert set(serving.models) == {"a_run", "deep-er"}
    add_found(serving, tmp_path / "nosuch")
    assert len(serving.models) == 2


@pytest.mark.parametrize(("run", "name"), [("digits", "digits"), ("a/b c", "a-b_c"), (".hidden", "hidden"), ("é", "_")])
def test_runs_have_names_that_fit_into_addresses(run: str, name: str) -> None:
    assert named_below(Path("runs"), Path("runs") / run) == (name if name != "_" else "run")
