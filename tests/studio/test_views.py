"""Every view of the studio, for everybody: on a phone and a desk, by day and by night, by keyboard and by ear."""

from collections.abc import Iterator

import pytest

from condgen.runs.run import Run
from tests.browser import Page, in_browser
from tests.studio.browser import studio

pytestmark = [in_browser, pytest.mark.slow]
VIEWS = {"ask": "a", "edit": "e", "explore": "x", "compare": "c", "train": "t", "report": "r"}  # with their keys
OFFERED = [("digits", view) for view in VIEWS] + [("points", view) for view in VIEWS if view != "compare"]
SCREENS = [(375, "dark"), (1280, "light")]


@pytest.fixture(scope="module")
def address(run: Run, flow: Run, points: Run) -> Iterator[str]:
    with studio({"digits": run, "flow": flow, "points": points}) as address:
        yield address


@pytest.mark.parametrize(("width", "scheme"), SCREENS)
@pytest.mark.parametrize(("model", "view"), OFFERED)
def test_everybody_can_use_every_view_on_any_screen(
    page: Page, address: str, model: str, view: str, width: int, scheme: str
) -> None:
    page.open(f"{address}#/{view}?model={model}", width, scheme)
    page.until("document.querySelector(`main.view-${arguments[0]} h1`)", view)
    page.settle()
    page.check_layout()
    page.check_access()


HIDDEN = """
const [nav, tab] = ["nav", "nav [aria-current]"].map((each) => document.querySelector(each).getBoundingClientRect());
return tab.left < nav.left || tab.right > nav.right;
"""


def test_the_current_tab_is_in_sight_on_a_phone(page: Page, address: str) -> None:
    page.open(f"{address}#/report?model=digits", 400)
    page.until("document.querySelector('main.view-report h1')")
    nav = "document.querySelector('nav')"
    assert page.run(f"return {nav}.scrollWidth > {nav}.clientWidth")
    assert not page.run(HIDDEN)


def test_every_view_is_reached_by_its_key_and_named_by_its_address(page: Page, address: str) -> None:
    page.open(f"{address}#/ask?model=digits")
    for view, key in VIEWS.items():
        page.until("document.querySelector('main.view h1')")
        link = page.run("return document.querySelector(`nav a[href='#/${arguments[0]}']`)?.textContent", view)
        assert link is not None, view
        page.run("document.body.dispatchEvent(new KeyboardEvent('keydown', {key: arguments[0], bubbles: true}))", key)
        page.until("location.hash.startsWith(`#/${arguments[0]}?`)", view)
        assert page.run("return document.querySelector('nav [aria-current]').textContent") == link
