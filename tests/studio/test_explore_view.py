"""The views Explore and Compare in a browser: grids, ways, the map of latents, FiLM, runs side by side."""

import base64
import io
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from PIL import Image

from condgen.runs.run import Run
from tests.browser import Page, driver, in_browser, page
from tests.studio.browser import studio

__all__ = ["driver", "page"]
pytestmark = [in_browser, pytest.mark.slow]
CELLS = "[...document.querySelectorAll('.variations .face img')].map((image) => image.src)"


@pytest.fixture(scope="module")
def address(run: Run, points: Run, flow: Run, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with studio({"digits": run, "points": points, "flow": flow}, runs=tmp_path_factory.mktemp("runs")) as found:
        yield found


def explored(page: Page, address: str, part: str, ready: str, model: str = "digits", **more: Any) -> None:
    page.open(f"{address}#/explore?model={model}&explore.part={part}", **more)
    page.until(ready)


def pixels(uri: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))), dtype=int)


def made(run: Run, asked: str, seed: int) -> np.ndarray:
    return np.asarray(run.sample(asked, n=1, seed=seed).to_pil()[0], dtype=int)


def test_a_grid_varies_two_things_and_a_click_asks_for_the_sample(page: Page, address: str, run: Run) -> None:
    explored(page, address, "grid", f"{CELLS}.length === 60")
    cells = page.run(f"return {CELLS}")
    assert np.abs(pixels(cells[7]) - made(run, "digit=7", 0)).max() <= 1
    assert np.abs(pixels(cells[20 + 3]) - made(run, "digit=3", 2)).max() <= 1
    page.set(page.field("Down"), "along.0")
    page.until(f"{CELLS}.length === 70")
    moved = page.run(f"return {CELLS}")
    assert np.abs(pixels(moved[30 + 4]) - made(run, "digit=4", 0)).max() <= 1  # the middle row is not moved
    assert len({moved[10 * row + 4] for row in range(7)}) == 7
    page.set(page.field("Down"), "seed")
    page.until(f"{CELLS}.length === 60")
    page.run("document.querySelector('.variations .face').focus()")
    page.press("ArrowRight", "ArrowRight", "ArrowDown", "ArrowRight", "ArrowDown", "Enter")
    page.until("location.hash.startsWith('#/ask') && document.querySelectorAll('.grid img').length === 16")
    page.until("location.hash.includes('is.digit') && location.hash.includes('seeds=2')")


def test_a_grid_that_takes_its_time_says_so(page: Page, address: str) -> None:
    page.open(f"{address}#/ask?model=digits")
    page.until("document.querySelectorAll('.grid .face').length === 16")
    page.run("window.fetch = () => new Promise(() => {})")
    page.button("Explore").click()
    page.until("document.querySelector('.waiting')?.innerText.startsWith('Making the samples')")


def test_everything_else_stays_as_it_is(page: Page, address: str) -> None:
    titles = "[...document.querySelectorAll('.variations .face')].map((face) => face.title)"
    explored(page, address, "grid&explore.x=is.side&explore.y=is.far", f"{titles}.length === 8", "points")
    conditions = [dict(line.rsplit(" ", 1) for line in title.split("\n")) for title in page.run(f"return {titles}")]
    varied = {name for name in conditions[0] if len({each[name] for each in conditions}) > 1}
    assert varied == {"Side", "Far"}


def test_guidance_is_varied_where_there_is_any(page: Page, address: str, flow: Run) -> None:
    explored(page, address, "grid", f"{CELLS}.length === 50", "flow")
    strong = np.asarray(flow.sample("digit=6", n=1, seed=0, guidance=8).to_pil()[0], dtype=int)
    assert np.abs(pixels(page.run(f"return {CELLS}")[40 + 6]) - strong).max() <= 1


def test_a_slider_leads_from_one_sample_to_another(page: Page, address: str) -> None:
    explored(page, address, "between", "document.querySelectorAll('.strip img').length === 7")
    large = "document.querySelector('.way .large img').src"
    sides = "[...document.querySelectorAll('.side .tile > img')].map((image) => image.src)"
    slider = page.field("Share of the way")
    seen = []
    for share in (0, 0.5, 1):
        page.set(slider, share)
        seen.append(page.run(f"return {large}"))
    assert [seen[0], seen[2]] == page.run(f"return {sides}")
    assert len({*seen}) == 3
    page.button("New seed").click()
    page.until(f"{sides}[0] !== arguments[0] && {sides}.at(-1) === arguments[1]", seen[0], seen[2])


