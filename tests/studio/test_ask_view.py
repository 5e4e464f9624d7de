"""The view Ask in a browser: by controls and by words, locked and surprised, and recalled from a picture."""

import base64
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs
from zipfile import ZipFile

import pytest
from PIL import Image

from condgen.imprint import imprint_of
from condgen.runs.run import Run
from tests.browser import Page, in_browser
from tests.studio.browser import studio

pytestmark = in_browser
PICTURES = "[...document.querySelectorAll('.grid img')].map((image) => image.src)"
CONDITIONS = "[...document.querySelectorAll('.grid .face .hidden')].map((face) => face.textContent)"


@pytest.fixture(scope="module")
def address(run: Run, points: Run, flow: Run, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with studio({"digits": run, "points": points, "flow": flow}, runs=tmp_path_factory.mktemp("runs")) as found:
        yield found


def opened(page: Page, address: str, **more: Any) -> None:
    page.open(address, **more)
    page.until("document.querySelectorAll('.grid .face').length === 16")


def asked(page: Page) -> dict[str, Any]:
    """The request in the page's address. Names of values stand there bare unless they read like something else."""
    query = parse_qs(str(page.run("return location.hash")).partition("?")[2])
    terms = {name.removeprefix("is."): text for name, (text,) in query.items() if name.startswith("is.")}
    return {name: text if text.isalpha() else json.loads(text) for name, text in terms.items()}


def shows(page: Page, text: str) -> None:
    """Wait until all samples have a value."""
    page.until(f"{CONDITIONS}.length === 16 && {CONDITIONS}.every((each) => each.includes(arguments[0]))", text)


def content(page: Page, index: int) -> bytes:
    """The PNG of a sample."""
    return base64.b64decode(page.run(f"return {PICTURES}")[index].partition(",")[2])


def until(met: Callable[[], bool], seconds: float = 30) -> None:
    """Wait until something outside the browser has happened."""
    end = time.monotonic() + seconds
    while not met():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_it_is_asked_by_controls_and_undone(page: Page, address: str) -> None:
    opened(page, address)
    before = page.run(f"return {PICTURES}")
    page.button("7, ").click()
    shows(page, "Digit 7")
    assert asked(page) == {"digit": "7"}
    assert imprint_of(content(page, 3))["condition"] == {"digit": "7"}  # type: ignore[index]
    page.button("not").click()
    page.until(f"{CONDITIONS}.every((each) => !each.includes('Digit 7'))")
    assert asked(page) == {"digit": {"not": "7"}}
    for _ in range(2):
        page.button("Undo").click()
    page.until(f"JSON.stringify({PICTURES}) === JSON.stringify(arguments[0])", before)
    page.button("Redo").click()
    shows(page, "Digit 7")


def test_it_is_asked_by_words_and_says_what_it_understood(page: Page, address: str) -> None:
    opened(page, address)
    page.field("Ask in words").send_keys("a 3")
    shows(page, "Digit 3")
    assert "Digit 3" in page.all(".chips")[0].text.replace("\n", " ")
    page.until("document.querySelector('.frequency')?.textContent.includes('examples')")
    page.field("Ask in words").send_keys(" with wings")
    page.press("Enter")
    page.until("document.querySelector('.note.bad')?.textContent.includes('The rest was understood')")
    shows(page, "Digit 3")
    page.field("Ask in words").clear()
    page.field("Ask in words").send_keys("wings")
    page.press("Enter")
    page.until("document.querySelector('.note.bad')?.textContent.includes('Unknown')")
    page.button("4, ").click()  # the words no longer stand for the request, and their note goes
    page.until("document.querySelector('#words.stale') && !document.querySelector('.note')")
    page.button("Leave Digit free").click()
    page.until(f"new Set({CONDITIONS}.map((each) => each.split(': ')[1])).size > 3")


def test_a_surprise_varies_all_but_what_is_locked(page: Page, address: str) -> None:
    opened(page, f'{address}#/ask?model=points&is.side="west"&lock=["side"]')
    seeds = "(location.hash.match(/seeds=([^&]*)/) ?? [])[1]"
    sides, angles, seen = set(), set(), set()
    for _ in range(3):
        before = page.run(f"return {seeds}")
        page.button("Surprise me").click()
        page.until(f"{seeds} !== (arguments[0] ?? undefined)", before)  # what is asked may be the same by chance
        sides.add(asked(page)["side"])
        angles.add(asked(page)["angle"])
        seen.add(page.run(f"return {seeds}"))
    assert sides == {"west"}
    assert len(angles) > 1
    assert len(seen) == 3


def test_a_saved_picture_brings_its_request_and_seed_back(page: Page, address: str, tmp_path: Path) -> None:
    opened(page, f"{address}#/ask?model=digits&is.digit=5&seeds=40%2B16")
    shows(page, "Digit 5")
    saved = tmp_path / "saved.png"
    saved.write_bytes(content(page, 2))
    opened(page, f"{address}#/ask?model=points")
    page.run("location.hash = '#/ask?model=digits'")
    shows(page, "Digit")  # so the page listens
    page.drop(".drop", saved)
    shows(page, "Digit 5")
    page.until("document.querySelector('.inspector')?.textContent.includes('Seed 42')")
    assert content(page, 0) == saved.read_bytes()


def test_a_saved_picture_brings_the_interval_of_its_guidance_back(page: Page, address: str, tmp_path: Path) -> None:
    opened(page, f"{address}#/ask?model=flow&guidance=3&steps=2&seeds=1%2B16&is.digit=5&interval=[0.4,0.8]")
    shows(page, "Digit 5")
    saved = tmp_path / "saved.png"
    saved.write_bytes(content(page, 0))
    assert imprint_of(saved.read_bytes())["sampling"]["interval"] == [0.4, 0.8]  # type: ignore[index]
    opened(page, f"{address}#/ask?model=flow")
    page.drop(".drop", saved)
    page.until("location.hash.includes('interval=' + encodeURIComponent('[0.4,0.8]'))")
    shows(page, "Digit 5")
    assert content(page, 0) == saved.read_bytes()
    page.button("How they are made").click()
    assert page.field("Guidance from").get_attribute("value") == "0.4"
    page.set(page.field("Guidance to"), 0.3)  # stays above the other end
    page.until("location.hash.includes('interval=' + encodeURIComponent('[0.4,0.45]'))")
    page.field("Guide only part of the way").click()
    page.until("!location.hash.includes('interval')")


def test_a_link_to_a_model_that_is_not_open_says_so(page: Page, address: str) -> None:
    opened(page, f"{address}#/ask?model=gone&is.digit=5")
    page.until("document.querySelector('.toast.bad')?.textContent.includes('“gone” is not open here.')")
    assert asked(page) == {}


def test_a_link_shows_the_same_pictures(page: Page, address: str) -> None:
    opened(page, address)
    page.button("4, ").click()
    page.button("New seeds").click()
    shows(page, "Digit 4")
    page.until(f"{PICTURES}.length === 16 && !document.querySelector('.grid.busy')")
    pictures, link = page.run(f"return {PICTURES}"), page.run("return location.href")
    opened(page, link)
    assert page.run(f"return {PICTURES}") == pictures


def test_marked_samples_are_downloaded_as_a_data_set(page: Page, address: str, tmp_path: Path) -> None:
    opened(page, f"{address}#/ask?model=digits&is.digit=6")
    shows(page, "Digit 6")
    page.driver.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)})
    page.run("document.querySelector('.grid .face').focus()")
    page.press("m", "ArrowRight", "m", "ArrowRight", "m", "d")
    page.button("Download").click()
    page.button("Data set folder of the 3 marked").click()
    page.button("Download").click()
    page.button("Picture of the 3 marked").click()
    until(lambda: len([*tmp_path.glob("*.zip"), *tmp_path.glob("*.png")]) == 3)
    with ZipFile(tmp_path / "digits-3-images.zip") as archive:
        names = {Path(name).name for name in archive.namelist()}
    assert {"metadata.csv", "schema.json", "000000.png", "000002.png"} < names
    assert "000003.png" not in names
    assert imprint_of((tmp_path / "digits-2.png").read_bytes())["seed"] == 2  # type: ignore[index]
    with Image.open(tmp_path / "digits.png") as sheet:
        assert sheet.size == (3 * 64 + 2 * 4, 64)


