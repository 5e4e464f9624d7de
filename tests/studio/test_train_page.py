"""Train and Report in a browser."""

import json
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from condgen.evaluation.measure import fingerprint
from condgen.runs.run import Run
from condgen.studio import jobs
from tests.browser import Page, in_browser
from tests.pages.test_report import digits_report
from tests.studio import program
from tests.studio.browser import studio

FOUND: dict[str, Any] = {
    "source": "people",
    "shape": [3, 32, 32],
    "examples": {"train": 900, "validation": 50, "test": 50},
    "attributes": [
        {"name": "hair", "kind": "categorical", "missing": 0, "counts": {"grey": 800, "brown": 100}},
        {"name": "age", "kind": "continuous", "missing": 7, "quartiles": [1, 20, 40, 60, 90], "histogram": [1, 4, 2]},
    ],
    "columns": [{"name": "file", "used": False, "role": "left out", "why": "all different"}],
    "combinations": {"possible": 2, "present": 2},
    "problems": ["Something <b>is</b> wrong with `size=32`."],
    "advice": ["Train first: …"],
    "notes": ["A note."],
    "recommendation": {
        "model": "projection",
        "arguments": {"mechanism": "film", "lr": 0.002},
        "shape": [3, 32, 32],
        "size": None,
        "images": 90_000,
        "reason": "Adversaries do best.",
        "seconds": 90.0,
    },
}


@contextmanager
def opened(page: Page, view: str, models: dict[str, Path], runs: Path) -> Iterator[None]:
    """A view of a studio, which the page leaves before the studio ends."""
    with studio(models, runs=runs, watch=None) as address:
        page.open(f"{address}#/{view}")
        yield
        page.driver.get("about:blank")


def is_for_everybody(page: Page) -> None:
    """Nothing overflows on a phone, and axe finds nothing serious, in either colour scheme."""
    for scheme in ("light", "dark"):
        page.prefer(scheme)
        for width in (1280, 375):
            page.resize(width)
            page.check_layout()
        page.check_access()


