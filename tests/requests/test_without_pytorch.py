"""Requests in terms and in words need no PyTorch, and are answered the same without it."""

import json
import subprocess
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file

from condgen.requests import parse_requests
from condgen.rng import Stream
from condgen.schema import Categorical, Condition, Continuous, Flag, LabelDistribution, Schema, Vector
from condgen.schema.stored import stored
from tests.test_without_pytorch import without_pytorch


def test_requests_and_schemas_do_not_import_pytorch_where_it_is() -> None:
    code = "import sys, condgen.schema, condgen.requests; print('torch' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout == "False\n"


PEOPLE = Schema(
    attributes=(
        Categorical(name="color", values=("red", "green", "blue"), aliases={"warm": "red|green"}),
        Flag(name="Male"),
        Flag(name="Eyeglasses", synonyms=("glasses",)),
        Continuous(name="age", low=0, high=90),
        Continuous(name="income", low=1, high=1e5, scale="log"),
        Vector(name="emb", mean=(0.0, 1.0, 2.0), scale=(1.0, 2.0, 3.0)),
    )
)
ASKED = (
    "color=red|blue, age=20..30",
    "color!=red, income=500",
    "color=*",
    "warm",
    "Eyeglasses",
    "an old man without glasses",
    "a woman aged over 60",
    "emb=0.1 0.2 0.3; age=31",
    "emb={rows}#2, Male=no",
)

CONDITIONS = """
import json
from pathlib import Path
import numpy as np
from safetensors.numpy import load_file
from condgen.requests import parse_requests
from condgen.rng import Stream
from condgen.schema import Schema
from condgen.schema.stored import restored

folder = Path(r"{folder}")
schema = Schema.load(folder / "schema.json")
joint = restored(schema, load_file(folder / "joint.safetensors"))
requests = [r for text in {asked!r} for r in parse_requests(text, schema)]
print(json.dumps([
    (r.understood, r.draw(joint, Stream.CONDITION.rng(np.arange(1000))).rows()) for r in requests
]))
"""


def people() -> LabelDistribution:
    """Labels of every kind, some of which are missing."""
    values = {a.name: a.uniform(torch.rand(300, *a.shape)) for a in PEOPLE}
    return LabelDistribution.of(Condition(PEOPLE, values, torch.rand(300, len(PEOPLE)) < 0.9))


def test_requests_of_every_kind_draw_the_same_conditions_without_pytorch(tmp_path: Path) -> None:
    joint, asked = people(), [text.format(rows=tmp_path / "rows.csv") for text in ASKED]
    (tmp_path / "rows.csv").write_text("emb.0,emb.1,emb.2\n0,0,0\n0.5,1.5,2.5\n")
    (tmp_path / "schema.json").write_text(PEOPLE.dumps())
    save_file(stored(joint), tmp_path / "joint.safetensors")
    result = without_pytorch(CONDITIONS.format(folder=tmp_path, asked=asked))
    assert result.returncode == 0, result.stderr
    requests = [r for text in asked for r in parse_requests(text, PEOPLE)]
    drawn = [(r.understood, r.draw(joint, Stream.CONDITION.rng(range(1000))).rows()) for r in requests]
    assert json.loads(result.stdout) == [[understood, rows] for understood, rows in drawn]
