"""What is recommended for data, and that it can be trained as it is."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from condgen.data import Dataset, Splits, load, load_source, sources
from condgen.data.source import AtMost
from condgen.data.storage.prepare import prepare, target
from condgen.data.synthetic.cars import Cars
from condgen.data.synthetic.shapes import Shapes
from condgen.errors import RequestError
from condgen.models import build
from condgen.progress import SILENT, Silent
from condgen.recommendation import Recommendation, check_settings, in_time, recommend, timed
from condgen.runs.arguments import split_arguments
from condgen.runs.train import _for_the_time, recommended, train, with_recommendation
from condgen.schema import Categorical, Condition, Continuous, Flag, Schema

DIGIT = Schema(attributes=(Categorical(name="digit", values=("0", "1", "2")),))
SIDED = Schema(attributes=(Flag(name="left", unsafe=("flip",)),))
KIND = Schema(attributes=(Categorical(name="kind", values=("0", "1", "2")),))
FACING = Schema(attributes=(Categorical(name="view", values=("from the left", "from the right")),))
ANGLED = Schema(attributes=(Categorical(name="Camera_Angle", values=("1", "2")),))
PLACING = Schema(attributes=(Continuous(name="x", low=0, high=2), Continuous(name="y", low=0, high=2)))
NONE = Schema(attributes=())

# shape, examples, schema, share labelled → model, size, images, some arguments
CASES: dict[str, tuple[Any, ...]] = {
    "a wine list": ((13,), 142, DIGIT, 1.0, "flow", None, 30_000, {"channels": 64, "depth": 3}),
    "a table": ((4,), 4_500, DIGIT, 1.0, "flow", None, 900_000, {"channels": 128, "lr": 3e-3}),
    "a long table": ((4,), 10**6, DIGIT, 1.0, "flow", None, 3_000_000, {"batch": 512}),
    "a table without attributes": ((4,), 4_500, NONE, 0.0, "gan", None, 900_000, {"channels": 128}),
    "8×8 digits": ((1, 8, 8), 1_527, DIGIT, 1.0, "projection", None, 230_000, {"channels": 32, "depth": 1, "r1": 0.5}),
    "MNIST": ((1, 28, 28), 55_000, DIGIT, 1.0, "projection", None, 640_000, {"channels": 64, "depth": 2, "r2": 0.5}),
    "hardly any of 32×32": ((3, 32, 32), 540, DIGIT, 1.0, "projection", None, 160_000, {"channels": 32, "depth": 1}),
    "few of 28×28": ((1, 28, 28), 2_000, DIGIT, 1.0, "projection", None, 600_000, {"channels": 32, "depth": 1}),
    "few labels": ((1, 28, 28), 9_000, DIGIT, 0.1, "flow", None, 640_000, {"guidance": 2.0}),
    "small, no attributes": ((1, 8, 8), 1_527, NONE, 0.0, "gan", None, 230_000, {"r1": 0.5}),
    "faces": ((3, 64, 64), 9_000, KIND, 1.0, "projection", None, 240_000, {"flip": True, "batch": 32, "r1": 0.5}),
    "cars": ((3, 64, 64), 7_344, KIND, 1.0, "projection", None, 200_000, {"flip": True, "r1": 1.0, "r2": 1.0}),
    "photographs": ((3, 200, 200), 9_000, KIND, 1.0, "projection", 64, 240_000, {"flip": True}),
    "wide photographs": ((3, 48, 96), 9_000, KIND, 1.0, "projection", 64, 240_000, {}),
    "sides that matter": ((3, 64, 64), 9_000, SIDED, 1.0, "projection", None, 240_000, {"flip": False}),
    "sides by a value's words": ((3, 64, 64), 9_000, FACING, 1.0, "projection", None, 240_000, {"flip": False}),
    "house numbers": ((3, 64, 64), 9_000, DIGIT, 1.0, "projection", None, 240_000, {"flip": False}),
    "sides by a name": ((3, 64, 64), 9_000, ANGLED, 1.0, "projection", None, 240_000, {"flip": False}),
    "places": ((3, 64, 64), 9_000, PLACING, 1.0, "projection", None, 240_000, {"flip": False}),
    "small places": ((3, 32, 32), 9_000, PLACING, 1.0, "projection", None, 240_000, {"batch": 32, "flip": False}),
    "scans": ((1, 64, 64), 9_000, DIGIT, 1.0, "projection", None, 240_000, {"flip": False}),
    "few photographs": ((3, 64, 64), 400, KIND, 1.0, "projection", None, 50_000, {}),
    "photographs, no attributes": ((3, 64, 64), 9_000, NONE, 0.0, "gan", None, 240_000, {"flip": True}),
}


class Said(Silent):
    """Keeps what a person would read."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


