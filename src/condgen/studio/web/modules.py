"""The page's modules: which import which, and their sources with other addresses."""

import json
import posixpath
import re
from collections.abc import Callable, Mapping
from graphlib import TopologicalSorter
from pathlib import Path

from condgen.studio import page

_IMPORT = re.compile(r'((?:\bfrom|\bimport)\s*)"([^"\s]+)"')
_IMPORT_MAP = re.compile(r'<script type="importmap">(.*?)</script>', re.DOTALL)


def needed(*starts: str) -> list[str]:
    """The modules that are reached from some, by their address in the page, each after those that it imports.

    Raises graphlib.CycleError for modules that import each other in a circle.
    """
    imports: dict[str, list[str]] = {}
    waiting = [*starts]
    while waiting:
        name = waiting.pop()
        if name not in imports:
            imports[name] = [_meant(name, found[2]) for found in _IMPORT.finditer(source(name))]
            waiting += imports[name]
    return [*TopologicalSorter(imports).static_order()]


def source(name: str) -> str:
    """The text of a module."""
    return (page.PAGE / name).read_text(encoding="utf-8")


def readdressed(name: str, address: Callable[[str], str]) -> str:
    """The text of a module, with another address of each module that it imports."""
    return _IMPORT.sub(lambda found: found[1] + json.dumps(address(_meant(name, found[2]))), source(name))


def _meant(importer: str, specifier: str) -> str:
    """The module that an import means."""
    known = _bare().get(specifier)
    return known or posixpath.normpath(posixpath.join(posixpath.dirname(importer), specifier))


def _bare() -> Mapping[str, str]:
    """The import map: modules by a name that is no address."""
    found = _IMPORT_MAP.search((page.PAGE / "index.html").read_text(encoding="utf-8"))
    assert found, "the page has an import map"
    return {name: posixpath.normpath(path) for name, path in json.loads(found[1])["imports"].items()}


def licences() -> dict[str, Path]:
    """The licences of the page's libraries by their address."""
    return {name: path for name, path in page.files().items() if name.endswith(".LICENSE")}
