"""Ways between samples, directions of the noise, FiLM and the map of latents, as the page asks for them."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from condgen.runs.directions import directions
from condgen.runs.run import Run
from condgen.runtime.generator import OnnxGenerator
from tests.runs.conftest import exported
from tests.serving.echo import Echo
from tests.studio.conftest import Studio

__all__ = ["exported"]


def pixels(image: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(image))), dtype=int)


def made(run: Run, asked: str, seed: int) -> np.ndarray:
    return np.asarray(run.sample(asked, n=1, seed=seed).to_pil()[0], dtype=int)


def test_the_page_knows_what_a_model_shows(studio: Studio, run: Run, points: Run, echo: Echo) -> None:
    client = studio(digits=run, echo=echo, points=points)
    first, second, _ = client.get("/studio/models").json()["models"]
    assert {"interpolate", "latents", "film"} <= set(first["features"])
    assert {"interpolate", "latents", "film"}.isdisjoint(second["features"])
    assert "film" not in client.get("/studio/points/about").json()["features"]  # its layers make no pictures
    refused = client.post("/studio/echo/interpolate", json={"from": {}, "to": {}})
    assert refused.status_code == 422
    assert "another server" in refused.json()["detail"]


def test_an_exported_model_shows_ways_and_directions_alone(studio: Studio, exported: OnnxGenerator, run: Run) -> None:
    client = studio(file=exported, digits=run)
    features = client.get("/studio/file/about").json()["features"]
    assert "interpolate" in features
    assert {"latents", "film"}.isdisjoint(features)
    ends = {"from": {"request": "digit=3", "seed": 5}, "to": {"request": "digit=8"}, "steps": 3}
    ours, theirs = (
        client.post(f"/studio/{name}/interpolate", json=ends).json()["samples"] for name in ("digits", "file")
    )
    for one, other in zip(ours, theirs, strict=True):
        assert np.abs(pixels(one["image"]) - pixels(other["image"])).max() <= 2
    assert len(client.get("/studio/file/directions").json()["shares"]) == 4
    film, latents = client.post("/studio/file/film", json={}), client.get("/studio/file/latents")
    assert (film.status_code, latents.status_code) == (422, 422)
    assert "no layers with γ and β" in film.json()["detail"]
    assert "no latents" in latents.json()["detail"]


def test_a_way_leads_from_one_sample_to_the_other(studio: Studio, run: Run) -> None:
    ends = {"from": {"request": {"digit": 3}, "seed": 5}, "to": {"request": "digit=8", "seed": 7}}
    frames = studio(digits=run).post("/studio/digits/interpolate", json={**ends, "steps": 4}).json()["samples"]
    assert len({each["image"] for each in frames}) == 4
    assert np.abs(pixels(frames[0]["image"]) - made(run, "digit=3", 5)).max() <= 1
    assert np.abs(pixels(frames[-1]["image"]) - made(run, "digit=8", 7)).max() <= 1
    assert [each["condition"]["digit"] for each in frames] == ["3", None, None, "8"]


def test_a_wrong_way_is_refused_in_a_sentence(studio: Studio, run: Run) -> None:
    client = studio(digits=run)
    for ends, part in (({"request": "digit=*"}, "10 requests"), ({"request": "colour=red"}, "colour")):
        answer = client.post("/studio/digits/interpolate", json={"from": ends, "to": {}})
        assert answer.status_code == 422
        assert part in answer.json()["detail"]
    how = client.post("/studio/digits/interpolate", json={"from": {}, "to": {}, "how": {"guidance": 3}})
    assert "takes no guidance" in how.json()["detail"]
    long = client.post("/studio/digits/interpolate", json={"from": {}, "to": {}, "how": {"steps": 201}})
    assert "takes 200 steps at most" in long.json()["detail"]


def test_guidance_acts_on_a_part_of_a_way_and_of_a_direction(studio: Studio, flow: Run) -> None:
    client = studio(pixels=flow)
    part = {"guidance": 4, "interval": [0.2, 0.8], "steps": 2}
    way = {"from": {"request": "digit=3"}, "to": {"request": "digit=8"}, "steps": 2}
    cells = [{"request": "digit=3", "along": {"0": 1}}]
    for path, body in (("interpolate", way), ("along", {"cells": cells})):
        ways = [
            client.post(f"/studio/pixels/{path}", json={**body, "how": how})
            for how in (part, part | {"interval": None})
        ]
        assert [each.status_code for each in ways] == [200, 200], ways[0].text
        assert ways[0].json() != ways[1].json()
        wrong = client.post(f"/studio/pixels/{path}", json={**body, "how": part | {"interval": [0.8, 0.2]}})
        assert wrong.status_code == 422
        assert "0.2..0.8" in wrong.json()["detail"]


def test_samples_move_along_directions(studio: Studio, run: Run, flow: Run) -> None:
    client = studio(digits=run, pixels=flow)
    shares = client.get("/studio/digits/directions").json()["shares"]
    np.testing.assert_allclose(shares, directions(run).shares)
    cells = [{"request": {"digit": 3}, "seed": 5, "along": along} for along in ({}, {"0": 2}, {"0": -2})]
    still, there, back = (
        pixels(each["image"]) for each in client.post("/studio/digits/along", json={"cells": cells}).json()["samples"]
    )
    assert np.abs(still - made(run, "digit=3", 5)).max() <= 1
    assert np.abs(there - back).max() > np.abs(there - still).max() > 3
    beyond = client.post("/studio/digits/along", json={"cells": [{"along": {"60": 1}}]})
    assert beyond.status_code == 422
    assert "none is 60" in beyond.json()["detail"]


def test_noise_of_large_images_has_no_directions(studio: Studio, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("condgen.runs.directions.MOST_NUMBERS", 3)
    found = studio(digits=run).get("/studio/digits/directions").json()
    assert found["shares"] == []
    assert "at most 3" in found["note"]


def test_film_shows_each_layer(studio: Studio, run: Run) -> None:
    body = {"request": {"digit": 3}, "versus": {"digit": 8}, "seed": 5}
    found = studio(digits=run).post("/studio/digits/film", json=body).json()
    assert np.abs(pixels(found["samples"][0]["image"]) - made(run, "digit=3", 5)).max() <= 1
    assert np.abs(pixels(found["samples"][1]["image"]) - made(run, "digit=8", 5)).max() <= 1
    stem = found["layers"][0]
    assert stem["name"] == "decoder.stem"
    for silent, plain, effect in zip(stem["silent"], found["samples"], stem["effect"], strict=True):
        changed = np.abs(pixels(silent) - pixels(plain["image"])).mean() / 255
        assert changed == pytest.approx(effect, abs=0.01)
        assert effect > 0.001
    for exchanged, plain in zip(stem["exchanged"], found["samples"], strict=True):
        assert np.abs(pixels(exchanged) - pixels(plain["image"])).max() > 3
    assert {len(side) for side in (*stem["scale"], *stem["shift"])} == {len(stem["scale"][0])}


def test_the_map_shows_held_out_examples(studio: Studio, run: Run, unconditional: Run) -> None:
    client = studio(digits=run, plain=unconditional)
    found = client.get("/studio/digits/latents?attribute=digit").json()
    points = {told: each["points"] for told, each in found["maps"].items()}
    assert {told: len(each) for told, each in points.items()} == dict.fromkeys(("told", "untold"), len(found["values"]))
    assert found["maps"]["untold"]["reads"] > found["maps"]["told"]["reads"]
    assert set(found["values"]) == {str(k) for k in range(10)}
    sheet = Image.open(io.BytesIO(base64.b64decode(found["pictures"]["image"].partition(",")[2])))
    data = run.data().test
    side, columns = found["pictures"]["side"], found["pictures"]["columns"]
    k = found["examples"][30]
    thumbnail = sheet.crop(
        [k % columns * side, k // columns * side, (k % columns + 1) * side, (k // columns + 1) * side]
    )
    seen = np.asarray(thumbnail.convert("L").resize((8, 8), Image.Resampling.BOX), dtype=int)
    assert np.abs(seen - data.x[k, 0].numpy().astype(int)).mean() < 12
    other = client.get("/studio/digits/latents?attribute=digit&telling=true").json()
    assert other["maps"]["told"]["points"] != points["told"]
    assert [*client.get("/studio/plain/latents?attribute=digit").json()["maps"]] == ["told"]
    assert client.get("/studio/digits/latents?attribute=colour").status_code == 422
