"""The view Edit in a browser: photographs are dropped, read, changed, compared and saved."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from condgen.data import Splits
from condgen.errors import RequestError
from condgen.runs.run import Run
from tests.browser import Page, in_browser
from tests.studio.browser import studio
from tests.studio.test_edit import seven

pytestmark = [in_browser, pytest.mark.slow]
SLIDER = "Share of the picture that is shown as it was before"


@pytest.fixture(scope="module")
def address(run: Run, points: Run, unconditional: Run) -> Iterator[str]:
    with studio({"digits": run, "points": points, "blind": unconditional}) as address:
        yield f"{address}#/edit?model="


@pytest.fixture
def photo(digits: Splits, tmp_path: Path) -> Path:
    seven(digits).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


def with_photo(page: Page, address: str, photo: Path, width: int = 1280, scheme: str = "light") -> None:
    page.open(f"{address}digits", width, scheme)
    page.button("Choose photographs")
    page.drop("main", photo)
    page.until("document.querySelector('.photograph img')?.naturalWidth == 8")


def ask_for(page: Page, digit: int) -> None:
    page.run("arguments[0].click()", page.named(".choice", str(digit)))
    page.until("document.querySelector('.before-after input') && document.querySelector('.outcome')")


def test_a_dropped_photograph_is_read_and_changed_and_compared_by_keyboard(
    page: Page, address: str, photo: Path
) -> None:
    with_photo(page, address, photo)
    assert "In the picture: Digit 7" in page.text
    ask_for(page, 3)
    pictures = page.run("return [...document.querySelectorAll('.before-after img')].map((image) => image.src)")
    assert len(set(pictures)) == 2
    assert "Digit 3" in page.run("return document.querySelector('.outcome').innerText")
    slider = page.field(SLIDER)
    page.press("ArrowLeft", "ArrowLeft", within=slider)
    assert slider.get_attribute("aria-valuetext") == "48 % before"
    assert page.until("getComputedStyle(document.querySelector('.before')).clipPath.includes('52%')")


def test_changes_are_undone_and_edits_are_gone_on_from(page: Page, address: str, photo: Path) -> None:
    with_photo(page, address, photo)
    ask_for(page, 3)
    edited = page.run("return document.querySelector('.before-after img').src")
    page.button("Go on from here").click()
    page.until("!document.querySelector('.before-after input')")
    assert page.run("return document.querySelector('.before-after img').src") == edited
    assert "In the picture: Digit 3" in page.text
    ask_for(page, 1)
    assert "edit.change" in page.run("return location.hash")
    page.run("document.body.dispatchEvent(new KeyboardEvent('keydown', {key: 'z', ctrlKey: true, bubbles: true}))")
    page.until("!document.querySelector('.before-after input')")
    assert "edit.change" not in page.run("return location.hash")
    page.run("document.body.dispatchEvent(new KeyboardEvent('keydown', {key: 'z', ctrlKey: true, bubbles: true}))")
    page.until("document.querySelector('.before-after input')")
    page.until("document.body.innerText.includes('In the picture: Digit 7')")


def test_one_goes_on_from_one_photograph_alone(page: Page, address: str, photo: Path) -> None:
    thumbs = "[...document.querySelectorAll('.thumb')]"
    with_photo(page, address, photo)
    page.drop("main", photo)
    page.until(f"{thumbs}.length == 2")
    page.run(f"{thumbs}[1].click()")
    first = page.run(f"return {thumbs}[0].querySelector('img').src")
    ask_for(page, 3)
    page.until(f"{thumbs}[0].querySelector('img').src != arguments[0]", first)
    page.button("Go on from here").click()
    page.until(f"{thumbs}[0].querySelector('img').src == arguments[0]", first)
    assert page.run(f"return {thumbs}.map((each) => each.getAttribute('aria-pressed'))") == ["false", "true"]
    assert "In the picture: Digit 3" in page.text
    page.run(f"{thumbs}[0].click()")
    page.until("document.body.innerText.includes('In the picture: Digit 7')")


def test_what_was_made_of_a_choice_is_in_the_picture_that_one_goes_on_from(
    page: Page, address: str, photo: Path
) -> None:
    with_photo(page, address, photo)
    ask_for(page, 7)
    edited = "document.querySelector('.before-after img:not(.before)').src"
    before = page.run(f"return {edited}")
    page.button("not").click()
    page.until(f"{edited} != arguments[0]", before)
    page.button("Go on from here").click()
    page.until("!document.querySelector('.before-after input')")
    assert re.search(r"In the picture: Digit [0-689]\b", page.text)


def test_an_edit_to_what_the_picture_shows_already_is_no_success_and_what_it_shows_can_be_corrected(
    page: Page, address: str, photo: Path
) -> None:
    with_photo(page, address, photo)
    ask_for(page, 7)
    told = page.until("document.querySelector('.outcome').innerText")
    assert "Nothing changes in photo.png, which shows already what you ask for, as the model reads it" in told
    assert not page.all(".outcome .icon")
    assert not page.button("Download").is_enabled()
    page.set(page.named(".outcome select", "Digit"), 1)
    page.until("document.querySelector('.outcome .done, .outcome .missed')")
    assert page.button("Download").is_enabled()
    assert "In the picture: Digit 1" in page.text


def test_the_reading_can_be_corrected_and_the_strength_chosen(page: Page, address: str, photo: Path) -> None:
    with_photo(page, address, photo)
    ask_for(page, 3)
    shown = "document.querySelector('.before-after img').src"
    first = page.run(f"return {shown}")
    page.set(page.field("Strength"), 3)
    strong = page.until(f"{shown} != arguments[0] && {shown}", first)
    page.run("document.querySelector('.shows').open = true")
    page.set(page.named(".shows select", "Digit"), 1)
    assert page.until(f"{shown} != arguments[0] && {shown}", strong) != first
    page.until("document.body.innerText.includes('In the picture: Digit 1')")


def test_small_changes_can_be_shown_more_clearly_in_place_of_a_strength(page: Page, address: str, photo: Path) -> None:
    with_photo(page, address, photo)
    ask_for(page, 3)
    slider = "[...document.querySelectorAll('aside label')].some((each) => each.textContent.startsWith('Strength'))"
    assert page.run(f"return {slider}")
    page.field("Show small changes more clearly").click()
    page.until("location.hash.includes('edit.strength=auto')")
    page.until(f"!{slider}")
    page.settle()
    page.field("Show small changes more clearly").click()
    page.until(f"!location.hash.includes('edit.strength') && {slider}")


PIXELS = """
const [selector, done] = arguments, image = document.querySelector(selector);
createImageBitmap(image).then((bitmap) => {
  const context = new OffscreenCanvas(bitmap.width, bitmap.height).getContext("2d");
  context.drawImage(bitmap, 0, 0);
  const { data } = context.getImageData(0, 0, bitmap.width, bitmap.height);
  done(Array.from({ length: data.length / 4 }, (_, k) => data[4 * k]));
});
"""


def rows(page: Page, selector: str) -> list[list[int]]:
    """The grey levels of a picture of 8×8 pixels, row by row."""
    levels = page.driver.execute_async_script(PIXELS, selector)
    return [levels[8 * k : 8 * k + 8] for k in range(8)]


def only_the_top_half_changed(page: Page) -> bool:
    before, after = (rows(page, f".before-after img{part}") for part in (".before", ":not(.before)"))
    return before[:4] != after[:4] and before[4:] == after[4:]


def test_only_a_part_changes_by_edges_that_are_set_or_drawn(page: Page, address: str, photo: Path) -> None:
    with_photo(page, address, photo)
    ask_for(page, 3)
    assert not only_the_top_half_changed(page)
    page.button("Only a part").click()
    page.set(page.field("Bottom"), 4)
    page.until("document.querySelector('.drawing .frame')?.style.height == '50%'")
    page.check_layout()
    page.check_access()
    page.button("Only a part").click()
    page.settle()
    page.until("document.querySelector('.before-after > .frame') && document.querySelector('.before-after input')")
    assert only_the_top_half_changed(page)
    page.button("Only a part").click()
    page.run("""
        const figure = document.querySelector(".drawing"), box = figure.getBoundingClientRect();
        figure.setPointerCapture = () => {};
        for (const [kind, x, y] of [["down", 0.9, 0.9], ["move", 0.5, 0.5], ["up", 0.25, 0.5]])
          figure.dispatchEvent(new PointerEvent(`pointer${kind}`,
            {bubbles: true, clientX: box.left + x * box.width, clientY: box.top + y * box.height}));
    """)
    page.until("document.querySelector('.drawing .frame').style.left == '25%'")
    assert page.run("return document.querySelector('.drawing .frame').style.height") == "37.5%"  # rows 4 to 6
    page.button("Everywhere").click()
    page.until("!document.querySelector('.drawing .frame')")


def test_a_mask_of_ones_own_says_where_a_picture_may_change(
    page: Page, address: str, photo: Path, tmp_path: Path
) -> None:
    mask = Image.new("L", (8, 8))
    mask.paste(255, (0, 0, 8, 4))
    mask.save(tmp_path / "top.png")
    with_photo(page, address, photo)
    ask_for(page, 3)
    page.button("Only a part").click()
    page.run("return document.querySelector('.edges input[type=file]')").send_keys(str(tmp_path / "top.png"))
    page.until("document.body.innerText.includes('Where top.png is white')")
    page.button("Only a part").click()
    page.settle()
    page.until("document.querySelector('.before-after input')")
    assert only_the_top_half_changed(page)


def test_a_model_that_does_not_read_is_told_what_the_picture_shows(
    page: Page, address: str, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def blind(*_: Any, **__: Any) -> Any:
        raise RequestError("It has no likelihood.")

    monkeypatch.setattr(Run, "read", blind)
    with_photo(page, address, photo)
    page.until("document.body.innerText.includes('In the picture: unknown')")
    page.run("arguments[0].click()", page.named(".choice", "3"))
    page.until("document.querySelector('.told').innerText.startsWith('Say first what the picture shows')")
    page.set(page.named(".shows select", "Digit"), 7)
    page.until("document.querySelector('.before-after input')")
    page.until("document.querySelector('.told').innerText.includes('does not read pictures')")


def test_somebody_without_a_photograph_takes_one_that_the_model_made(page: Page, address: str) -> None:
    page.open(f"{address}digits")
    page.button("Take one that the model made").click()
    page.until("document.querySelectorAll('.thumb').length == 1")
    page.button("Remove").click()
    page.button("Choose photographs")


@pytest.mark.parametrize(("model", "reason"), [("points", "vectors"), ("blind", "cannot edit")])
def test_a_model_that_does_not_edit_says_why(page: Page, address: str, model: str, reason: str) -> None:
    page.open(f"{address}{model}")
    assert page.until("document.querySelector('.nothing')?.innerText.includes(arguments[0])", reason)


@pytest.mark.parametrize(("width", "scheme"), [(375, "light"), (1280, "dark")])
def test_everybody_can_use_it_on_any_screen(page: Page, address: str, photo: Path, width: int, scheme: str) -> None:
    page.open(f"{address}digits", width, scheme)
    page.button("Choose photographs")
    page.check_layout()
    page.check_access()
    with_photo(page, address, photo, width, scheme)
    ask_for(page, 3)
    page.check_layout()
    page.check_access()
