"""config.json: for people, and never read back."""

import json
import shutil
from pathlib import Path

import torch

import condgen
from condgen.data import Splits
from condgen.progress import SILENT
from condgen.runs.run import Run


def test_a_run_says_what_it_is(run: Run) -> None:
    text = (run.path / "config.json").read_text(encoding="utf-8")
    found = json.loads(text)
    assert found["model"] == "cvae"
    assert found["arguments"] == run.info.recipe["arguments"]
    assert found["attributes"]["digit"].startswith("digit=")
    assert found["training"]["batch"] == 64
    assert found["data"]["source"] == "digits"
    assert (found["images"], found["total"]) == (run.info.images, 40_000)
    assert found["versions"].keys() >= {"condgen", "torch"}  # and of what other tests have loaded
    assert text.count("\n") > 20


def test_it_is_never_read_back(run: Run, digits: Splits, tmp_path: Path) -> None:
    folder = shutil.copytree(run.path, tmp_path / "copy")
    (folder / "config.json").write_text("not JSON")
    assert torch.equal(Run.open(folder).sample(n=2).x, run.sample(n=2).x)
    (folder / "config.json").unlink()
    condgen.resume(folder, digits, SILENT, budget="+0.1s")
    assert json.loads((folder / "config.json").read_text())["images"] > 40_000  # written anew
