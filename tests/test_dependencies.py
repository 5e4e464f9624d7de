"""The package declares what it imports."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
SOURCES = sorted((ROOT / "src").rglob("*.py"))


def canonical(requirement: str) -> str:
    name = re.match(r"[\w.-]+", requirement)
    assert name is not None
    return re.sub(r"[-_.]+", "-", name.group()).lower()


BROUGHT = {"pydantic-core", "starlette"}  # by pydantic and by FastAPI, in the version that they need
INDIRECT = {"tensorboard"}  # imported by torch.utils.tensorboard
REQUIRED = {canonical(each) for each in PROJECT["dependencies"]}
TRAINING = {canonical(each) for each in PROJECT["optional-dependencies"]["train"]}
SERVING = {canonical(each) for each in PROJECT["optional-dependencies"]["serve"]}
OPTIONAL = {canonical(each) for extra in PROJECT["optional-dependencies"].values() for each in extra}


def imported(body: list[ast.stmt], inside: bool = False) -> Iterator[tuple[str, bool]]:
    """Names of packages that are imported, and whether only inside a function, but not those for type checkers."""
    for node in body:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        if isinstance(node, ast.Import):
            yield from ((alias.name.split(".")[0], inside) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield str(node.module).split(".")[0], inside
        within = inside or isinstance(node, ast.FunctionDef)
        for part in ("body", "orelse", "finalbody"):
            yield from imported(getattr(node, part, []), within)
        for handler in getattr(node, "handlers", []):
            yield from imported(handler.body, within)


PACKAGES = packages_distributions()


def distributions(package: str) -> set[str]:
    return {canonical(name) for name in PACKAGES.get(package, [package])}


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT / "src")))
def test_what_a_module_imports_is_declared(path: Path) -> None:
    """At its top a required dependency, one of training's, or one of serving's in the rooms that answer over HTTP.
    Inside a function an optional one will do.

    tests/test_without_pytorch.py says which modules do without those of training.
    """
    own = SERVING if {"serving", "studio"} & {*path.parts} else set()
    found = imported(ast.parse(path.read_text()).body)
    others = {(name, inside) for name, inside in found if name not in sys.stdlib_module_names | {"condgen"}}
    undeclared = {
        name
        for name, inside in others
        if not distributions(name) & (REQUIRED | TRAINING | BROUGHT | own | (OPTIONAL if inside else set()))
    }
    assert undeclared == set()


def test_every_required_dependency_is_imported_somewhere() -> None:
    found = {name for path in SOURCES for name, _ in imported(ast.parse(path.read_text()).body)}
    used = set().union(*map(distributions, found))
    assert (REQUIRED | TRAINING) - used == INDIRECT


HASHED = re.compile(r"^([\w.-]+)==(\S+)(?: ;[^\\]*)? ((?:\\\s+--hash=sha256:[0-9a-f]{64}\s)+)", re.MULTILINE)


def test_every_requirement_with_hashes_is_there_in_the_version_that_is_tested() -> None:
    """Otherwise renew them: make hashes."""
    text = (ROOT / "requirements-hashed.txt").read_text()
    hashed: dict[str, set[str]] = {}
    for name, version, _ in HASHED.findall(text):
        hashed.setdefault(canonical(name), set()).add(version)
    assert HASHED.sub("", text).strip() == ""  # nothing without a hash
    extras = PROJECT["optional-dependencies"]
    wanted = {canonical(each) for extra in ("train", "onnx", "serve") for each in extras[extra]} - {"condgen"}
    assert (REQUIRED | wanted) - hashed.keys() == set()
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    tested = dict(line.split("==") for line in lines if "==" in line and not line.startswith("#"))
    for name, version in ((canonical(name), version) for name, version in tested.items()):
        assert hashed.get(name, {version}) == {version}, name
