import json
from dataclasses import asdict, replace
from typing import Any

import pytest
import torch

from condgen.data import Dataset, Splits
from condgen.errors import RequestError
from condgen.evaluation.findings import Evidence
from condgen.evaluation.judge.features import extractor
from condgen.evaluation.judge.judge import Judge, train_judge
from condgen.evaluation.metrics.edits import (
    EDITS,
    Edits,
    Trials,
    _background,
    can_be_measured,
    edits,
    measured,
    recognising,
    trials,
)
from condgen.feature_networks import network
from condgen.models.remedies import TrainedAs
from condgen.runs.editing import EditOptions
from condgen.runs.run import Run
from condgen.schema import Condition, Continuous, Flag, Schema

pytestmark = pytest.mark.statistical

N = 300
SCHEMA = Schema(attributes=(Flag(name="a"), Flag(name="b"), Continuous(name="d", low=0, high=10)))


def points(condition: Condition, style: torch.Tensor) -> torch.Tensor:
    """One coordinate per attribute and eight of style."""
    v = condition.values
    return torch.cat([torch.stack([2 * v["a"] - 1, 2 * v["b"] - 1, v["d"] / 5 - 1], 1), style], 1)


def labels(n: int, seed: int) -> Condition:
    u = torch.rand(n, 3, generator=torch.Generator().manual_seed(seed))
    values = {"a": u[:, 0].round(), "b": u[:, 1].round(), "d": 10 * u[:, 2]}
    return Condition(SCHEMA, values, torch.ones(n, 3, dtype=torch.bool))


def style(n: int, seed: int) -> torch.Tensor:
    return 3 * torch.randn(n, 8, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def judge() -> Judge:
    condition = labels(4_000, 1)
    x = points(condition, style(4_000, 1)) + 0.1 * torch.randn(4_000, 11)
    return train_judge(x, condition, images=60_000, batch=256).calibrate(Dataset(x[:500], condition[:500]))


def made(change: str) -> Trials:
    """Edits by an editor that is honest, or has one fault."""
    before, look = labels(N, 2), style(N, 2)
    v = before.values
    asked = {
        "a": before.with_codes("a", 1 - v["a"]),
        "b": before.with_codes("b", 1 - v["b"]),
        "d": before.with_codes("d", (v["d"] + 5) % 10),
    }
    if change == "deaf":
        shown = dict.fromkeys(asked, before)
    elif change == "leaks":
        shown = asked | {"a": asked["a"].with_codes("b", 1 - v["b"])}
    else:
        shown = asked
    kept = style(N, 3) if change == "forgets" else look
    return Trials(
        Dataset(points(before, look), before),
        Dataset(points(before, kept), before),
        {name: Dataset(points(shown[name], kept), asked[name]) for name in asked},
    )


def found(judge: Judge, change: str) -> Edits:
    held = Dataset(points(labels(N, 5), style(N, 5)), labels(N, 5))
    pixels = extractor("judge", judge)
    plain = type(pixels)("plain", lambda x: x, lambda x: x, torch.device("cpu"))
    return measured(made(change), held, judge, plain, EditOptions())


def test_an_honest_editor_is_obeyed_moves_nothing_else_and_keeps_its_original(judge: Judge) -> None:
    report = found(judge, "honest")
    assert [(e.attribute, e.to) for e in report.edits] == [
        ("a", "no"), ("a", "yes"), ("b", "no"), ("b", "yes"), ("d", "higher"), ("d", "lower"),
    ]  # fmt: skip
    for edit in report.edits:
        assert edit.attribute not in edit.moved.read
        if edit.kind != "continuous":
            assert edit.obeyed.value > 0.97
            assert edit.before.value < 0.03
            assert edit.real.value > 0.97
            assert edit.moved.own.value > 0.7
        else:
            assert edit.obeyed.value < 1 < edit.before.value
        assert all(share.value < 0.1 for share in edit.moved.read.values())
        assert edit.obeyed.low <= edit.obeyed.value <= edit.obeyed.high + 1e-9
    assert report.unchanged.pixels.value == 0
    assert report.unchanged.own.value == 1
    assert all(share.value == 0 for share in report.unchanged.read.values())


def test_an_editor_that_does_nothing_is_not_obeyed(judge: Judge) -> None:
    assert all(e.obeyed == e.before for e in found(judge, "deaf").edits)


def test_what_moves_along_is_named(judge: Judge) -> None:
    edit = found(judge, "leaks").edits[0]
    assert edit.also_moved[0][0] == "b"
    assert edit.moved.read["b"].value > 0.95
    assert any("also moved: b" in line for line in found(judge, "leaks").lines())


def test_an_editor_that_forgets_its_original_is_told_from_one_that_keeps_it(judge: Judge) -> None:
    forgets = found(judge, "forgets")
    assert forgets.unchanged.own.value < 0.1
    assert forgets.edits[0].obeyed.value > 0.97
    assert forgets.edits[0].moved.own.value < 0.1
    assert forgets.edits[0].moved.features.value > found(judge, "honest").edits[0].moved.features.value


def test_photographs_whose_edits_show_something_else_are_a_finding(judge: Judge) -> None:
    def findings(
        change: str, family: str = "projection", features: str = "EfficientNet", **arguments: Any
    ) -> list[str]:
        evidence = Evidence({}, trained=TrainedAs(family, arguments))
        result = replace(found(judge, change), features=features)
        return [f"{each.evidence} {each.advice}" for each in EDITS.findings(result, evidence)]

    (said,) = findings("forgets")
    assert "are still nearest to their own original" in said
    assert said.endswith("Edit with a smaller strength, or train with `preserve=1`.")
    assert findings("forgets", preserve=2.0)[0].endswith("Edit with a smaller strength.")
    assert findings("forgets", "cvae")[0].endswith("Edit with a smaller strength.")
    assert not findings("honest")
    assert not findings("forgets", features="pixels")


def test_a_run_is_measured_on_held_out_images_with_all_their_labels(run: Run, digits: Splits) -> None:
    quick = train_judge(digits.train.x, digits.train.condition, images=10_000)
    report = edits(run, digits.test, quick, n=60)
    assert report.n == 60
    assert sum(e.n for e in report.edits) == 60
    assert report.editing == EditOptions()
    assert report.features == "pixels"
    assert report.unchanged.own.value == 1
    assert report.unchanged.background is not None
    assert report.unchanged.background.value == 0
    assert all(e.moved.background is not None and e.moved.background.value > 0 for e in report.edits)
    json.dumps(asdict(report))
    unlabelled = Dataset(digits.test.x, Condition.free(digits.schema, len(digits.test)))
    assert not can_be_measured(run, unlabelled)
    with pytest.raises(RequestError, match="too few"):
        trials(run, unlabelled, 50)


def test_models_that_cannot_edit_are_not_measured(unconditional: Run, digits: Splits) -> None:
    assert not can_be_measured(unconditional, digits.test)


def test_the_background_is_the_border_of_images() -> None:
    x = torch.zeros(2, 3, 16, 16)
    middle, edge = x.clone(), x.clone()
    middle[:, :, 2:14, 2:14] = 1
    edge[:, :, :2] = 1
    found = [_background(changed, x) for changed in (middle, edge)]
    assert [round(each.value, 4) for each in found if each] == [0.0, round((32 / 112) ** 0.5, 4)]
    assert _background(torch.zeros(2, 3), torch.ones(2, 3)) is None


def test_a_run_is_not_recognised_by_features_that_it_trained_against() -> None:
    photographs = Judge(SCHEMA, (3, 32, 32))
    assert recognising(photographs, [network("inception")]).name == "pixels"
