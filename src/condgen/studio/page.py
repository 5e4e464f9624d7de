"""The files of the studio's page, and its Content-Security-Policy."""

import base64
import hashlib
import re
from collections.abc import Sequence
from pathlib import Path

PAGE = Path(__file__).parent / "page"
DESIGN = Path(__file__).parents[1] / "pages" / "templates" / "design.css"  # shared with all other pages
START = "studio.js"  # the module that starts the page on top of a server
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".LICENSE": "text/plain; charset=utf-8",
}
_IMPORT_MAP = re.compile(r'<script type="importmap">(.*?)</script>', re.DOTALL)


def files() -> dict[str, Path]:
    """All files that a browser may ask for, by their address relative to the page. `index.html` is among them."""
    found = {path.relative_to(PAGE).as_posix(): path for path in sorted(PAGE.rglob("*")) if path.suffix in TYPES}
    return found | {DESIGN.name: DESIGN}


def index(start: str = START) -> str:
    """The page as HTML.

    start: the module that chooses the page's backend and mounts it.
    """
    return (PAGE / "index.html").read_text(encoding="utf-8").replace(f'src="{START}"', f'src="{start}"')


def is_file(path: str) -> bool:
    """Whether an address is the page's or one of its files."""
    return path == "/" or path.removeprefix("/") in files()


def policy(html: str, scripts: str = "", frames: Sequence[str] = ()) -> str:
    """The Content-Security-Policy of a page: nothing is loaded from elsewhere, and no script but the page's own runs.

    html: the page, whose import map is allowed by its hash.
    scripts: further sources of scripts, such as `'wasm-unsafe-eval'`.
    frames: origins of pages that may show it in a frame, beside its own.
    """
    hashes = [f"'sha256-{_digest(found)}'" for found in _IMPORT_MAP.findall(html)]
    rules = {
        "default-src": "'none'",
        "script-src": " ".join(["'self'", *hashes, scripts]).strip(),
        "style-src": "'self'",
        "img-src": "'self' data: blob:",
        "connect-src": "'self'",
        "frame-src": "'self'",  # a model's report
        "font-src": "'none'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": " ".join(["'self'", *frames]),
    }
    return "; ".join(f"{name} {sources}" for name, sources in rules.items())


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
