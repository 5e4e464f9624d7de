"""Describing a model to the page, understanding requests, and counting the training examples that fit them."""

import base64
import io
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from condgen.data import Splits
from condgen.errors import RequestError
from condgen.runs.run import Run
from condgen.schema import Attribute, Categorical, Condition, Continuous, Flag, LabelDistribution, Schema, Vector
from condgen.studio import thumbnails
from condgen.studio.about import _attribute, about
from condgen.studio.labels import Labels, rarity
from condgen.studio.material import Material
from tests.serving.echo import Echo
from tests.studio.conftest import Studio


def picture(uri: str) -> np.ndarray:
    head, _, content = uri.partition(",")
    assert head in ("data:image/png;base64", "data:image/jpeg;base64")
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(content))))


def test_controls_come_from_the_schema_and_the_data(studio: Studio, run: Run, digits: Splits) -> None:
    client = studio(digits=run)
    client.app.state.studio.material(client.app.state.serving.models["digits"]).data()  # type: ignore[attr-defined]
    found = client.get("/studio/digits/about").json()
    (digit,) = found["attributes"]
    counts = digits.train.condition.values["digit"].long().bincount().tolist()
    assert (digit["name"], digit["label"], digit["kind"]) == ("digit", "Digit", "categorical")
    assert [(each["value"], each["count"]) for each in digit["values"]] == [(str(k), n) for k, n in enumerate(counts)]
    assert found["examples"] == len(digits.train)
    assert (found["family"], found["mechanism"], found["edits"]) == ("cvae", "film", True)
    assert (found["guided"], found["guidance"], found["steps"], found["samplers"]) == (False, None, None, [])
    assert {"dataset", "judge", "nearest"} <= set(found["features"])
    for each in digit["values"]:  # the pictures are training examples of these values
        rows = digits.train.x[digits.train.condition.values["digit"] == float(each["value"])][:, 0].numpy()
        assert (rows == picture(each["picture"])).all((1, 2)).any()


def test_a_guided_model_says_how_it_is_sampled(studio: Studio, flow: Run) -> None:
    found = studio(flow=flow).get("/studio/flow/about").json()
    assert (found["guided"], found["guidance"], found["steps"]) == (True, 1.0, 2)
    assert {"euler", "heun"} <= set(found["samplers"])
    assert found["can_leave_free"]


def test_pictures_are_the_model_s_own_where_its_data_is_not_at_hand(studio: Studio, run: Run, tmp_path: Path) -> None:
    weights = run.export("weights", tmp_path / "digits.safetensors")
    client = studio(digits=weights)
    found = client.get("/studio/digits/about").json()
    seven = found["attributes"][0]["values"][7]
    expected = run.sample("digit=7", n=1, seed=0).to_pil()[0]
    assert np.abs(picture(seven["picture"]).astype(int) - np.asarray(expected, dtype=int)).max() <= 1
    assert seven["count"] == round(float(run.joint.counts[7]))
    assert "judge" not in found["features"]
    assert "nearest" not in found["features"]