def test_keys_do_everything(page: Page, address: str) -> None:
    opened(page, address)
    before = page.run(f"return {PICTURES}")
    page.run("document.querySelector('.grid .face').focus()")
    page.press("ArrowRight", "ArrowDown", "k", "Enter")
    page.until("document.querySelector('.inspector')?.textContent.includes('Seed 5')")
    page.until("document.querySelector('.tile.kept.chosen')")
    page.press("n")  # of the sample in focus, which is kept from the others' new seeds only
    page.until(f"{PICTURES}.filter((each, k) => each !== arguments[0][k]).length === 1", before)
    page.press("escape")
    page.until("!document.querySelector('.inspector')")
    page.run("document.activeElement.blur()")
    page.press("?")
    page.until("document.querySelector('dialog[open]')?.textContent.includes('Surprise me')")
    page.press("escape")
    page.until("document.activeElement === document.body")  # again; the dialog had it
    page.press("/", "8")
    shows(page, "Digit 8")


@pytest.mark.parametrize(
    ("model", "width", "scheme"),
    [("digits", 375, "dark"), ("digits", 1280, "light"), ("points", 375, "light"), ("points", 1280, "dark")],
)
def test_nobody_is_kept_out(page: Page, address: str, model: str, width: int, scheme: str) -> None:
    opened(page, f"{address}#/ask?model={model}", width=width, scheme=scheme)
    page.run("document.querySelector('.grid .face').click()")
    page.until("document.querySelector('.inspector')")
    page.check_layout()
    page.check_access()
