"""The exported page in a browser: the run's own images, from a static host and from one file."""

import base64
import csv
import io
import json
import threading
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from condgen.imprint import imprint_of
from condgen.pixels import as_float
from condgen.runs.exporting import EXPORTERS
from condgen.runs.run import Run
from condgen.schema import Schema
from condgen.studio.web import folder, modules
from condgen.studio.web.single import single_page
from tests.browser import Page, driver, in_browser, page
from tests.conftest import Command

__all__ = ["driver", "page"]  # fixtures

Exported = Callable[[Run, str], Path]
SHOWN = "[...document.querySelectorAll('main img')].filter((e) => e.src.startsWith('data:image/png')).map((e) => e.src)"


@contextmanager
def static_host(folder: Path) -> Iterator[str]:
    """The address of a folder that a plain host gives out, not at its root."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            pass

    host = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder.parent))
    threading.Thread(target=host.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{host.server_port}/{folder.name}/"
    finally:
        host.shutdown()
        host.server_close()


@pytest.fixture
def single(exported: Exported, run: Run, tmp_path: Path) -> Path:
    """The page as one file, of the files in its folder."""
    made = exported(run, "digits")
    files = {path.relative_to(made).as_posix(): path.read_bytes() for path in made.glob("*/*.*")}
    held = {name: content for name, content in files.items() if name.startswith(("model/", "onnxruntime/"))}
    path = tmp_path / "digits.html"
    path.write_text(single_page(folder.START, folder.WORKER, held), encoding="utf-8")
    return path


def shown(page: Page, request: str) -> dict[int, tuple[np.ndarray, dict[str, Any]]]:
    """The images that answer a request by their seeds, and what they say of themselves, as soon as all are there."""
    of_request = f"{SHOWN}.filter((e) => atob(e.split(',')[1]).includes(arguments[0]))"
    page.until(f"{of_request}.length >= 16", f'"request":"{request}"')
    found = {}
    for address in page.run(f"return {SHOWN}"):
        content = base64.b64decode(address.partition(",")[2])
        imprint = imprint_of(content)
        if imprint and imprint.get("request") == request:
            found[imprint["seed"]] = np.asarray(Image.open(io.BytesIO(content))), imprint
    return found


def same_as_run(page: Page, run: Run, request: str) -> None:
    """The images on the page are the run's for the same seeds, to a level of 256, with the same attributes."""
    found = shown(page, request)
    samples = run.sample("" if request == "anything" else request, n=16, seed=0)
    assert sorted(found) == list(range(16))
    for seed, image, row in zip(samples.seeds.tolist(), samples.to_pil(), samples.condition.rows(), strict=True):
        pixels, imprint = found[seed]
        assert np.abs(pixels.astype(int) - np.asarray(image, dtype=int)).max() <= 1
        assert imprint["condition"] == row
        assert imprint["fingerprint"] == run.fingerprint


def ask(page: Page, words: str) -> None:
    field = page.until("document.querySelector('main input[type=search]')")
    page.set(field, words)
    page.press("Enter", within=field)


@in_browser
@pytest.mark.slow
def test_a_static_host_gives_the_run_s_images(page: Page, exported: Exported, run: Run) -> None:
    with static_host(exported(run, "digits")) as address:
        page.open(address)
        same_as_run(page, run, "anything")
        ask(page, "a 7")
        same_as_run(page, run, "digit=7")
        page.open("about:blank")
        page.check()


@in_browser
@pytest.mark.slow
def test_one_file_opens_by_itself(page: Page, single: Path, run: Run) -> None:
    page.open(single.as_uri())
    same_as_run(page, run, "anything")
    ask(page, "digit=3")
    same_as_run(page, run, "digit=3")
    assert [each for each in page.requests if not each.startswith(("blob:", "data:", "file:"))] == []


@in_browser
@pytest.mark.slow
def test_a_picture_is_edited_in_the_browser(page: Page, single: Path, run: Run, tmp_path: Path) -> None:
    """A picture of the model carries its attributes, and a strange one is asked about."""
    sample = run.sample("digit=7", n=1, seed=3)
    page.open(f"{single.as_uri()}#/edit")
    page.button("Take one that the model made").click()
    page.until("document.querySelector('.photograph img')?.naturalWidth == 8")
    sample.to_pil()[0].save(tmp_path / "seven.png")
    page.button("Remove").click()
    page.button("Choose photographs")
    page.drop("main", tmp_path / "seven.png")
    page.until("document.body.innerText.includes('This model cannot tell what the images show.')")
    page.run("document.querySelector('.shows').open = true")
    page.set(page.named(".shows select", "Digit"), 7)
    page.run("arguments[0].click()", page.named(".choice", "3"))
    address = page.until(
        "document.querySelector('.before-after input') && document.querySelector('.before-after img').src"
    )
    edited = np.asarray(Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2]))), dtype=int)
    x = as_float(torch.tensor(np.asarray(sample.to_pil()[0]))[None, None])
    wanted = run.edit(x, run.stated(run.requests("digit=7")[0], 1), "digit=3").to_pil()[0]
    assert np.abs(edited - np.asarray(wanted, dtype=int)).max() <= 1


