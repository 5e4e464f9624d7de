"""The studio in a notebook, and from Python."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import parse_qs, urlsplit
from urllib.request import Request, urlopen

import pytest

import condgen
from condgen.errors import RequestError
from condgen.runs.run import Run
from condgen.studio.app import create_studio
from condgen.studio.notebook import Page
from tests import browser
from tests.browser import in_browser
from tests.serving.server import listening


@pytest.fixture(autouse=True)
def _elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    yield
    Page("").stop()


def asked(page: Page, path: str, token: str | None = None) -> bytes:
    place, _, fragment = page.address.partition("#")
    given = parse_qs(fragment.split("&/")[0])["token"][0] if token is None else token
    with urlopen(Request(place + path, headers={"Authorization": f"Bearer {given}"})) as answer:
        content: bytes = answer.read()
        return content


def names(page: Page) -> list[str]:
    return [each["name"] for each in json.loads(asked(page, "studio/models"))["models"]]


def test_a_run_shows_itself_in_a_cell(run: Run) -> None:
    page = run.studio(height=500)
    assert names(page) == [run.path.name]
    assert page.address.endswith(f"&/ask?model={run.path.name}")
    html = page._repr_html_()
    assert f'<iframe src="{page.address.replace("&", "&amp;")}" title="The studio"' in html
    assert "height: 500px" in html
    assert page.address in repr(page)
    policy = urlopen(page.address.partition("#")[0]).headers["content-security-policy"]
    assert "frame-ancestors 'self' http://localhost:*" in policy


def test_only_the_page_knows_the_token(run: Run) -> None:
    with pytest.raises(HTTPError, match="401"):
        asked(run.studio(), "studio/models", token="guessed")


def test_all_calls_share_one_server(run: Run, flow: Run, tmp_path: Path) -> None:
    first, again = run.studio(), condgen.studio(str(flow.path), run)
    assert urlsplit(first.address).port == urlsplit(again.address).port
    assert names(first) == [run.path.name, flow.path.name]
    assert again.address.endswith(f"model={flow.path.name}")
    with pytest.raises(RequestError, match="Stop it first"):
        condgen.studio(run, runs=tmp_path / "others")


def test_it_stops_and_starts_again(run: Run) -> None:
    page = run.studio()
    page.stop()
    page.stop()
    with pytest.raises(OSError, match="refused"):
        urlopen(page.address.partition("#")[0])
    assert names(condgen.studio(run)) == [run.path.name]


def test_without_a_model_it_opens_on_the_runs_that_there_are(run: Run, tmp_path: Path) -> None:
    (tmp_path / "runs" / "mine").mkdir(parents=True)
    (tmp_path / "runs" / "mine" / "checkpoint.safetensors").symlink_to(run.path / "checkpoint.safetensors")
    assert names(condgen.studio()) == ["mine"]


def test_it_ends_with_the_process(tmp_path: Path) -> None:
    code = "import condgen, condgen.studio.notebook; print(condgen.studio().address)"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
    with pytest.raises(OSError, match="refused"):
        urlopen(done.stdout.partition("#")[0])


# ---- in a browser


@contextmanager
def notebook(html: str, folder: Path) -> Iterator[str]:
    """The address of a page with this content, on another port of this machine, as that of a notebook is."""
    (folder / "notebook.html").write_text(f"<!doctype html><title>A notebook</title>{html}", encoding="utf-8")
    handler = partial(Quiet, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/notebook.html"
        server.shutdown()


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *message: object) -> None:
        pass


@in_browser
@pytest.mark.slow
def test_the_cell_of_a_notebook_shows_samples(run: Run, page: browser.Page, tmp_path: Path) -> None:
    shown = run.studio()
    with notebook(shown._repr_html_(), tmp_path) as address:
        page.allow(shown.address)
        page.open(address)
        page.excuse("favicon")
        page.driver.switch_to.frame(0)
        page.until("[...document.images].filter((image) => image.naturalWidth).length >= 16")
        assert "token" not in page.run("return location.href")
        page.driver.switch_to.default_content()


@in_browser
@pytest.mark.slow
def test_other_pages_cannot_show_the_studio(run: Run, page: browser.Page, tmp_path: Path) -> None:
    with (
        listening(create_studio({"digits": run}, runs=tmp_path)) as address,
        notebook(f'<iframe src="{address}/"></iframe>', tmp_path) as other,
    ):
        page.allow(address)
        page.open(other)
        page.excuse("favicon|frame-ancestors")
        page.driver.switch_to.frame(0)
        page.until("location.href.startsWith('chrome-error')")
        page.driver.switch_to.default_content()
