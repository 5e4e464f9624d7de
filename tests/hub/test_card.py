"""The card of a shared model."""

from dataclasses import replace
from pathlib import Path

import pytest
from huggingface_hub import ModelCard

from condgen.data import DataSource
from condgen.hub.card import card, plain
from condgen.hub.licences import UNKNOWN, licence_of, public_name
from condgen.models import build
from condgen.runs.run import Run
from condgen.schema import Categorical, Condition, Continuous, LabelDistribution, Schema
from condgen.training.checkpoint import Info
from tests.pages.test_report import digits_report

TRAINED = Path(__file__).parents[1] / "runs" / "trained" / "cvae"


@pytest.fixture(scope="module")
def run() -> Run:
    return Run.open(TRAINED)


def test_results_stand_beside_real_data_with_their_intervals(run: Run) -> None:
    text = card(run, digits_report(), "a/b")
    (row,) = [line for line in text.splitlines() if line.startswith("| digit as asked")]
    assert [cell.strip() for cell in row.split("|")[2:4]] == ["95.0\u202f% (94.0–96.0)", "97.0\u202f% (96.4–97.6)"]
    (row,) = [line for line in text.splitlines() if line.startswith("| copies of a training example")]
    assert "1.2\u202f% (0.9–1.5)" in row
    assert "10\u202f000 samples and 270 held-out" in text


def test_findings_are_the_limits(run: Run) -> None:
    report = digits_report()
    limits = card(run, report, "a/b").partition("## Limits")[2].partition("## Licence")[0]
    assert "**mode collapse**" in limits
    assert "Nothing grave" not in limits
    nothing = card(run, replace(report, findings=(), results={**report.results, "obedience": None}), "a/b")
    assert "Nothing grave" in nothing


def test_machines_read_the_results(run: Run) -> None:
    (results,) = ModelCard(card(run, digits_report(), "a/b")).data.to_dict()["model-index"]
    found = {metric["type"]: metric["value"] for each in results["results"] for metric in each["metrics"]}
    assert found["obedience"] == 0.95
    assert "frechet-distance-judge" in found


def test_a_run_without_a_report_says_so(run: Run) -> None:
    text = card(run, None, "a/b")
    assert "Not measured" in text
    assert "model-index" not in text


@pytest.mark.parametrize(
    ("address", "name", "licence"),
    [
        ("digits", "digits", "CC BY 4.0"),
        ("cars:5k", "cars:5k", "Apache-2.0"),
        ("mnist", "mnist", "CC BY-SA 3.0"),
        ("hf:owner/faces?split=train", "hf:owner/faces", UNKNOWN),
        ("hf:/home/me/faces", "", UNKNOWN),
        ("/home/me/patients.csv", "", UNKNOWN),
        (None, "", UNKNOWN),
    ],
)
def test_only_data_that_anybody_can_load_is_named(address: str | None, name: str, licence: str) -> None:
    assert public_name(DataSource(address)) == name
    assert licence in licence_of(DataSource(address))


def test_names_from_data_are_nothing_but_text() -> None:
    """An attribute's values may be anything that somebody wrote into a table."""
    values = ("a | b", "[x](javascript:y)", "<script>alert(1)</script>", "```\n# heading", "{{ 7 * 7 }}")
    schema = Schema(attributes=(Categorical(name="what", values=values), Continuous(name="size", low=0, high=2)))
    model = build("cvae", schema, (2,), latent=2)
    condition = Condition.of(schema, [{"what": "a | b", "size": 1.0}])
    info = Info(model.recipe, model.shape, schema.model_dump(mode="json"), {}, {})
    text = card(Run(model, LabelDistribution.of(condition), info, Path()), None, "a/b")
    (row,) = [line for line in text.splitlines() if line.startswith("| what")]
    assert row.replace("\\|", "").count("|") == 5
    assert "<script>" not in text.replace("\\<", "")
    assert "49" not in row
    assert "\n# heading" not in text
    assert "| size | continuous | 0 to 2 |" in text


def test_markup_is_escaped() -> None:
    assert plain("a|b *c* [d](e)\n# f") == r"a\|b \*c\* \[d\](e) \# f"
