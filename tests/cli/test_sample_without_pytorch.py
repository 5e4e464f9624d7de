"""`condgen sample` for a generator that needs no PyTorch, in a process in which nothing of training can be imported."""

import csv
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from condgen.requests import parse_requests
from condgen.rng import Stream
from condgen.runs.run import Run
from condgen.schema import Categorical, Condition, LabelDistribution, Schema
from tests.test_without_pytorch import BLOCKED, without_pytorch

MOST = 700  # modules; PyTorch alone has more than a thousand

SAMPLE = """
from condgen.cli import main
from condgen.runs import addresses
{before}
sys.argv = ["condgen", "sample", "{model}", {request!r}, "-n", "3", "--seed", "5", "--out", "out"]
try:
    main()
except SystemExit as ended:
    assert not ended.code
loaded = [name for name, module in sys.modules.items() if module is not None]
print("modules:", len(loaded), *(name for name in loaded if name.partition(".")[0] in {blocked}))
"""

FAKE = '''
from condgen.runs.answering import Answering
from condgen.schema import Categorical, Condition, LabelDistribution, Schema
from types import SimpleNamespace
import numpy

schema = Schema(attributes=(Categorical(name="digit", values=tuple("0123456789")),))

class Fake(Answering):
    """Its images are their noise."""
    fingerprint, coordinates = "fake", None

    def __init__(self, place):
        self.path = place
        self.model = SimpleNamespace(
            schema=schema, shape=(1, 4, 4), conditional=True, handles_missing=True, device="cpu", recipe={}
        )
        codes = {"digit": numpy.arange(10, dtype=numpy.float32)}
        self.joint = LabelDistribution.of(Condition(schema, codes, numpy.ones((10, 1), bool)))

    def answer(self, condition, seeds, sampling=None, unwanted=None):
        from condgen.rng import Stream
        return Stream.NOISE.rng(seeds).uniform(1, 4, 4)

addresses.OPENERS._own[".fake"] = Fake
'''


def sampled(folder: Path, model: str, request: str, before: str = "") -> "subprocess.CompletedProcess[str]":
    code = SAMPLE.format(before=before, model=model, request=request, blocked=BLOCKED)
    result = without_pytorch(code, folder)
    assert result.returncode == 0, result.stderr
    return result


def rows_of(folder: Path) -> list[dict[str, str]]:
    with (folder / "metadata.csv").open(encoding="utf-8") as table:
        return list(csv.DictReader(table))


def test_samples_of_another_generator_are_written_without_pytorch(tmp_path: Path) -> None:
    result = sampled(tmp_path, "any.fake", "a 7", FAKE)
    told, count, *heavy = result.stdout.splitlines()[-1].split()
    assert (told, heavy) == ("modules:", [])
    assert int(count) < MOST
    rows = rows_of(tmp_path / "out")
    assert [(row["digit"], row["seed"]) for row in rows] == [("7", "5"), ("7", "6"), ("7", "7")]
    noise = (Stream.NOISE.rng([5, 6, 7]).uniform(1, 4, 4)[:, 0] * 255).round()
    with Image.open(tmp_path / "out" / "000002.png") as image:
        assert np.array_equal(np.asarray(image), noise[2])


def test_attributes_that_are_left_free_are_drawn_as_with_pytorch(tmp_path: Path) -> None:
    sampled(tmp_path, "any.fake", "digit=3|5|8", FAKE)
    rows = rows_of(tmp_path / "out")
    schema = Schema(attributes=(Categorical(name="digit", values=tuple("0123456789")),))
    joint = LabelDistribution.of(Condition.of(schema, [{"digit": str(k)} for k in range(10)]))
    (asked,) = parse_requests("digit=3|5|8", schema)
    drawn = asked.draw(joint, Stream.CONDITION.rng([5, 6, 7]))
    assert [row["digit"] for row in rows] == [row["digit"] for row in drawn.rows()]


@pytest.mark.slow
def test_an_exported_run_makes_the_runs_samples_without_pytorch(run: Run, tmp_path: Path) -> None:
    run.export("onnx", tmp_path / "run.onnx")
    sampled(tmp_path, "run.onnx", "digit=7")
    expected = run.sample("digit=7", n=3, seed=5)
    for k, picture in enumerate(expected.to_pil()):
        with Image.open(tmp_path / "out" / f"{k:06d}.png") as image:
            assert np.abs(np.asarray(image, int) - np.asarray(picture, int)).max() <= 1