def rows(schema: Schema, n: int) -> Condition:
    some = {a.name: a.choices[-1] if a.choices else "1" for a in schema}
    return Condition.of(schema, [some for _ in range(n)])


STEP = 1.5  # seconds


def ticking() -> Callable[[], float]:
    """A clock by which a step takes longer than the whole time of measuring."""
    return partial(next, count(0.0, STEP))


def advised(name: str) -> Recommendation:
    shape, examples, schema, labelled = CASES[name][:4]
    return recommend(shape, examples, schema, labelled)


@pytest.mark.parametrize("name", CASES)
def test_the_rules(name: str) -> None:
    found = advised(name)
    model, size, images, some = CASES[name][4:]
    assert (found.model, found.size, found.images) == (model, size, images)
    assert some.items() <= found.arguments.items()
    assert model in found.sentence
    assert f"{images:,}" in found.sentence


@pytest.mark.parametrize("name", CASES)
def test_a_recommendation_can_be_trained_as_it_is(name: str) -> None:
    shape, _, schema = CASES[name][:3]
    found = advised(name)
    x = torch.zeros(2, *found.shape, dtype=torch.uint8 if len(shape) == 3 else torch.float32)
    part = Dataset(x, rows(schema, 2))
    arguments = found.preset | {"channels": 4}
    for_model, for_training = split_arguments(arguments.pop("model"), arguments, Splits(part, part, part))
    assert for_training["images"] == found.images
    assert build(found.model, schema, found.shape, **for_model).shape == found.shape


@pytest.mark.parametrize(
    ("sides", "patch"), [((128, 128), 8), ((256, 256), 16), ((96, 128), 8), ((200, 200), 8), ((100, 100), 4)], ids=str
)
def test_a_size_that_was_chosen_stays_and_is_seen_in_larger_patches(sides: tuple[int, int], patch: int) -> None:
    found = recommend((3, *sides), 9_000, KIND, chosen=True)
    assert (found.size, found.shape, found.arguments["patch"]) == (None, (3, *sides), patch)
    assert "stay coarse for long" in found.sentence
    brought = recommend((3, *sides), 9_000, KIND)
    assert (brought.size, brought.shape) == (64, (3, 64, 64))
    assert "patch" not in brought.arguments
    assert "coarse" not in brought.sentence
    for_model = {k: v for k, v in found.arguments.items() if k in ("patch", "mechanism", "r1")}
    assert build(found.model, KIND, found.shape, channels=4, **for_model).shape == found.shape


def test_small_pictures_in_which_numbers_place_things_are_no_promise() -> None:
    assert "expect blurred outlines" in advised("small places").sentence
    assert "blurred" not in advised("MNIST").sentence


def test_the_built_in_cars_face_to_a_side() -> None:
    assert not any(recommend((3, 64, 64), 8_000, world().schema).arguments["flip"] for world in (Cars, Shapes))


def test_the_time_is_that_of_a_few_steps() -> None:
    found = timed(advised("a wine list"), DIGIT, rows(DIGIT, 5), ticking())
    assert found.seconds == pytest.approx(30_000 / 128 * STEP)
    assert "about 5.9 minutes on this machine" in found.sentence
    assert found.as_dict()["seconds"] == found.seconds


def test_the_time_of_pictures_some_without_labels() -> None:
    condition = Condition.of(DIGIT, [{"digit": "1"}, {}])
    found = timed(recommend((1, 8, 8), 1_527, DIGIT), DIGIT, condition, ticking())
    assert found.seconds == pytest.approx(230_000 / 128 * STEP)


# ---- for little time


def small(name: str) -> Recommendation:
    """What is recommended, of a size whose steps are quick."""
    return replace(advised(name), arguments={**advised(name).arguments, "channels": 4, "depth": 1, "batch": 8})


def for_images(name: str, images: int) -> Recommendation:
    """The recommendation for the time in which so many are seen."""
    schema = CASES[name][2]
    return in_time(small(name), images / 8 * STEP, schema, rows(schema, 5), ticking())


@pytest.mark.parametrize("name", ["MNIST", "8×8 digits", "faces"])
def test_for_little_time_a_model_is_recommended_that_learns_sooner(name: str) -> None:
    """Adversaries show 13 % of MNIST as asked after 20 seconds, a CVAE 98 %."""
    assert for_images(name, 90_000) == small(name)
    found = for_images(name, 20_000)
    assert (found.model, found.arguments["prior"]) == ("cvae", "flow")
    assert found.arguments.get("flip", False) == advised(name).arguments.get("flip", False)
    assert found.reason == "A CVAE learns sooner. With about 3.1 hours or more: projection."


@pytest.mark.parametrize("name", ["a table", "few labels", "small, no attributes"])
def test_other_models_are_recommended_for_any_time(name: str) -> None:
    assert in_time(advised(name), 1.0, CASES[name][2], rows(CASES[name][2], 5), ticking()) == advised(name)


