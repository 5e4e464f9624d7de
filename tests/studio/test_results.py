"""Samples that the page shows: judged, beside training data, downloaded as a data set; the origin that PNGs carry."""

import base64
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from condgen.data import Splits, load
from condgen.evaluation.judge.judge import Judge, judge_for
from condgen.imprint import imprint_of, png
from condgen.pictures import pil_image
from condgen.runs.generator import save_answers
from condgen.runs.run import Run
from condgen.runs.sampling import SamplingOptions
from tests.conftest import Command
from tests.studio.conftest import Studio


def asked(client: Any, name: str, **body: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client.post(f"/v1/{name}/sample", json=body).json()["samples"]
    return found


def encoded(x: torch.Tensor) -> list[str]:
    return [base64.b64encode(png(pil_image(image / 255))).decode() for image in x]


# ---- the judge


@pytest.fixture
def judge(digits: Splits, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Judge:
    """A judge of digits that a short evaluation left in the cache of this test."""
    monkeypatch.setenv("CONDGEN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("condgen.evaluation.judge.judge._presentations", lambda x: 20_000)
    return judge_for(digits)


def test_the_judge_reads_what_real_images_show(studio: Studio, run: Run, digits: Splits, judge: Judge) -> None:
    real = digits.test[slice(40)]
    truth, rows = real.condition, real.condition.rows()
    read = judge.read(real.x)
    body = {"samples": [{"image": i, "condition": c} for i, c in zip(encoded(real.x), rows, strict=True)]}
    answer = studio(digits=run).post("/studio/digits/judge", json=body).json()["verdicts"]
    assert [each["digit"]["asked"] for each in answer] == [row["digit"] for row in rows]
    assert [each["digit"]["read"] for each in answer] == [row["digit"] for row in read.condition.rows()]
    assert [each["digit"]["obeyed"] for each in answer] == (~read.misread("digit", truth.values["digit"])).tolist()
    sure = read.outputs["digit"].exp().amax(1).tolist()
    assert [each["digit"]["certainty"] for each in answer] == pytest.approx(sure, abs=1e-3)
    assert sum(each["digit"]["obeyed"] for each in answer) >= 30


def test_attributes_left_free_are_not_judged(studio: Studio, run: Run, digits: Splits, judge: Judge) -> None:
    body = {"samples": [{"image": encoded(digits.test.x[:1])[0], "condition": {"digit": None}}]}
    assert studio(digits=run).post("/studio/digits/judge", json=body).json() == {"verdicts": [{}]}


def test_without_a_judge_the_answer_says_how_long_one_takes(
    studio: Studio, run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CONDGEN_CACHE", str(tmp_path / "cache"))
    client = studio(digits=run)
    samples = [{"image": each["image"], "condition": each["condition"]} for each in asked(client, "digits", n=1)]
    answer = client.post("/studio/digits/judge", json={"samples": samples})
    assert answer.status_code == 409
    assert answer.json()["needs"] == "judge"
    assert answer.json()["seconds"] > 0


def test_a_model_without_data_has_no_judge(studio: Studio, run: Run, tmp_path: Path) -> None:
    client = studio(digits=run.export("weights", tmp_path / "digits.safetensors"))
    samples = [{"image": each["image"], "condition": each["condition"]} for each in asked(client, "digits", n=1)]
    answer = client.post("/studio/digits/judge", json={"samples": samples})
    assert answer.status_code == 422
    assert "data" in answer.json()["detail"]


# ---- training data


def test_the_nearest_training_image_is_found(studio: Studio, run: Run, digits: Splits) -> None:
    train = digits.train
    images = [*encoded(train.x[[5, 900]]), *encoded(train.x[[7]] // 2)]
    answer = studio(digits=run).post("/studio/digits/nearest", json={"images": images}).json()
    near = answer["nearest"]
    assert [(each["row"], each["distance"]) for each in near[:2]] == [(5, 0), (900, 0)]
    assert [each["condition"] for each in near] == train.condition[torch.tensor([e["row"] for e in near])].rows()
    apart = (train.x.double() / 255 - (train.x[[7]] // 2).double() / 255).square().mean((1, 2, 3)).sqrt()
    assert near[2]["row"] == int(apart.argmin())
    assert near[2]["distance"] == pytest.approx(float(apart.min()), abs=1e-5)
    shown = np.asarray(Image.open(io.BytesIO(base64.b64decode(near[2]["image"]))))
    assert (shown == train.x[near[2]["row"], 0].numpy()).all()
    assert 0.05 < answer["usual"] < 0.3


@pytest.mark.parametrize("image", ["", "no base64", base64.b64encode(b"no PNG").decode()])
def test_what_is_no_picture_is_refused(studio: Studio, run: Run, image: str) -> None:
    answer = studio(digits=run).post("/studio/digits/nearest", json={"images": [image]})
    assert answer.status_code == 422
    assert "PNG" in answer.json()["detail"]


# ---- data sets


def test_samples_are_downloaded_as_the_data_set_that_sampling_writes(
    studio: Studio, run: Run, command: Command, tmp_path: Path
) -> None:
    client = studio(digits=run)
    samples = asked(client, "digits", request="digit=2|5", n=3, seed=4)
    kept = [{name: each[name] for name in ("image", "seed", "condition")} for each in samples]
    answer = client.post("/studio/digits/dataset", json={"samples": kept})
    assert answer.headers["content-disposition"] == 'attachment; filename="digits-samples.zip"'
    assert answer.content == client.post("/studio/digits/dataset", json={"samples": kept}).content
    archive = zipfile.ZipFile(io.BytesIO(answer.content))
    save_answers(run, run.requests("digit=2|5"), 3, 4, tmp_path / "written")
    assert set(archive.namelist()) == {path.name for path in (tmp_path / "written").iterdir()}
    for name in ("metadata.csv", "schema.json"):
        assert archive.read(name) == (tmp_path / "written" / name).read_bytes()
    assert [archive.read(f"00000{k}.png") for k in range(3)] == [base64.b64decode(each["image"]) for each in samples]
    archive.extractall(tmp_path / "unpacked")
    assert command("inspect", tmp_path / "unpacked").status == 0


def test_vectors_are_downloaded_as_a_table(studio: Studio, points: Run) -> None:
    client = studio(points=points)
    samples = asked(client, "points", n=3)
    kept = [{name: each[name] for name in ("values", "seed", "condition")} for each in samples]
    archive = zipfile.ZipFile(io.BytesIO(client.post("/studio/points/dataset", json={"samples": kept}).content))
    assert set(archive.namelist()) == {"metadata.csv", "schema.json"}
    first = archive.read("metadata.csv").decode().splitlines()[1].split(",")
    assert [float(cell) for cell in first[:2]] == pytest.approx(samples[0]["values"][:2], rel=1e-4)
    assert (
        client.post("/studio/points/dataset", json={"samples": [{"values": [1.0], "condition": {}}]}).status_code == 422
    )


# ---- origins


def test_images_of_the_api_carry_their_request_seed_and_model(studio: Studio, flow: Run) -> None:
    samples = asked(studio(mine=flow), "mine", request=["digit=3", "digit!=3"], n=2, seed=9, guidance=2, steps=2)
    imprints = [imprint_of(base64.b64decode(each["image"])) for each in samples]
    assert imprints == [
        {
            "model": "mine",
            "fingerprint": flow.fingerprint,
            "request": text,
            "condition": each["condition"],
            "seed": seed,
            "sampling": {"guidance": 2.0, "steps": 2},
        }
        for (text, seed), each in zip(
            [("digit=3", 9), ("digit=3", 10), ("digit!=3", 9), ("digit!=3", 10)], samples, strict=True
        )
    ]


def test_images_on_disk_carry_it_too_and_load_as_before(run: Run, tmp_path: Path) -> None:
    save_answers(run, run.requests("digit=3"), 2, 5, tmp_path / "written", sampling=SamplingOptions())
    found = imprint_of((tmp_path / "written" / "000001.png").read_bytes())
    assert found == {
        "model": run.path.name,
        "fingerprint": run.fingerprint,
        "request": "digit=3",
        "condition": {"digit": "3"},
        "seed": 6,
        "sampling": {},
    }
    samples = run.sample("digit=3", n=2, seed=5)
    samples.save(tmp_path / "saved")
    plain = imprint_of((tmp_path / "saved" / "000001.png").read_bytes())
    assert plain == {name: found[name] for name in ("request", "condition", "seed", "sampling")}
    with Image.open(tmp_path / "saved" / "000001.png") as image:
        assert (np.asarray(image) == np.asarray(samples.to_pil()[1])).all()
    assert len(load(tmp_path / "written").train) > 0


def test_an_imprint_is_read_back_and_other_files_have_none() -> None:
    picture = Image.new("L", (3, 2))
    imprint = {"request": "Farbe=grün, größe>3", "seed": 1}
    assert imprint_of(png(picture, imprint)) == imprint
    assert png(picture, imprint) == png(picture, dict(imprint))
    assert imprint_of(png(picture)) is None
    assert imprint_of(b"no picture") is None
    assert json.loads(json.dumps(imprint)) == imprint