def test_the_map_says_what_the_latents_hold(page: Page, address: str) -> None:
    explored(page, address, "latents", "document.querySelectorAll('.plane').length === 2")
    told, untold = (int(each.text.rstrip("\u202f%")) for each in page.all(".plane strong"))
    assert untold > told + 10
    points = page.run("return document.querySelectorAll('.plane circle').length")
    assert points == 2 * 269
    page.run(
        "const circle = document.querySelectorAll('.plane circle')[5], box = circle.getBoundingClientRect();"
        "circle.dispatchEvent(new PointerEvent('pointermove', {bubbles: true, clientX: box.x + box.width / 2,"
        "clientY: box.y + box.height / 2}));"
    )
    page.until(
        "document.querySelectorAll('.thumbnail').length === 2 && document.querySelectorAll('circle.on').length === 2"
    )


def test_film_shows_each_layer(page: Page, address: str, run: Run) -> None:
    explored(page, address, "film", "document.querySelectorAll('.layers tbody tr').length > 1")
    shown = page.run("return [...document.querySelectorAll('.layers img')].map((image) => image.src)")
    assert np.abs(pixels(shown[0]) - made(run, "digit=0", 0)).max() <= 1
    assert np.abs(pixels(shown[1]) - made(run, "digit=9", 0)).max() <= 1
    assert len({*shown[:4]}) == 4  # the first layer matters
    page.set(page.field("to"), "4")
    page.until("document.querySelectorAll('.layers img')[1].src !== arguments[0]", shown[1])
    assert page.run("return document.querySelectorAll('.layers polyline').length") == 2 * (len(shown) - 2) // 4


def test_runs_are_compared_and_differences_shown(page: Page, address: str, run: Run, flow: Run) -> None:
    page.open(f"{address}#/compare?model=digits&is.digit=3")
    page.until("document.querySelectorAll('.comparison section').length === 2")
    rows = page.run(
        "return [...document.querySelectorAll('.comparison section')].map((row) =>"
        "[...row.querySelectorAll('img')].map((image) => image.src))"
    )
    for row, each in zip(rows, (run, flow), strict=True):
        assert len(row) == 8
        assert np.abs(pixels(row[5]) - made(each, "digit=3", 5)).max() <= 1
    assert page.run("return document.querySelectorAll('canvas').length") == 0
    page.run("document.querySelectorAll('.comparison section')[1].querySelectorAll('.tile')[2].focus()")
    page.until("document.querySelectorAll('canvas').length === 1 && document.querySelector('canvas').width === 8")
    heat = "const c = document.querySelector('canvas');return [...c.getContext('2d').getImageData(0, 0, 8, 8).data]"
    opaque = np.asarray(page.run(heat)).reshape(8, 8, 4)[..., 3]
    apart = np.abs(pixels(rows[0][2]) - pixels(rows[1][2]))
    assert (opaque[apart == 0] == 0).all()
    assert opaque[np.unravel_index(apart.argmax(), apart.shape)] > 128
    page.field("Show differences").click()
    page.until("document.querySelectorAll('canvas').length === 8")
    page.field("flow").click()
    page.until("document.querySelectorAll('.comparison section').length === 1")


@pytest.mark.parametrize(("width", "scheme"), [(375, "dark"), (1280, "light")])
@pytest.mark.parametrize(
    ("view", "ready"),
    [
        ("explore?model=digits", ".variations img"),
        ("explore?model=points", ".variations .values"),
        ("explore?model=digits&explore.part=between", ".strip img"),
        ("explore?model=digits&explore.part=latents", ".plane circle"),
        ("explore?model=digits&explore.part=film", ".layers img"),
        ("compare?model=digits", ".comparison img"),
    ],
)
def test_nobody_is_kept_out(page: Page, address: str, view: str, ready: str, width: int, scheme: str) -> None:
    page.open(f"{address}#/{view}", width=width, scheme=scheme)
    page.until(f"document.querySelector('{ready}')")
    page.check_layout()
    page.check_access()
