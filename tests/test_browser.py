"""The tests' own browser: a page that does wrong is found out."""

from pathlib import Path
from typing import Any

import pytest

from tests.browser import Page, in_browser

FINE = """<!doctype html><html lang="en"><head><title>A page</title>
<meta name="viewport" content="width=device-width, initial-scale=1"></head><body><main><h1>A page</h1>
<label>Age <input type="range" max="80"></label> <output>0</output> <button type="button">Go on</button></main>
<script>
const [slider, shown] = document.querySelectorAll("input, output");
slider.addEventListener("input", () => { shown.value = slider.value; });
document.addEventListener("dragover", (e) => e.preventDefault());
document.addEventListener("drop", async (e) => { document.title = await e.dataTransfer.files[0].text(); });
</script></body></html>"""


@pytest.fixture
def opened(driver: Any, tmp_path: Path) -> Any:
    def opened(more: str = "", width: int = 375) -> Page:
        file, page = tmp_path / "page.html", Page(driver)
        file.write_text(FINE.replace("</body>", f"{more}</body>"), encoding="utf-8")
        page.open(file.as_uri(), width)
        return page

    return opened


@in_browser
def test_a_page_that_does_nothing_wrong_passes(opened: Any) -> None:
    page: Page = opened()
    page.check()
    page.check_layout()
    page.check_access()


@in_browser
@pytest.mark.parametrize(
    "wrong", ["<script>nothing.at.all</script>", "<script>console.error('no')</script>", "<img alt='' src='no.png'>"]
)
def test_an_error_on_the_console_is_found_unless_it_is_expected(opened: Any, wrong: str) -> None:
    page: Page = opened(wrong)
    page.until("document.readyState == 'complete'")
    with pytest.raises(AssertionError, match=r"page\.html|no\.png"):
        page.check()
    page.excuse(r"page\.html|no\.png")
    page.check()


@in_browser
def test_a_request_to_anybody_else_is_found(opened: Any) -> None:
    page: Page = opened("<img alt='' src='http://127.0.0.1:9/counter.png'>")
    page.until("document.readyState == 'complete'")
    page.excuse("counter")  # that it failed
    with pytest.raises(AssertionError, match=r"127\.0\.0\.1:9"):
        page.check()


@in_browser
def test_what_is_wider_than_a_phone_is_found(opened: Any) -> None:
    page: Page = opened("<style>p { width: 900px }</style><p id='wide'>wide</p>")
    with pytest.raises(AssertionError, match="wide"):
        page.check_layout()


@in_browser
def test_what_keeps_people_out_is_found(opened: Any) -> None:
    page: Page = opened("<input type='text'>")
    with pytest.raises(AssertionError, match="label"):
        page.check_access()


@in_browser
def test_controls_are_found_by_their_labels_and_files_dropped(opened: Any, tmp_path: Path) -> None:
    page: Page = opened()
    assert page.button("Go on").tag_name == "button"
    page.set(page.field("Age"), 33)
    assert page.until("document.querySelector('output').value == '33'")
    page.press("ArrowRight", within=page.field("Age"))
    assert page.until("document.querySelector('output').value == '34'")
    (tmp_path / "words.txt").write_text("dropped")
    page.drop("main", tmp_path / "words.txt", kind="text/plain")
    assert page.until("document.title == 'dropped'")
