"""The addresses about given images: whether a model can change them, and what it sees in them."""

import base64
import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from condgen.data import Splits
from condgen.imprint import imprint_of
from condgen.runs.run import Run
from tests.serving.echo import Echo
from tests.studio.conftest import Studio


def upload(image: Image.Image, name: str = "photo.png") -> tuple[str, tuple[str, bytes, str]]:
    file = io.BytesIO()
    image.save(file, "PNG")
    return "image", (name, file.getvalue(), "image/png")


def seven(data: Splits) -> Image.Image:
    """A photograph of a 7: large, in colour, with a margin that is cropped."""
    x = data.test.x[int((data.test.condition.values["digit"] == 7).nonzero()[0])]
    large = Image.fromarray(np.asarray(x[0])).resize((80, 80), Image.Resampling.NEAREST)
    photo = Image.new("RGB", (120, 80))
    photo.paste(large, (20, 0))
    return photo


def test_images_are_shown_as_the_model_takes_them_and_read(studio: Studio, run: Run, digits: Splits) -> None:
    answer = studio(digits=run).post("/studio/digits/look", files=[upload(seven(digits))] * 2)
    assert answer.status_code == 200, answer.text
    first, second = answer.json()["seen"]
    content = base64.b64decode(first["image"])
    assert Image.open(io.BytesIO(content)).size == run.shape[:0:-1]
    assert imprint_of(content) is None  # nobody made it
    assert first == second
    assert first["condition"] == {"digit": "7"}
    assert answer.json()["note"] is None


def test_a_model_that_cannot_read_says_so_and_shows_the_images_all_the_same(
    studio: Studio, run: Run, digits: Splits, monkeypatch: pytest.MonkeyPatch
) -> None:
    def blind(*_: Any, **__: Any) -> Any:
        from condgen.errors import RequestError

        raise RequestError("It has no likelihood.")

    monkeypatch.setattr(Run, "read", blind)
    answer = studio(digits=run).post("/studio/digits/look", files=[upload(seven(digits))]).json()
    assert answer["seen"][0]["condition"] == {"digit": None}
    assert answer["seen"][0]["image"]
    assert answer["note"] == "It has no likelihood."


def test_the_page_learns_whether_and_how_a_model_edits(
    studio: Studio, run: Run, flow: Run, points: Run, echo: Echo
) -> None:
    client = studio(digits=run, flow=flow, points=points, echo=echo)
    told = {name: client.get(f"/studio/{name}/editing").json() for name in ("digits", "flow", "points", "echo")}
    assert told["digits"] == {"why_not": None, "strength": 1.5}
    assert told["flow"] == {"why_not": None, "strength": 1}
    assert "vectors" in told["points"]["why_not"]
    assert told["echo"]["why_not"] == "This model cannot edit."


def test_what_is_no_image_is_named_and_models_that_do_not_edit_look_at_nothing(
    studio: Studio, run: Run, points: Run
) -> None:
    client = studio(digits=run, points=points)
    wrong = client.post("/studio/digits/look", files=[("image", ("notes.txt", b"hello", "text/plain"))])
    assert (wrong.status_code, "notes.txt" in wrong.json()["detail"]) == (422, True)
    many = [upload(Image.new("L", (8, 8)), f"{k}.png") for k in range(70)]
    assert "at once" in client.post("/studio/digits/look", files=many).json()["detail"]
    assert "vectors" in client.post("/studio/points/look", files=many[:1]).json()["detail"]
