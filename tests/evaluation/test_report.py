import json
import math
from dataclasses import replace
from pathlib import Path

import pytest

from condgen.errors import RunError
from condgen.evaluation.findings import Finding
from condgen.evaluation.metrics.artefacts import Artefacts, Pattern
from condgen.evaluation.metrics.attribute_obedience import Bin
from condgen.evaluation.metrics.combinations import Combination
from condgen.evaluation.metrics.estimate import Estimate
from condgen.evaluation.metrics.latents import LatentSummary
from condgen.evaluation.metrics.memorisation import Memorisation
from condgen.evaluation.metrics.obedience import Obedience
from condgen.evaluation.protocol import MeasuringProtocol
from condgen.evaluation.report import Report
from condgen.evaluation.verdict import headline
from tests.evaluation.test_doctor import attribute, faithful, sure

NAN = Estimate(math.nan, -math.inf, math.inf)
AGE = attribute(
    name="Infinity",
    kind="continuous",
    choices=(),
    confusion=(),
    real_confusion=(),
    asked=NAN,
    confidence=None,
    tolerance=3.0,
    calibration=(Bin(1.0, 2.0, 0.5, 30),),
)


@pytest.fixture
def report() -> Report:
    nothing = Estimate(0.0, 0.0, 0.01)
    colour = attribute(name="colour", choices=("NaN", "rouge «é» 🟥"))
    return Report(
        headline="Requests are obeyed",
        watch="",
        run={"path": "runs/a", "model": "cvae", "arguments": {"latent": 4, "prior": None}},
        sampling={"guidance": {"age": 2.0}},
        protocol=MeasuringProtocol(1_000, "data", ("judge",), "abc", 200, "def-v2", 100, 0, 0),
        results={
            "obedience": Obedience(
                (colour, AGE), sure(0.9), sure(0.95), (Combination("colour=NaN", False, sure(0.5), 40),), sure(0.4)
            ),
            "fidelity": (faithful(intra_frechet=math.nan),),
            "artefacts": Artefacts(1_000, (Pattern(2, "across", sure(1.5), sure(math.nan)),)),
            "memorisation": Memorisation(nothing, nothing, sure(0.5), nothing, nothing),
            "usefulness": None,
            "latents": LatentSummary("colour", 0.5, 0.5, 1.0, 0.5, 1.0, (0.1, 0.2), 1, 2),
        },
        findings=(Finding("leakage", "this", "that"),),
        warnings=("few",),
        seconds=1.5,
        versions={"condgen": "0"},
    )


def test_a_report_comes_back_as_it_was_written(report: Report) -> None:
    again = Report.loads(report.dumps())
    assert repr(again) == repr(report)  # NaN equals nothing, but shows as itself
    assert again.obedience is not None
    assert again.obedience["colour"].choices == ("NaN", "rouge «é» 🟥")
    assert math.isnan(again.obedience["Infinity"].asked.value)
    assert again.obedience["Infinity"].asked.high == math.inf


def test_older_reports_have_a_tolerance_in_place_of_a_factor(report: Report) -> None:
    content = json.loads(report.dumps())
    for each in content["obedience"]["attributes"]:
        del each["factor"]
    again = Report.loads(json.dumps(content)).obedience
    assert again is not None
    assert (again["Infinity"].tolerance, again["Infinity"].factor) == (3.0, None)


def test_it_is_json_as_others_read_it(report: Report) -> None:
    def refuse(word: str) -> float:
        raise AssertionError(f"{word} is no JSON")

    content = json.loads(report.dumps(), parse_constant=refuse)
    assert content["format"] == 1
    assert content["obedience"]["attributes"][0]["name"] == "colour"


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", "not JSON"),
        ("[]", "cannot read|can read"),
        ('{"format": 99}', "newer condgen"),
        ('{"headline": 3}', "can read"),
        ('{"format": "x"}', "can read: .*valid integer|can read: Field required"),
    ],
)
def test_what_is_no_report_is_told_with_its_name(text: str, part: str) -> None:
    with pytest.raises(RunError, match=f"runs/report.json.*({part})"):
        Report.loads(text, "runs/report.json")


def test_a_missing_file_is_told_with_the_command_that_makes_it(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"condgen\.evaluate"):
        Report.load(tmp_path / "report.json")


def test_a_report_is_saved_in_one_piece_over_the_old_one(report: Report, tmp_path: Path) -> None:
    path = report.save(tmp_path / "new")
    replace(report, watch="other").save(tmp_path / "new")
    assert Report.load(path).watch == "other"
    assert [p.name for p in (tmp_path / "new").iterdir()] == ["report.json"]


@pytest.mark.parametrize(
    ("joint", "words"), [(0.98, "are obeyed"), (0.92, "mostly obeyed"), (0.7, "often missed"), (0.2, "not obeyed")]
)
def test_the_headline_measures_the_joint_by_the_judges_own(joint: float, words: str) -> None:
    said = headline(Obedience((attribute(),), sure(joint), sure(0.99)), "cvae")
    assert words in said
    assert f"{100 * joint:.1f}\u202f%" in said
    assert "99.0\u202f%" in said
    assert "digit" in said
    both = headline(Obedience((attribute(), AGE), sure(joint), sure(0.99)), "cvae")
    assert "both attributes at once" in both


def test_where_real_data_seldom_shows_everything_each_attribute_counts() -> None:
    parts = tuple(attribute(name=f"a{k}", relative=1.0) for k in range(40))
    assert headline(Obedience(parts, sure(0.007), sure(0.011)), "cvae").startswith("Requests are obeyed")
    assert headline(Obedience(parts, sure(0.5), sure(0.9)), "cvae").startswith("Requests are not obeyed")


def test_the_headline_names_the_only_attribute_or_the_worst_of_several() -> None:
    color = attribute(name="color", asked=sure(0.411), real=sure(0.675), relative=0.609)
    year = replace(AGE, name="year", asked=sure(8.0), real=sure(2.0), chance=20.0, relative=0.5)
    one, both, number = (
        headline(Obedience(parts, sure(0.02), sure(0.05)), "cvae").replace("\u202f", " ")
        for parts in ((color,), (color, attribute(relative=1.0)), (color, year))
    )
    assert one == "Requests are often missed: color is as asked in 41.1 % of samples; in real data 67.5 %."
    assert both == (
        "Requests are often missed: on average over 2 attributes, samples reach 80.5 % of the score of held-out real "
        "data. The worst is color, as asked in 41.1 % of samples; in real data 67.5 %."
    )
    assert number.endswith("The worst is year, off by 8 on average; in real data off by 2 on average.")
