"""An exported model is served where PyTorch is not installed."""

import base64
import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from condgen.pictures import pil_image
from condgen.runs.run import Run
from tests.test_without_pytorch import without_pytorch

ASKING = """
import base64, json
from starlette.testclient import TestClient
from condgen.serving import create_app
with TestClient(create_app({"digits": "digits.onnx"}, watch=None)) as client:
    answer = client.post("/v1/digits/sample", json={"request": "a 7", "n": 3, "seed": 5}).json()
    image = [("image", ("0.png", base64.b64decode(answer["samples"][0]["image"])))]
    edited = client.post("/v1/digits/edit", files=image, data={"request": "digit=1", "source": "digit=7"}).json()
    read = client.post("/v1/digits/edit", files=image, data={"request": "digit=1"}).json()
print(json.dumps([answer, edited, read]))
"""


@pytest.mark.slow
def test_an_exported_model_answers_without_pytorch(run: Run, tmp_path: Path) -> None:
    run.export("onnx", tmp_path / "digits.onnx")
    done = without_pytorch(ASKING, tmp_path)
    assert done.returncode == 0, done.stderr
    answer, edited, read = json.loads(done.stdout)
    for sample, expected in zip(answer["samples"], run.sample("digit=7", n=3, seed=5).x, strict=True):
        shown = np.asarray(Image.open(io.BytesIO(base64.b64decode(sample["image"]))), dtype=np.int16)
        assert np.abs(shown - np.asarray(pil_image(expected), dtype=np.int16)).max() <= 1
    assert edited["samples"][0]["condition"] == {"digit": "1"}
    assert edited["sources"] == [{"digit": "7"}]
    assert "`source`" in read["detail"] or '`"source"`' in read["detail"]