ZIPPED = """
const [request, done] = arguments;
(async () => {
  const { connect } = await import(new URL("runtime/browser.js", document.baseURI));
  const header = async () => (await fetch("model/header.json")).json();
  const backend = connect(new Worker("runtime/worker.js", { type: "module" }), header);
  const [{ name }] = (await backend.models()).models;
  const { samples } = await backend.sample(name, { request, n: 3 });
  const bytes = new Uint8Array(await (await backend.dataset(name, samples)).arrayBuffer());
  const stopped = new AbortController();
  const late = backend.sample(name, { request, n: 256 }, stopped.signal).catch((error) => error.name);
  stopped.abort();
  done([btoa(String.fromCharCode(...bytes)), await late]);
})().catch((error) => done(String(error)));
"""


@in_browser
@pytest.mark.slow
def test_samples_are_saved_as_data_and_old_questions_are_dropped(
    page: Page, exported: Exported, run: Run, tmp_path: Path
) -> None:
    with static_host(exported(run, "digits")) as address:
        page.open(address, width=375)
        shown(page, "anything")
        page.check_layout()
        archive, late = page.driver.execute_async_script(ZIPPED, "digit=4|6")
        page.open("about:blank")
        page.check()
    assert late == "AbortError"
    with zipfile.ZipFile(io.BytesIO(base64.b64decode(archive))) as files:
        files.extractall(tmp_path / "data")
    samples = run.sample("digit=4|6", n=3, seed=0)
    read = list(csv.DictReader((tmp_path / "data" / "metadata.csv").read_text(encoding="utf-8").splitlines()))
    assert [row["digit"] for row in read] == [row["digit"] for row in samples.condition.rows()]
    assert [int(row["seed"]) for row in read] == [0, 1, 2]
    for row, image in zip(read, samples.to_pil(), strict=True):
        pixels = np.asarray(Image.open(tmp_path / "data" / row["file_name"]), dtype=int)
        assert np.abs(pixels - np.asarray(image, dtype=int)).max() <= 1
    assert Schema.load(tmp_path / "data" / "schema.json") == run.schema


def test_the_folder_holds_what_the_page_asks_for(exported: Exported, run: Run) -> None:
    path = exported(run, "digits")
    html = (path / "index.html").read_text(encoding="utf-8")
    for name in [*modules.needed(folder.START, folder.WORKER), *folder._NAMED.findall(html)]:
        assert (path / name).is_file(), name
    assert "frame-ancestors" not in html  # which browsers refuse there
    assert "script-src 'self' 'sha256-" in html
    assert not (path / "server.js").exists()
    for name in ("onnxruntime/LICENSE", "vendor/preact.LICENSE"):
        assert (path / name).read_text(encoding="utf-8").strip()


@pytest.mark.slow
def test_no_training_image_is_in_the_folder_unless_asked_for(
    exported: Exported, run: Run, runtime: Path, tmp_path: Path
) -> None:
    def pictures(path: Path) -> list[str]:
        (digit,) = json.loads((path / "model" / "about.json").read_text(encoding="utf-8"))["attributes"]
        return [each["picture"] for each in digit["values"]]

    own = [pixels(uri) for uri in pictures(exported(run, "digits"))]
    made = [np.asarray(run.sample(f"digit={k}", n=1, seed=0).to_pil()[0], dtype=int) for k in range(10)]
    assert max(np.abs(a - b).max() for a, b in zip(own, made, strict=True)) <= 1
    given = run.export("web", tmp_path / "with", runtime=runtime, with_examples=True)
    data = (run.data().train.x[:, 0].float().numpy()).astype(int)
    assert all((data == pixels(uri)).all((1, 2)).any() for uri in pictures(given))
    assert not any((data == image).all((1, 2)).any() for image in own)


def pixels(uri: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))), dtype=int)


def test_the_command_writes_a_folder_or_one_file(
    command: Command, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: dict[str, Any] = {}

    def write(_: Run, path: Path, *, single: bool = False, runtime: Path | None = None) -> None:
        given.update(single=single, runtime=runtime)
        path.write_text("page") if single else path.mkdir()

    monkeypatch.setitem(EXPORTERS._own, "web", replace(folder.WEB, write=write))
    arguments = ("export", run.path, "--to", "web", "--out")
    assert "page.html" in command(*arguments, tmp_path / "page", "--single").err
    assert "a folder" in command(*arguments, tmp_path / "page.html").err
    done = command(*arguments, tmp_path / "page.html", "--single", "--runtime", tmp_path)
    assert (done.status, given) == (0, {"single": True, "runtime": tmp_path}), done.err
    assert f"open {tmp_path / 'page.html'}" in done.out.replace("\n", " ")
    assert "http.server" in command(*arguments, tmp_path / "page").out
    other = command("export", run.path, "--to", "weights", "--single", "--out", tmp_path / "w.safetensors")
    assert other.status == 2
    assert "single" in other.err
