"""The page as one HTML file: its modules, styles, model and runtime lie within it."""

import base64
import gzip
import json
import re
from collections.abc import Mapping

from condgen.studio import page
from condgen.studio.web import modules

UNPACKING = "single.js"
ONNX_RUNTIME = "onnxruntime/ort.js"  # a module, too
_LINK = re.compile(r'<link rel="stylesheet" href="([^"]+)">')
_SCRIPT = re.compile(r'<script src="([^"]+)"></script>')
_MODULES = re.compile(r'<script type="importmap">.*?</script>\n<script type="module" src="[^"]+"></script>', re.DOTALL)


def single_page(start: str, worker: str, files: Mapping[str, bytes]) -> str:
    """The page as one file.

    start, worker: the modules that the page and its worker begin with.
    files: all others that the page opens, by their address.
    """
    within = {
        "modules": _packed(_sources(start)),
        "worker": _packed({**_sources(worker), ONNX_RUNTIME: files[ONNX_RUNTIME]}),
        "files": _packed({name: content for name, content in files.items() if name != ONNX_RUNTIME}),
    }
    html = _LINK.sub(lambda found: f"<style>{_text(found[1])}</style>", page.index())
    html = _SCRIPT.sub(lambda found: f"<script>{_text(found[1])}</script>", html)
    html = _MODULES.sub("", html)
    held = f'<script type="application/json" id="within">{json.dumps(within)}</script>'
    html = html.replace("</body>", f'{held}\n<script type="module">{_text(UNPACKING)}</script>\n</body>')
    return page.with_policy(html, page.policy_within(html))


def _text(name: str) -> str:
    """A file of the page as text within it."""
    text = page.files()[name].read_text(encoding="utf-8")
    assert "</s" not in text.casefold(), f"{name} would end its own element"
    return text


def _sources(start: str) -> dict[str, bytes]:
    """The modules that one needs, each after those that it imports by `module:NAME`."""
    return {name: modules.readdressed(name, "module:{}".format).encode() for name in modules.needed(start)}


def _packed(files: Mapping[str, bytes]) -> dict[str, str]:
    return {name: base64.b64encode(gzip.compress(content, mtime=0)).decode() for name, content in files.items()}