def test_training_goes_by_the_time_that_is_given(tmp_path: Path, digits: Splits) -> None:
    said = Said()
    tiny: dict[str, Any] = {"channels": 4, "previews": 0, "seconds": 0.5}
    run = train(digits, tmp_path / "run", **tiny, progress=said)
    assert run.info.recipe["model"] == "cvae"
    assert any(line.startswith("Recommended for this time: cvae at 8×8. A CVAE learns sooner.") for line in said.notes)
    again = train(digits, tmp_path / "run", **tiny, resume=True, progress=SILENT)  # whatever the pace is now
    assert again.fingerprint == run.fingerprint
    held = train(digits, tmp_path / "held", **tiny, r1=1.0, progress=SILENT)
    assert held.info.recipe["model"] == "projection"  # which alone has what was asked for


def test_settings_that_no_recommended_model_has_fail_before_the_data_is_loaded() -> None:
    check_settings({"channels": 4, "latent": 2, "lr": 0.1})
    with pytest.raises(RequestError, match="Did you mean channels"):
        check_settings({"chanels": 4})
    with pytest.raises(RequestError, match="lr=-1"):
        check_settings({"lr": -1})


def test_settings_of_the_model_for_little_time_count_if_a_time_is_given(digits: Splits) -> None:
    check_settings({"prior": "flow", "likelihood": "laplace", "seconds": 20.0})
    with pytest.raises(RequestError, match="prior"):
        check_settings({"prior": "flow", "images": 1000})
    found = _for_the_time(recommended(digits), digits, {"prior": "flow", "seconds": 1e6}, None)  # time for the GAN, too
    assert (found.model, found.reason) == ("cvae", "The recommended GAN (projection) has no `prior`; a CVAE has.")
    assert (
        _for_the_time(recommended(digits), digits, {"prior": "flow", "r1": 1.0, "seconds": 1.0}, None).model != "cvae"
    )


def test_training_without_a_model_takes_the_recommended_one(tmp_path: Path, digits: Splits) -> None:
    said = Said()
    run = train(digits, tmp_path / "run", images=64, channels=4, previews=0, progress=said)
    assert run.info.recipe["model"] == "projection"
    assert run.info.recipe["arguments"]["r1"] == 0.5
    assert run.info.recipe["arguments"]["channels"] == 4
    assert (run.info.training["lr"], run.info.training["images"]) == (2e-3, 64)
    assert any("projection at 8×8, for as long as asked" in line for line in said.notes)


def test_data_and_folder_may_be_named_and_the_model_left_out(tmp_path: Path, digits: Splits) -> None:
    tiny: dict[str, Any] = {"images": 64, "channels": 4, "previews": 0, "progress": SILENT}
    assert train(data=digits, out=tmp_path / "a", **tiny).info.recipe["model"] == "projection"
    assert train(digits, out=tmp_path / "b", **tiny).info.recipe["model"] == "projection"
    assert train("cgan", digits, out=tmp_path / "c", **tiny).info.recipe["model"] == "cgan"
    assert train(digits, tmp_path / "d", model="cgan", **tiny).info.recipe["model"] == "cgan"
    with pytest.raises(TypeError, match=r"train\(data, out\)"):
        train(digits, **tiny)  # type: ignore[call-overload]


def test_a_largest_size_leaves_smaller_pictures_as_they_are() -> None:
    assert target([(32, 48)] * 3, AtMost(64), "crop") == target([(32, 48)] * 3, None, "crop") == ((32, 48), [])
    assert target([(80, 48)] * 3, AtMost(64), "pad")[0] == (64, 64)
    assert AtMost(64).settled((3, 48, 32)) is None
    assert AtMost(64).settled((5,)) is None


def test_training_takes_data_at_the_recommended_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for k in range(40):
        Image.new("RGB", (80, 80), (6 * k, 0, 0)).save(tmp_path / f"{k}.png")
    (tmp_path / "metadata.csv").write_text("file_name,red\n" + "".join(f"{k}.png,{k % 2}\n" for k in range(40)))
    prepared: list[object] = []
    monkeypatch.setattr(sources, "prepare", lambda *given, **how: prepared.append(given) or prepare(*given, **how))
    data, advised = with_recommendation(str(tmp_path), SILENT)
    assert advised.shape == (3, 64, 64)
    assert len(prepared) == 1  # every picture is brought to that size once
    assert data.source.size == 64
    assert load_source(data.source).train.fingerprint == data.train.fingerprint
    assert "Images of up to 80×80 were cropped and resized to 64×64 (`size`, `resize`)." in data.notes
    loaded = load(str(tmp_path))
    same, advised = with_recommendation(loaded, SILENT)
    assert same is loaded
    assert advised.shape == (3, 80, 80)
