import json
import re
from base64 import b64decode
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest
import torch
from PIL import Image

from condgen.data import Dataset, DataSource, Splits
from condgen.inspection import inspect
from condgen.inspection.labels import LabelCheck, Suspect
from condgen.pages.inspection import inspection_page
from condgen.pages.inspection_files import as_json
from condgen.schema import Categorical, Condition, Continuous, Flag, Schema
from tests.browser import Page, in_browser
from tests.pages.looks import check_looks
from tests.pages.test_report import HOSTILE, read


def people(n: int = 120) -> Splits:
    """Images with an attribute of each kind, copies across the splits, and a name that is no HTML."""
    schema = Schema(
        attributes=(
            Categorical(name="hair", values=("grey", "brown", HOSTILE)),
            Flag(name="glasses"),
            Continuous(name="age", low=0, high=80),
        )
    )
    k = torch.arange(n)
    values = {"hair": (k % 3).float(), "glasses": (k % 3 == 0).float(), "age": (k % 81).float()}
    present = torch.ones(n, 3, dtype=torch.bool)
    present[:7, 2] = False
    x = torch.randint(0, 256, (n, 3, 12, 12), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    x[n - 1] = x[0]
    data = Dataset(x, Condition(schema, values, present))
    parts = Splits(data[: n - 20], data[n - 20 : n - 10], data[n - 10 :])
    return parts.loaded_from(DataSource("faces & more"))


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    suspects = (Suspect(3, "grey", "brown", 0.9), Suspect(5, "brown", "grey", 0.8))
    check = LabelCheck("hair", 120, 0.1, 0.8, 0.34, ("grey", "brown", HOSTILE), (), suspects, 2)
    path = tmp_path_factory.mktemp("pages") / "inspection.html"
    path.write_text(inspection_page(inspect(people()), (check,)), encoding="utf-8")
    return path


def test_every_tag_is_closed_links_lead_somewhere_and_names_are_never_read_as_html(file: Path) -> None:
    structure = read(file)
    assert structure.open == []
    assert not structure.all("script")
    assert HOSTILE in structure.text
    ids = [a["id"] for _, a in structure.tags if a.get("id")]
    assert len(ids) == len(set(ids))
    assert {str(a["href"]).removeprefix("#") for a in structure.all("a")} <= set(ids)


def test_it_shows_problems_then_advice_then_every_value_with_pictures(file: Path) -> None:
    structure = read(file)
    text = re.sub(r"\s+", " ", structure.text)
    parts = (
        "120 images with 3 attributes",
        "The test data holds",
        "condgen.train(",
        "Recommended: projection",
        "labelled grey",
    )
    places = [text.index(part) for part in parts]
    assert places == sorted(places)
    described = [str(image["alt"]) for image in structure.all("img")]
    for value in ("hair grey", "hair brown", f"hair {HOSTILE}", "glasses yes", "glasses no", "age "):
        assert any(alt.startswith(value) for alt in described)
    assert "7 missing" in text


def test_other_programs_get_a_picture_of_each_value() -> None:
    found = inspect(people())
    shown = json.loads(as_json(found, pictures=True))["value_pictures"]
    assert "value_pictures" not in json.loads(as_json(found))
    assert list(shown) == ["hair", "glasses", "age"]
    assert list(shown["hair"]) == ["grey", "brown", HOSTILE]
    assert len(shown["age"]) == 5  # bands
    for text in (each for of_values in shown.values() for each in of_values.values()):
        kind, _, content = text.partition(",")
        assert kind == "data:image/png;base64"
        assert Image.open(BytesIO(b64decode(content))).size == (12, 12)


def test_pages_of_vectors_and_of_no_attributes_are_whole() -> None:
    data = Dataset(torch.rand(30, 2), Condition.free(Schema(), 30))
    text = inspection_page(inspect(Splits(data[:20], data[20:25], data[25:])))
    assert "30 vectors" in text
    assert "<img" not in text


@in_browser
@pytest.mark.parametrize("width", [375, 1200])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_overflows_and_all_text_stands_out(page: Page, file: Path, width: int, scheme: str) -> None:
    check_looks(page, file, width, scheme)


def test_what_was_noted_in_loading_is_told_and_no_labels_are_counted_where_there_are_none() -> None:
    data = people()
    bare = replace(data.select([]), notes=("There are no labels, so nothing can be asked for.",))
    pages = [inspection_page(inspect(each), ()) for each in (data, bare)]
    assert ["There are no labels" in page for page in pages] == [False, True]
    assert ["missing labels" in page for page in pages] == [True, False]
