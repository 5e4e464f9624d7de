"""The files of the studio's page, and its Content-Security-Policy."""

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
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
_WITHIN = r"<{0}(?: type=\"(?:importmap|module)\")?>(.*?)</{0}>"  # elements whose text a browser runs or applies


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
    rules = {
        "default-src": "'none'",
        "script-src": " ".join(["'self'", *_hashes(html, "script"), scripts]).strip(),
        "style-src": "'self'",
        "img-src": "'self' data: blob:",
        "connect-src": "'self'",
        "frame-src": "'self'",  # a model's report
        "font-src": "'none'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": " ".join(["'self'", *frames]),
    }
    return _joined(rules)


def policy_within(html: str) -> str:
    """The Content-Security-Policy of a page that is one file: it loads nothing at all, and runs what lies within it."""
    rules = {
        "default-src": "'none'",
        "script-src": " ".join([*_hashes(html, "script"), "blob:", "'wasm-unsafe-eval'"]),
        "worker-src": "blob:",
        "style-src": " ".join(_hashes(html, "style")),
        "img-src": "data: blob:",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    return _joined(rules)


def with_policy(html: str, rules: str) -> str:
    """A page that brings its Content-Security-Policy along. Framing is for a server alone to forbid."""
    kept = "; ".join(rule for rule in rules.split("; ") if not rule.startswith("frame-ancestors"))
    first = '<meta charset="utf-8">'
    return html.replace(first, f'{first}\n<meta http-equiv="Content-Security-Policy" content="{kept}">')


def _joined(rules: Mapping[str, str]) -> str:
    return "; ".join(f"{name} {sources}" for name, sources in rules.items())


def _hashes(html: str, element: str) -> list[str]:
    """The sources that allow the texts of scripts or styles within a page."""
    return [f"'sha256-{_digest(found)}'" for found in re.findall(_WITHIN.format(element), html, re.DOTALL) if found]


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
