"""The studio on an exported model, where PyTorch is not installed."""

import base64
import io
import json
import zipfile
from pathlib import Path

import pytest

from condgen.runs.run import Run
from condgen.runtime.generator import OnnxGenerator
from condgen.studio.labels import Labels
from tests.export.untrained import untrained
from tests.test_without_pytorch import without_pytorch

ASKING = """
import base64, json
from starlette.testclient import TestClient
from condgen.studio.app import create_studio
with TestClient(create_studio({"digits": "digits.onnx"}, watch=None), base_url="http://127.0.0.1:8000") as client:
    shown = client.get("/studio/models").json()
    about = client.get("/studio/digits/about").json()
    understood = client.post("/studio/digits/understand", json={"request": "a 7"}).json()
    samples = client.post("/v1/digits/sample", json={"request": "a 7", "n": 2}).json()["samples"]
    kept = [{name: each[name] for name in ("image", "seed", "condition")} for each in samples]
    archive = client.post("/studio/digits/dataset", json={"samples": kept}).content
    first = {name: kept[0][name] for name in ("image", "condition")}
    judged = client.post("/studio/digits/judge", json={"samples": [first]})
    way = client.post("/studio/digits/interpolate", json={"from": {"seed": 1}, "to": {"seed": 2}, "steps": 3}).json()
    shares = client.get("/studio/digits/directions").json()["shares"]
    inside = [client.post("/studio/digits/film", json={}).json(), client.get("/studio/digits/latents").json()]
told = [shown, about, understood, base64.b64encode(archive).decode(), judged.json(), way, shares, inside]
print(json.dumps(told))
"""


@pytest.mark.slow
def test_an_exported_model_is_shown_with_what_it_can_do(run: Run, tmp_path: Path) -> None:
    run.export("onnx", tmp_path / "digits.onnx")
    done = without_pytorch(ASKING, tmp_path)
    assert done.returncode == 0, done.stderr
    shown, about, understood, archive, judged, way, shares, inside = json.loads(done.stdout)
    assert shown["models"][0]["features"] == about["features"] == ["dataset", "interpolate"]
    assert (len(way["samples"]), len(shares)) == (3, 4)
    assert [each["status"] for each in inside] == [422, 422]
    assert not shown["trains"]
    (digit,) = about["attributes"]
    assert [each["count"] for each in digit["values"]] == run.joint.counts.int().tolist()
    assert all(each["picture"].startswith("data:image/png;base64,") for each in digit["values"])
    assert (about["family"], about["edits"], about["examples"]) == ("cvae", True, sum(run.joint.counts.int().tolist()))
    assert understood["requests"][0]["terms"] == {"digit": "7"}
    assert "000001.png" in zipfile.ZipFile(io.BytesIO(base64.b64decode(archive))).namelist()
    assert judged["status"] == 422


@pytest.mark.parametrize(("family", "known"), [("infogan", False), ("cgan", True)])
def test_codes_that_an_exported_model_discovered_are_no_labels(family: str, known: bool, tmp_path: Path) -> None:
    model = OnnxGenerator.open(untrained(family).export("onnx", tmp_path / "model.onnx"))
    assert (Labels.of(model) is not None) == known
