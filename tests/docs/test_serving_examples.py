"""The examples of containers and units start a command that condgen has."""

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer.main

from condgen.cli import app
from condgen.extras import EXTRAS

FOLDER = Path(__file__).parents[2] / "examples" / "serving"
FILES = ("Containerfile", "condgen.service")


def commands(text: str) -> Iterator[list[str]]:
    yield from (json.loads(each) for each in re.findall(r"^CMD (\[.*\])$", text, re.MULTILINE))
    yield from (shlex.split(each) for each in re.findall(r"^ExecStart=(.*)$", text, re.MULTILINE))


@pytest.mark.parametrize("name", FILES)
def test_an_example_starts_a_command_that_condgen_has(name: str) -> None:
    text = (FOLDER / name).read_text(encoding="utf-8")
    (command,) = commands(text)
    program, verb, model, *options = command
    assert (Path(program).name, Path(model).name) == ("condgen", "model.onnx")
    known = typer.main.get_group(app).commands[verb].params  # type: ignore[attr-defined]
    assert {each for each in options if each.startswith("--")} <= {name for each in known for name in each.opts}
    extras = re.search(r"condgen\[([\w,]+)\]", text)
    assert extras is not None
    assert set(extras[1].split(",")) == {"runtime", "serve"} <= EXTRAS.keys()
