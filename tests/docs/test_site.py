"""The documentation site: it builds strictly, fetches nothing from elsewhere, and names no machine."""

import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.browser import Page, in_browser

from .blocks import ROOT

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
FETCHED = re.compile(
    r"<(?:script|img|iframe|source|video|audio)\b[^>]*\bsrc=[\"']?(?:https?:)?//"
    r"|<link\b(?![^>]*rel=[\"']?canonical)[^>]*\bhref=[\"']?(?:https?:)?//"
    r"|@import|url\([\"']?(?:https?:)?//"
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("material", reason="needs the extra 'docs': pip install -e '.[docs]'")
    out = tmp_path_factory.mktemp("site")
    build = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(out)]
    done = subprocess.run(build, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return out


def test_pages_fetch_nothing_from_elsewhere(site: Path) -> None:
    made = [*site.rglob("*.html"), *site.rglob("*.css")]
    assert len(made) > 30
    asked = {str(page.relative_to(site)): FETCHED.search(page.read_text()) for page in made}
    assert not {name: found[0] for name, found in asked.items() if found}


def test_the_reference_lists_arguments_and_what_a_run_inherits(site: Path) -> None:
    training, runs = ((site / "reference" / f"{name}.html").read_text() for name in ("training", "runs"))
    listed = training.partition('id="condgen.runs.train.train"')[2].partition("</dl>")[0]
    assert re.findall(r"<dt><code>(\w+)</code></dt>", listed) == [
        "model",
        "data",
        "out",
        "progress",
        "resume",
        "arguments",
    ]
    assert 'id="condgen.runs.run.Run.sample"' in runs


@in_browser
@pytest.mark.slow
def test_no_page_is_wider_than_its_window(site: Path, page: Page) -> None:
    page.excuse("search_index")  # which Material reads from a server only
    for each in sorted({*site.rglob("*.html")} - {site / "404.html"}):  # which needs a server for its styles
        page.open(each.as_uri(), 1200)
        page.check_layout()
        page.resize(375)
        page.check_layout()


@pytest.mark.parametrize(
    ("text", "caught"),
    [
        ('<link rel="stylesheet" href="https://fonts.example/css">', True),
        ("<script src=//cdn.example/x.js></script>", True),
        ("a { background: url(https://example.org/x.png) }", True),
        ('<a href="https://example.org">a paper</a>', False),
        ('<img src="images/demo.png">', False),
    ],
)
def test_links_are_no_fetching(text: str, caught: bool) -> None:
    assert bool(FETCHED.search(text)) is caught


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_pages_name_no_machine(page: Path) -> None:
    assert not re.findall(r"(?<![\w.])(?:/home/|/work/|/root\b|/tmp/|/Users/)\S*", page.read_text())


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 120


def test_pictures_and_pages_that_the_readme_links_are_there() -> None:
    links = re.findall(r"\]\((?!https?:)([^)#\s]+)", (ROOT / "README.md").read_text())
    assert links
    assert not [link for link in links if not (ROOT / link).exists()]


def test_every_page_is_in_the_navigation() -> None:
    """The strict build checks the same; this holds where the extra 'docs' is not installed."""
    named = set(re.findall(r"[\w/.-]+\.md", (ROOT / "mkdocs.yml").read_text()))
    written = {str(page.relative_to(ROOT / "docs")) for page in (ROOT / "docs").rglob("*.md")}
    assert not written - named


def test_the_python_reference_names_what_exists() -> None:
    """The strict build checks the same; this holds where the extra 'docs' is not installed."""
    named = [
        line.removeprefix("::: ")
        for page in (ROOT / "docs" / "reference").glob("*.md")
        for line in page.read_text().splitlines()
        if line.startswith("::: ")
    ]
    assert len(named) > 40
    assert not [name for name in named if not _there(name)]


def _there(name: str) -> bool:
    try:
        pkgutil.resolve_name(name)
    except (ImportError, AttributeError):
        return False
    return True