def test_a_run_that_may_not_read_its_data_is_shown_without(studio: Studio, run: Run, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    strange = Run(run.model, run.joint, run.info, shutil.copytree(run.path, tmp_path / "run"))
    strange.info.data["source"] = str(tmp_path / "mine")  # a folder of this machine that nobody named before
    try:
        found = studio(digits=strange).get("/studio/digits/about").json()["features"]
        assert not {"judge", "nearest"} & set(found)
    finally:
        strange.info.data["source"] = "digits"


def test_data_that_cannot_be_read_is_done_without(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise OSError("the disk is gone")

    material = Material(run)
    monkeypatch.setattr(run, "data", broken)
    assert material.data() is None
    assert "the disk is gone" in material.missing
    with pytest.raises(RequestError, match="the disk is gone"):
        material.must_have_data()


def test_numbers_are_sliders_with_a_histogram(points: Run) -> None:
    labels = Labels.of(points)
    found = about(points, "points", labels=labels, features=())
    number = next(each for each in found.attributes if each.kind == "continuous")
    assert number.histogram is not None
    assert len(number.histogram.edges) == len(number.histogram.counts) + 1
    assert (number.histogram.edges[0], number.histogram.edges[-1]) == pytest.approx((number.low, number.high))
    assert sum(number.histogram.counts) == pytest.approx(float(points.joint.counts.sum()), rel=0.01)
    assert "values" not in number.model_dump()


@pytest.mark.parametrize(
    ("a", "shown"),
    [
        (Continuous(name="age", low=0, high=80), {"label": "Age", "unit": "years", "whole": True, "log": False}),
        (Continuous(name="weight_kg", low=0, high=80), {"label": "Weight", "unit": "kg"}),
        (Continuous(name="Price (€)", low=1, high=80, scale="log"), {"label": "Price", "unit": "€", "log": True}),
        (Flag(name="Mouth_Slightly_Open"), {"label": "Mouth slightly open", "kind": "flag"}),
        (Vector(name="emb", mean=(0.0, 1.0), scale=(1.0, 1.0)), {"size": 2}),
    ],
)
def test_attributes_are_shown_as_people_write_them(a: Attribute, shown: dict[str, Any]) -> None:
    value = "yes" if a.choices else "1 2" if a.shape else "3"
    joint = LabelDistribution.of(Condition.of(Schema(attributes=(a,)), [{a.name: value}, {a.name: value}]))  # type: ignore[arg-type]
    found = _attribute(a, Labels(joint.rows, joint.counts, exact=True), {}).model_dump()
    assert found == found | shown
    assert set(found) <= {"name", "label", "kind", "values", *shown, "low", "high", "histogram", "log", "whole", "unit"}


def test_a_model_of_unknown_labels_is_described_too(studio: Studio, echo: Echo) -> None:
    found = studio(echo=echo).get("/studio/echo/about").json()
    assert found["examples"] is None
    assert found["features"] == ["dataset"]
    assert found["attributes"][0]["values"][3]["count"] is None


# ---- pictures of values


def test_the_picture_of_a_value_is_otherwise_typical(people: Schema) -> None:
    rows = [
        {"color": "red", "Eyeglasses": "no", "age": 40},
        {"color": "red", "Eyeglasses": "no", "age": 41},
        {"color": "red", "Eyeglasses": "yes", "age": 79},
        {"color": "green", "Eyeglasses": "yes", "age": 40},
        {"color": "red", "Eyeglasses": "yes", "age": 40},
        {"color": "red", "Eyeglasses": "no", "age": None},
    ]
    chosen = dict(thumbnails._examples(Condition.of(people, rows)))
    assert chosen[("Eyeglasses", "yes")] == 4  # red and of the usual age
    assert chosen[("color", "green")] == 3
    assert ("color", "blue") not in chosen


# ---- requests


@pytest.mark.parametrize(
    ("asked", "terms", "examples"),
    [
        ("a 7", {"digit": "7"}, lambda counts: counts[7]),
        ({"digit": [3, 4]}, {"digit": ["3", "4"]}, lambda counts: counts[3] + counts[4]),
        ("not a 3", {"digit": {"not": "3"}}, lambda counts: sum(counts) - counts[3]),
        (
            {"digit": {"not": [3, 4]}},
            {"digit": {"not": ["3", "4"]}},
            lambda counts: sum(counts) - sum(counts[3:5]),
        ),
        ("", {}, sum),
    ],
)
def test_words_become_terms_that_stand_for_the_same(
    studio: Studio, run: Run, asked: Any, terms: Any, examples: Any
) -> None:
    client = studio(digits=run)
    found = client.post("/studio/digits/understand", json={"request": asked}).json()
    (only,) = found["requests"]
    assert only["terms"] == terms
    assert found["examples"] == examples(run.joint.counts.int().tolist())
    again = client.post("/studio/digits/understand", json={"request": terms}).json()["requests"][0]
    assert (again["text"], again["terms"]) == (only["text"], terms)


def test_several_requests_are_understood_and_not_counted(studio: Studio, run: Run) -> None:
    found = studio(digits=run).post("/studio/digits/understand", json={"request": "digit=*"}).json()
    assert [each["terms"]["digit"] for each in found["requests"]] == list("0123456789")
    assert found["examples"] is None


def test_what_is_not_understood_is_explained(studio: Studio, run: Run) -> None:
    answer = studio(digits=run).post("/studio/digits/understand", json={"request": "a purple 7"})
    assert answer.status_code == 200  # whoever types has not finished yet
    unclear = answer.json()["unclear"]
    assert "purple" in unclear["detail"]
    assert unclear["words"] == ["purple"]
    wrong = studio(digits=run).post("/studio/digits/understand", json={"request": {"digit": "11"}})
    assert wrong.status_code == 422
    assert "11" in wrong.json()["detail"]


SCHEMA = Schema(
    attributes=(
        Categorical(name="color", values=("red", "blue")),
        Flag(name="hat"),
        Continuous(name="age", low=0, high=100),
        Continuous(name="price", low=1, high=10_000, scale="log"),
    )
)


def labels(*rows: tuple[Any, ...]) -> Labels:
    joint = LabelDistribution.of(Condition.of(SCHEMA, [dict(zip(SCHEMA.names, row, strict=True)) for row in rows]))
    return Labels(joint.rows, joint.counts, exact=True)


@pytest.mark.parametrize(
    ("asked", "examples"),
    [
        ("color=red", 3),
        ("color=red, hat=yes", 1),
        ("hat=no", 1),  # where it is not known it is not counted
        ("age=30", 2),  # 28 and 34: within a twentieth of the range
        ("age=30..33", 0),  # a range means its ends
        ("age=20..40", 2),
        ("price=1000", 1),  # 800 is near on the logarithmic scale
        ("price=100", 0),
        ("color=blue, age=28", 0),
    ],
)
def test_examples_near_a_number_count(asked: str, examples: int) -> None:
    from condgen.requests.request import parse_requests

    known = labels(("red", "yes", 28, 10), ("red", "no", 34, 800), ("red", None, 60, 10), ("blue", None, None, 5_000))
    assert known.fitting(parse_requests(asked, SCHEMA)[0]) == examples
    assert known.total == 4
    assert Labels(known.rows, known.counts, exact=False).fitting(parse_requests(asked, SCHEMA)[0]) is None


@pytest.mark.parametrize(
    ("examples", "total", "part"),
    [
        (None, 100, None),
        (5, None, None),
        (50, 100, None),
        (49, 8_000, "49 training"),
        (1, 2, "1 training"),
        (0, 9, "No "),
    ],
)
def test_rare_requests_have_a_note(examples: int | None, total: int | None, part: str | None) -> None:
    note = rarity(examples, total)
    assert (note is None) if part is None else part in str(note)