@in_browser
@pytest.mark.slow
def test_data_is_chosen_and_understood_and_the_recommendation_changed(
    page: Page, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    says = ("print", json.dumps(FOUND), "end", "0")
    monkeypatch.setattr(jobs, "PROGRAM", (sys.executable, program.__file__, *says))
    with opened(page, "train", {}, tmp_path / "runs"):
        page.named(".cards button", "cars")
        page.set(page.field("A folder of images"), "/home/me/people")
        page.button("Look at it").click()
        page.until("document.querySelector('.recipe')")
        assert "Something <b>is</b> wrong" in page.text
        assert page.run("return document.querySelector('.notice code').textContent") == "size=32"
        assert "90 000 pictures to see, about 1 min 30 s here" in page.text.replace("\u202f", " ")
        page.named("label", "age").click()  # is not to be learned
        page.set(page.named("select", "Kind of model"), "cvae")
        page.button("All settings").click()
        page.set(page.field("latent"), "7")
        page.named("label", "20 minutes").click()
        is_for_everybody(page)
        sent = "window.sent ??= []; const ask = fetch; window.fetch = (...all) => (sent.push(all), ask(...all))"
        page.run(sent)
        page.run("document.querySelector('.recipe button.main').click()")
        order = json.loads(page.until("sent.find(([path]) => path.endsWith('jobs'))?.[1].body"))
        assert order["settings"] == {
            "data": "/home/me/people",
            "model": "cvae",
            "budget": "20m",
            "attributes": ["hair"],
            "settings": {"previews": 20, "latent": "7"},
        }
        page.until("document.querySelector('.watch')")


@in_browser
@pytest.mark.slow
def test_data_without_labels_is_offered_only_to_models_that_learn_from_it(
    page: Page, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = {**FOUND, "attributes": [], "recommendation": {**FOUND["recommendation"], "model": "gan"}}
    monkeypatch.setattr(jobs, "PROGRAM", (sys.executable, program.__file__, "print", json.dumps(found), "end", "0"))
    with opened(page, "train", {}, tmp_path / "runs"):
        page.set(page.field("A folder of images"), "/home/me/people")
        page.button("Look at it").click()
        kinds = page.until(
            "document.querySelector('.recipe select')?.innerText.includes('infogan') && "
            "document.querySelector('.recipe select').innerText"
        )
        assert "vae" in kinds.split()
        assert not {"cvae", "projection", "flow"} & {*kinds.split()}
        is_for_everybody(page)


@in_browser
@pytest.mark.slow
def test_data_that_cannot_be_read_is_explained(page: Page, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    says = ("say", "Error: The data /no does not exist.", "end", "2")
    monkeypatch.setattr(jobs, "PROGRAM", (sys.executable, program.__file__, *says))
    page.excuse("422")
    with opened(page, "train", {}, tmp_path / "runs"):
        page.set(page.field("A folder of images"), "/no")
        page.button("Look at it").click()
        page.until("document.querySelector('[role=alert]')?.innerText == 'The data /no does not exist.'")
        assert page.field("A folder of images").get_attribute("aria-invalid") == "true"


@in_browser
@pytest.mark.slow
def test_a_report_is_shown_with_what_to_try(page: Page, run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "digits"
    shutil.copytree(run.path, folder)
    replace(digits_report(), run={**digits_report().run, "weights": fingerprint(run)}).save(folder)
    (folder / "report.html").write_text("<!doctype html><html lang=en><title>R</title><p>The whole of it.</p></html>")
    with opened(page, "report?model=digits", {"digits": folder}, tmp_path / "runs"):
        page.until("document.querySelector('.findings .grave')")
        for text in ("95.0 % of samples show digit as asked", "Mode collapse", "train longer", "Measure again"):
            assert text in page.text.replace("\u202f", " ")
        page.button("The whole report").click()
        whole = "document.querySelector('iframe')?.contentDocument?.body?.innerText.includes('The whole of it.')"
        page.until(whole)
        is_for_everybody(page)


@in_browser
@pytest.mark.slow
def test_a_measurement_is_asked_for_once(page: Page, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "PROGRAM", (sys.executable, program.__file__, "wait", str(tmp_path / "begun")))
    folder = tmp_path / "digits"
    shutil.copytree(run.path, folder)
    with opened(page, "report?model=digits", {"digits": folder}, tmp_path / "runs"):
        button = page.button("Measure it")
        page.run("window.sent = []; const ask = fetch; window.fetch = (...all) => (sent.push(all[1]), ask(...all))")
        page.run("arguments[0].click(); arguments[0].click()", button)
        page.until("document.querySelector('.measuring .status')")
        assert page.run("return sent.filter((each) => each?.method === 'POST').length") == 1


@in_browser
@pytest.mark.slow
def test_a_training_that_failed_stays_on_the_page(page: Page, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    says = ("say", "Error: No room is left.", "end", "1")
    monkeypatch.setattr(jobs, "PROGRAM", (sys.executable, program.__file__, *says))
    with studio({}, runs=tmp_path / "runs", watch=None) as address:
        order = {"kind": "train", "settings": {"data": "digits", "name": "mine"}}
        job = httpx.post(f"{address}studio/jobs", json=order).json()["id"]
        while httpx.get(f"{address}studio/jobs/{job}").json()["state"] != "failed":
            time.sleep(0.05)
        page.open(f"{address}#/train")
        page.until("document.querySelector('.trained')?.innerText.includes('mine failed: No room is left.')")
        page.button("Watch").click()
        page.until("document.querySelector('.watch [role=alert]')?.innerText === 'No room is left.'")
        page.driver.get("about:blank")


@in_browser
@pytest.mark.slow
def test_digits_are_trained_stopped_resumed_and_asked(page: Page, tmp_path: Path) -> None:
    with opened(page, "train", {}, tmp_path / "runs"):
        page.named(".cards button", "digits").click()
        page.until("document.querySelector('.recipe')", seconds=180)
        page.set(page.named("select", "Kind of model"), "cvae")
        page.set(page.field("Another time"), "60s")
        page.run("document.querySelector('.recipe button.main').click()")
        for shown in (
            "document.querySelector('.curves polyline')",
            "document.querySelector('.evolution img')?.naturalWidth",
        ):
            page.until(shown, seconds=180)
        first = stopped(page)
        is_for_everybody(page)
        page.button("Resume").click()
        page.until("document.querySelector('.watch progress.running')?.position > 0", seconds=180)
        assert stopped(page) > first
        page.button("Ask it").click()
        page.until("[...document.images].filter((each) => each.src.startsWith('data:')).length >= 16", seconds=60)
        assert "model=digits" in page.run("return location.hash")


def stopped(page: Page) -> int:
    """Stop a training; the number of images that it has seen."""
    page.button("Stop and save").click()
    status = "document.querySelector('.watch .status').innerText"
    page.until(f"{status}.startsWith('Stopped after')", seconds=180)
    return int(page.run(f"return {status}.replaceAll(/\\D/g, '')"))
