"""Messages mention settings and calls in Python; every interface spells them its own way."""

import ast
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import condgen
from condgen.cli import app
from condgen.cli.spelling import spell
from condgen.messages import Expression, Mention, call, setting, spelled

SOURCE = Path(condgen.__file__).parent
COMMANDS = [str(c.callback.__name__) for c in app.registered_commands if c.callback]
INTERFACES = ("cli", "pages")  # pages show what is to be typed to make their pictures again
WRITES_COMMANDS = {"hub/space.py", "studio/orders.py"}  # a Dockerfile, and the commands of jobs
SPEAKS_COMMAND_LINE = re.compile(rf"(^|[\s('\"])--[a-z]|condgen ({'|'.join(COMMANDS)})\b")


def strings(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Every text in a module but its docstrings."""
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, documented) and node.body and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield node.lineno, node.value


def test_the_library_does_not_speak_command_line() -> None:
    library = (f for f in SOURCE.rglob("*.py") if f.relative_to(SOURCE).parts[0] not in INTERFACES)
    files = [f for f in library if f.relative_to(SOURCE).as_posix() not in WRITES_COMMANDS]
    said = [
        f"{file.relative_to(SOURCE)}:{line}: {text}"
        for file in files
        for line, text in strings(ast.parse(file.read_text(encoding="utf-8")))
        if SPEAKS_COMMAND_LINE.search(text)
    ]
    assert not said, "\n".join(said)


@pytest.mark.parametrize(
    ("python", "typed"),
    [
        ("Try a lower learning rate (`lr=0.002`).", "Try a lower learning rate (--set lr=0.002)."),
        ("Train `model='cvae', latent=8`.", "Train --model cvae --set latent=8."),
        ("Give a time (`seconds=180`) or `images=500_000`.", "Give a time (--budget 3m) or --images 500k."),
        ("Leave out `stream`.", "Leave out --stream."),
        ("Give `hold_out=['color=red, body=Coupe']`.", "Give --hold-out 'color=red, body=Coupe'."),
        ("Say what it shows (`source=...`).", "Say what it shows (--from …)."),
        ("Allow it (`extrapolate=True`).", "Allow it (--extrapolate)."),
        ("Then `condgen.compare(RUN, RUN, ...)`.", "Then condgen compare RUN RUN …."),
        (
            "Then `condgen.compare(DATA, models='cvae,gan', out=DIR)`.",
            "Then condgen compare DATA --models cvae,gan --out DIR.",
        ),
        (
            "Make it with `condgen.evaluate('a', samples=1000, seed=3)`.",
            "Make it with condgen evaluate a --samples 1000 --measure-seed 3.",
        ),
        (
            "Train `condgen.train(condgen.load('a b', attributes=['x', 'y'], size=64), out='run')`.",
            "Train condgen train 'a b' --attributes x,y --size 64 --out run.",
        ),
        (
            "Train `condgen.train(data.select(['x']), out='run')`.",
            "Train `condgen.train(data.select(['x']), out='run')`.",
        ),
        ("Go on with `condgen.resume('my runs/a')`.", "Go on with condgen resume 'my runs/a'."),
        ("`flip` applies to images only.", "`flip` applies to images only."),
        ("Not Python: `a b`, `1 +`, `condgen.nothing()`.", "Not Python: `a b`, `1 +`, `condgen.nothing()`."),
        ("A recipe {'model': 'cvae'} and a `file.png`.", "A recipe {'model': 'cvae'} and a `file.png`."),
    ],
)
def test_the_command_line_spells_what_is_mentioned(python: str, typed: str) -> None:
    assert spell(python) == typed


@pytest.mark.parametrize(
    ("running", "typed"),
    [
        ("train", "--model cvae --set batch=8 --images 500k"),
        ("compare", "--model cvae --set batch=8 --images 500k"),
        ("sample", "--model cvae --batch 8 --images 500k"),
    ],
)
def test_settings_are_options_of_the_command_that_runs(
    running: str, typed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Errors of `train` named --batch, which other commands have."""
    monkeypatch.setattr(sys, "argv", ["condgen", running, "digits"])
    assert spell("`model='cvae', batch=8, images=500_000`") == typed


def test_an_interface_spells_settings_its_own_way() -> None:
    def pointers(mention: Mention) -> str | None:
        return json.dumps({f"/{name}": value for name, value in mention.settings.items()})

    assert spelled("Try `r1=1`.", pointers) == 'Try {"/r1": 1}.'


@pytest.mark.parametrize("path", ["digits-run", 'it\'s "odd"', "a `b` c", "ü\\n"])
def test_what_is_mentioned_survives_any_name(path: str) -> None:
    import shlex

    assert shlex.split(spell(call("resume", Path(path)))) == ["condgen", "resume", path]


def test_calls_may_be_arguments_and_expressions_stand_as_they_are() -> None:
    loaded = Mention("load", ("it's",), {"size": 64})
    assert call("train", loaded, out="run") == """`condgen.train(condgen.load("it's", size=64), out='run')`"""
    assert call("train", Expression("data"), out="run") == "`condgen.train(data, out='run')`"


def test_settings_are_written_as_python() -> None:
    assert setting(lr=0.002, model="cvae") == "`lr=0.002, model='cvae'`"
    assert spell(setting(lr=0.002 / 4)) == "--set lr=0.0005"
