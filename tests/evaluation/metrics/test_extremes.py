"""Extremes of numbers: what a judge tones down by itself is no fault of samples, what exceeds it is named."""

from dataclasses import replace

import pytest
import torch

from condgen.evaluation.metrics.extremes import EXTREMES, Extremes, extremes
from condgen.models.remedies import TrainedAs
from tests.evaluation.test_doctor import attribute, case, named, obeying, sure

AGE = attribute(
    name="age",
    kind="continuous",
    choices=(),
    confusion=(),
    real_confusion=(),
    confidence=None,
    real_confidence=None,
    asked=sure(5.0),
    real=sure(5.0),
    chance=20.0,
)


def measured(slope: float, n: int = 4_000) -> Extremes:
    """Ages whose real ones a judge reads with a slope of 0.8 around 45, and samples with this one."""
    generator = torch.Generator().manual_seed(0)

    def read(ages: torch.Tensor, slope: float) -> torch.Tensor:
        return 45 + slope * (ages - 45) + 3 * torch.randn(len(ages), generator=generator)

    asked, labels = (15 + 60 * torch.rand(n, generator=generator) for _ in range(2))
    found = extremes("age", asked, read(asked, slope), labels, read(labels, 0.8))
    assert found is not None
    return found


def findings(found: Extremes) -> list[str]:
    evidence = case(obedience=obeying(AGE), trained=TrainedAs("flow"))
    return named(replace(evidence, results={**evidence.results, "extremes": (found,)}))


def test_what_the_judge_tones_down_in_real_data_is_no_fault_of_samples() -> None:
    found = measured(0.8)
    assert findings(found) == []
    assert found.slope == pytest.approx(found.real_slope, abs=0.02)
    assert all(end.toned.low < 0 < end.toned.high for end in found.ends)


def test_what_exceeds_it_is_named_at_both_ends() -> None:
    found = measured(0.5)
    assert findings(found) == ["toned-down extremes"] * 2
    assert [end.name for end in found.ends] == ["lowest", "highest"]
    for end in found.ends:
        assert end.toned.value == pytest.approx(0.3 * abs(end.asked - 45), abs=1)
        assert end.share == pytest.approx(0.3, abs=0.05)
    assert found.slope == pytest.approx(0.5, abs=0.02)
    assert "asked 73.6, read 59" in found.line


def test_extremes_that_are_exaggerated_are_not_toned_down() -> None:
    assert findings(measured(1.1)) == []


def test_a_judge_that_cannot_read_the_number_accuses_nobody() -> None:
    evidence = case(obedience=obeying(replace(AGE, asked=sure(19.9), real=sure(19.9), swap=sure(0.9))))
    evidence = replace(evidence, results={**evidence.results, "extremes": (measured(0.5),)})
    assert named(evidence) == []


def test_few_observations_or_one_value_alone_have_no_ends() -> None:
    few = torch.arange(50.0)
    assert extremes("age", few, few, few, few) is None
    none, many = few[:0], torch.arange(4_000.0)
    assert extremes("age", many, many, none, none) is None
    assert extremes("age", none, none, many, many) is None
    alike = torch.ones(500)
    assert extremes("age", alike, alike, alike, alike) is None
    assert "age at its ends" in EXTREMES.lines((measured(0.8),))[0]
