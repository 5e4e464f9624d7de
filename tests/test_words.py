"""The words of docstrings: they name the thing first (CONTRIBUTING.md)."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import condgen

ROOT = Path(condgen.__file__).parent
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
RIDDLE = re.compile(r"(What|How|Whose|That|Where|Which|Who|When|Why)\b")  # a reader learns what is meant at the end


def docstrings(source: str) -> Iterator[tuple[int, str]]:
    """Line and text of every docstring in a source text."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, DOCUMENTED) and (text := ast.get_docstring(node)):
            yield node.body[0].lineno, text


def riddles(source: str) -> list[int]:
    """Lines of docstrings that open with a word such as "What"."""
    return [line for line, text in docstrings(source) if RIDDLE.match(text)]


def test_docstrings_name_the_thing_first() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line}" for path in ROOT.rglob("*.py") for line in riddles(path.read_text("utf-8"))
    ]
    assert not found, f"name the thing, then qualify it: {found}"


def test_every_kind_of_docstring_is_checked() -> None:
    source = (
        '"""Whose module."""\nclass A:\n    """What it is."""\n    async def f(self):\n        """How it runs."""\n'
    )
    assert riddles(source) == [1, 3, 5]
    assert not riddles('def share():\n    """Whether it is so: however, whatever."""\n')
