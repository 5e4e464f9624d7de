"""The studio's page: its files, the libraries among them, and its Content-Security-Policy."""

import base64
import gzip
import hashlib
import json
import re

import pytest

from condgen.studio import page
from condgen.studio.web.modules import needed

VENDOR = page.PAGE / "vendor"
LIBRARIES = json.loads((VENDOR / "vendor.json").read_text(encoding="utf-8"))
MOST = 150_000  # bytes of the whole page, as a server sends it


def test_every_library_is_as_published() -> None:
    found = {each["file"]: hashlib.sha256((VENDOR / each["file"]).read_bytes()).hexdigest() for each in LIBRARIES}
    assert found == {each["file"]: each["sha256"] for each in LIBRARIES}


def test_every_library_is_listed_with_its_licence() -> None:
    assert {each["file"] for each in LIBRARIES} == {path.name for path in VENDOR.glob("*.js")}
    assert all((VENDOR / each["text"]).read_text(encoding="utf-8").strip() for each in LIBRARIES)


def test_all_that_the_page_names_is_there() -> None:
    files, html = page.files(), page.index()
    imports = json.loads(re.findall(r'"importmap">(.*?)</script>', html)[0])["imports"]
    named = re.findall(r'(?:src|href)="([^"]+\.(?:js|css))"', html) + [
        each.removeprefix("./") for each in imports.values()
    ]
    assert len(named) >= 6
    assert [each for each in named if each not in files] == []


@pytest.mark.parametrize("name", [name for name in page.files() if name.endswith(".js") and "vendor" not in name])
def test_modules_import_what_is_there_and_nothing_from_elsewhere(name: str) -> None:
    path = page.files()[name]
    named = re.findall(r'^(?:import|export)[^;"]*"([^"]+)"', path.read_text(encoding="utf-8"), re.MULTILINE)
    assert [each for each in named if each.startswith(("./", "../")) and not (path.parent / each).is_file()] == []
    assert [each for each in named if "://" in each] == []


def test_only_the_import_map_runs_besides_the_page_s_own_modules() -> None:
    html = page.index()
    inline = re.findall(r'<script type="importmap">(.*?)</script>', html)
    digest = base64.b64encode(hashlib.sha256(inline[0].encode()).digest()).decode()
    assert re.findall(r"script-src ([^;]*)", page.policy(html)) == [f"'self' 'sha256-{digest}'"]
    assert len(re.findall(r"<script(?![^>]*src=)", html)) == 1
    assert not re.search(r"\son\w+=|<style|\sstyle=", html)


def test_the_policy_takes_further_sources_of_scripts() -> None:
    assert "'wasm-unsafe-eval';" in page.policy(page.index(), "'wasm-unsafe-eval'")
    assert "unsafe" not in page.policy(page.index())


def test_another_module_can_start_the_page() -> None:
    assert 'src="other.js"' in page.index("other.js")
    assert page.START not in page.index("other.js")


def test_the_page_is_small() -> None:
    """As a server sends it. Where there is no server, the browser's own backend (`runtime/`) comes on top."""
    modules = needed(page.START)
    sent = {n: path for n, path in page.files().items() if n in modules or n.endswith((".html", ".css", "theme.js"))}
    assert sum(len(gzip.compress(path.read_bytes())) for path in sent.values()) < MOST
