"""The folder of a Space, which serves a model without PyTorch."""

import json
import re
from pathlib import Path

import pytest
import typer.main
from huggingface_hub import SpaceCard

from condgen.cli import app
from condgen.runs.exporting import EXPORTERS, Exporter
from condgen.runs.run import Run

TRAINED = Path(__file__).parents[1] / "runs" / "trained" / "cvae"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder, with a few bytes in the place of the exported model, which takes long to make."""
    quick = Exporter("", ".onnx", lambda run, path, licence: path.write_bytes(b"a model"))
    monkeypatch.setitem(EXPORTERS._own, "onnx", quick)
    return Run.open(TRAINED).export("space", tmp_path / "space", name="somebody/digits", licence="mit")


def test_it_holds_a_model_and_all_that_serves_it(folder: Path) -> None:
    assert sorted(p.name for p in folder.iterdir()) == ["Dockerfile", "README.md", "model.onnx", "requirements.txt"]
    assert re.fullmatch(r"condgen\[runtime,serve\]==\S+\n", (folder / "requirements.txt").read_text())
    about = SpaceCard.load(folder / "README.md")
    assert "`/openapi.json`" in about.text
    assert "/docs" not in about.text  # the server has no such page
    assert (about.data.sdk, about.data.title, about.data.license) == ("docker", "digits", "mit")
    assert "digit=9" in about.text


def test_its_command_is_one_that_condgen_has(folder: Path) -> None:
    (line,) = [line for line in (folder / "Dockerfile").read_text().splitlines() if line.startswith("CMD ")]
    name, verb, model, *options = json.loads(line.removeprefix("CMD "))
    assert name == "condgen"
    assert (folder / model).is_file()
    known = typer.main.get_group(app).commands[verb].params  # type: ignore[attr-defined]
    assert {o for o in options if o.startswith("--")} <= {name for each in known for name in each.opts}
    assert options[options.index("--port") + 1] == str(SpaceCard.load(folder / "README.md").data.app_port)
