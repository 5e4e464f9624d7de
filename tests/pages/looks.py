"""The looks of every page that is written to a file."""

from pathlib import Path

from tests.browser import Page


def check_looks(page: Page, file: Path, width: int, scheme: str) -> None:
    """Fail unless all of a page is in the file, fits into the window, stands out and is open to everybody."""
    page.open(file.as_uri(), width, scheme)
    page.run("document.querySelectorAll('details').forEach((details) => details.open = true)")
    page.run("[...document.images].forEach((image) => image.loading = 'eager')")
    page.check_layout()
    page.until("[...document.images].every((image) => image.naturalWidth > 0)")
    assert page.run("return performance.getEntriesByType('resource').map((entry) => entry.name)") == []
    red, *_ = page.run("return getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)")
    assert red > 200 if scheme == "light" else red < 50
    found = page.contrasts()
    assert len(found) > 20
    assert min(found)[0] >= 4.5, min(found)  # WCAG 2.2, success criterion 1.4.3
    page.check_access()
