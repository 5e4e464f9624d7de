"""The order of the rooms of src/condgen/, and no import circle among them or among files (docs/architecture.md)."""

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise
from pathlib import Path

import condgen

ROOT = Path(condgen.__file__).parent
ORDER = (  # a room imports only from those before it
    "schema", "requests", "conditioning", "networks", "models", "training", "runs", "runtime", "evaluation", "bulk",
    "pages", "hub", "serving", "studio", "cli",
)  # fmt: skip
BESIDE = {  # rooms beside that order, and all that each may import
    "data": ("schema", "requests"),
    "inspection": ("schema", "requests", "data", "evaluation"),
    "export": (
        "schema",
        "requests",
        "conditioning",
        "networks",
        "models",
        "training",
        "runs",
        "runtime",
        "evaluation",
        "data",
    ),
}
JUDGE = "condgen.evaluation.judge"  # the only part of evaluation/ that inspection/ knows


@dataclass(frozen=True)
class Import:
    """One file imports another; both by their dotted names."""

    importer: str
    imported: str

    @property
    def rooms(self) -> tuple[str, str]:
        return room(self.importer), room(self.imported)

    def __str__(self) -> str:
        return f"{self.importer} imports {self.imported}"


def name_of(path: Path, root: Path) -> str:
    parts = ("condgen", *path.relative_to(root).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def room(module: str) -> str:
    """The folder that a module is in; a file beside the folders is a room of its own."""
    return module.split(".")[1] if "." in module else module


def imports(root: Path) -> list[Import]:
    """Every import of one of condgen's files by another, those inside functions and for types alone included."""
    trees = {name_of(path, root): ast.parse(path.read_text(encoding="utf-8")) for path in root.rglob("*.py")}
    return [
        Import(importer, imported)
        for importer, tree in trees.items()
        for imported in dict.fromkeys(name for node in ast.walk(tree) for name in _imported(node, trees))
        if imported != importer
    ]


def _imported(node: ast.AST, known: Mapping[str, object]) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names if alias.name in known)
    if isinstance(node, ast.ImportFrom) and node.module and not node.level:
        names = [f"{node.module}.{alias.name}" for alias in node.names]
        yield from (name if name in known else node.module for name in names if name in known or node.module in known)


def out_of_order(found: list[Import]) -> list[str]:
    """The imports that go from left to right, and those of rooms beside the order that they may not have."""
    return [str(each) for each in found if not _allowed(each)]


def _allowed(each: Import) -> bool:
    here, there = each.rooms
    if here in BESIDE:
        known = there in (here, *BESIDE[here]) or there not in (*ORDER, *BESIDE)
        return known and (here != "inspection" or there != "evaluation" or each.imported.startswith(JUDGE))
    if here in ORDER and there in ORDER:
        return ORDER.index(there) <= ORDER.index(here)
    return there != "cli"


def circle(edges: Mapping[str, set[str]]) -> list[str]:
    """One circle, from a node back to itself; empty where there is none."""
    try:
        TopologicalSorter(edges).prepare()
    except CycleError as error:
        return [*reversed(error.args[1])]
    return []


def graph(pairs: list[tuple[str, str]]) -> dict[str, set[str]]:
    edges: dict[str, set[str]] = {}
    for one, other in pairs:
        if one != other:
            edges.setdefault(one, set()).add(other)
    return edges


@cache
def all_imports() -> list[Import]:
    """Every import in condgen, looked up once in the process that runs these tests."""
    return imports(ROOT)


def test_a_room_imports_only_from_those_to_its_left() -> None:
    assert out_of_order(all_imports()) == []


def test_no_files_import_each_other_in_a_circle() -> None:
    met = circle(graph([(each.importer, each.imported) for each in all_imports()]))
    assert met == [], " → ".join(met)


def test_no_rooms_import_each_other_in_a_circle() -> None:
    met = circle(graph([each.rooms for each in all_imports()]))
    guilty = [str(each) for each in all_imports() if each.rooms in {*pairwise(met)}]
    assert met == [], f"{' → '.join(met)}: {'; '.join(guilty)}"


def test_evaluation_knows_nothing_of_pages() -> None:
    assert [str(each) for each in all_imports() if each.rooms == ("evaluation", "pages")] == []


# ---- these checks can fail, and name what is wrong


def package(root: Path, **files: str) -> list[Import]:
    for name, text in files.items():
        path = root / f"{name.replace('__', '/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return imports(root)


def test_an_import_to_the_right_is_named(tmp_path: Path) -> None:
    found = package(
        tmp_path,
        models__vae="def f():\n    from condgen.runs import run",
        runs__run="import condgen.schema.schema\nimport os",
        schema__schema="",
        inspection__scan="from condgen.evaluation.report import Report",
        evaluation__report="",
    )
    assert sorted(out_of_order(found)) == [
        "condgen.inspection.scan imports condgen.evaluation.report",
        "condgen.models.vae imports condgen.runs.run",
    ]


def test_a_circle_is_named(tmp_path: Path) -> None:
    found = package(
        tmp_path,
        evaluation__a="from condgen.evaluation.b import x",
        evaluation__b="if TYPE_CHECKING:\n    from condgen.evaluation.a import y",
    )
    met = circle(graph([(each.importer, each.imported) for each in found]))
    assert set(met) == {"condgen.evaluation.a", "condgen.evaluation.b"}
