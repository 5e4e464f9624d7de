"""Statistics of parts, added up, against the measurement of the whole."""

import json
import math
from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch

from condgen.data import Dataset, Splits, load
from condgen.evaluation.judge.judge import Judge
from condgen.evaluation.metrics.distances import frechet_distance
from condgen.evaluation.metrics.estimate import Estimate
from condgen.evaluation.metrics.obedience import obedience, tolerances
from condgen.evaluation.scale.report import RequestAtScale, fits, report_at_scale
from condgen.evaluation.scale.statistics import Statistics, merged, obeys
from condgen.requests import Request, parse_requests


@pytest.fixture(scope="module")
def data() -> Splits:
    """Vectors with every kind of attribute."""
    return load("mixture")


@pytest.fixture(scope="module")
def judge(data: Splits) -> Judge:
    torch.manual_seed(0)
    return Judge(data.schema, data.shape).eval()  # untrained: it reads something, which is enough


@pytest.fixture(scope="module")
def asked(data: Splits) -> list[Request]:
    return [each for text in ("side=west", "far=yes, angle=0..30") for each in parse_requests(text, data.schema)]


def samples(data: Splits, n: int = 600) -> Dataset:
    """Real observations that pass for samples, with attributes of others."""
    return Dataset(data.train.observations[:n], data.train.condition[n : 2 * n])


def statistics(
    judge: Judge, parts: Sequence[tuple[Dataset, int]], asked: Sequence[Request], bounds: dict[str, float]
) -> Statistics:
    """Those of parts, each of which is of the request with an index, through their files."""
    return merged(
        Statistics.loads(Statistics.of(judge.read(x.x), x.condition, asked[k], k, bounds).dumps()) for x, k in parts
    )


def test_parts_add_up_to_the_measurement_of_the_whole(data: Splits, judge: Judge, asked: list[Request]) -> None:
    made, real = samples(data), data.test
    bounds = tolerances(judge.read(real.observations), real.condition)
    parts = [(made[:250], 0), (made[250:400], 0), (made[400:], 1)]
    found = statistics(judge, parts, asked, bounds)
    report = report_at_scale(found, asked, data, judge, bounds, "a judge")
    whole = obedience(judge, made, real)
    assert report.samples == 600
    assert report.obedience.joint == whole.joint
    assert report.obedience.joint_real == whole.joint_real
    for mine, other in zip(report.obedience.attributes, whole.attributes, strict=True):
        assert (mine.name, mine.confusion, mine.real_confusion) == (other.name, other.confusion, other.real_confusion)
        assert mine.asked.value == pytest.approx(other.asked.value, rel=1e-6)
        assert mine.real.value == pytest.approx(other.real.value, rel=1e-6)
        assert mine.relative == pytest.approx(other.relative, rel=1e-6)
        if mine.choices:
            assert mine.chance == pytest.approx(other.chance, rel=1e-6)
    counts = {each.request: (each.n, each.obeyed) for each in whole.combinations}
    assert {each.request: (each.n, each.obeyed) for each in report.obedience.combinations} == counts
    assert len(counts) > 1


def test_each_request_is_compared_with_real_data_that_fits(data: Splits, judge: Judge, asked: list[Request]) -> None:
    made, bounds = samples(data), tolerances(judge.read(data.test.observations), data.test.condition)
    found = statistics(judge, [(made[:400], 0), (made[400:], 1)], asked, bounds)
    first, second = report_at_scale(found, asked, data, judge, bounds, "a judge").requests
    fitting = data.test.observations[fits(data.test, asked[0])]
    rows = data.test.condition.rows()
    assert len(fitting) == sum(row["side"] == "west" for row in rows) == first.real
    assert second.real == sum(row["far"] == "yes" and 0 <= float(str(row["angle"])) <= 30 for row in rows)
    expected = frechet_distance(judge.read(made.x[:400]).features, judge.read(fitting).features)
    assert first.frechet == pytest.approx(expected, rel=1e-6)
    read = judge.read(made.x[:400])
    right = (read.condition.values["side"] == made.condition[:400].values["side"]).float().mean()
    assert first.obeyed.value == pytest.approx(float(right))


def test_only_named_attributes_must_be_obeyed(data: Splits, judge: Judge, asked: list[Request]) -> None:
    made = samples(data)
    read, bounds = judge.read(made.x), {"angle": 0.0}
    named, every = (obeys(read, made.condition, each, bounds) for each in (asked[0], Request({}, "anything")))
    assert named.sum() > every.sum()


def test_the_size_does_not_grow(data: Splits, judge: Judge, asked: list[Request]) -> None:
    made = samples(data)
    few, many = (statistics(judge, [(made, 0)] * n, asked, {"angle": 9.0}) for n in (1, 20))
    assert len(many.dumps()) == len(few.dumps())
    assert many.tally.obeyed[0] == 20 * few.tally.obeyed[0]


def test_the_report_is_json(data: Splits, judge: Judge, asked: list[Request]) -> None:
    found = statistics(judge, [(samples(data)[:0], 0)], asked, {"angle": 9.0})
    report = report_at_scale(found, asked, data, judge, {"angle": 9.0}, "a judge")
    told = json.loads(report.dumps(), parse_constant=lambda name: pytest.fail(name))
    assert told["requests"][0]["n"] == 0
    assert "too few observations for a distance" in "\n".join(report.lines())


def test_a_distance_of_too_few_samples_is_not_laid_to_the_data() -> None:
    one = RequestAtScale("digit=7", 1, Estimate(1.0, 0.2, 1.0), math.nan, 0.1, real=30)
    assert one.line == "digit=7: 100.0\u202f% as asked; too few observations for a distance"
    assert replace(one, real=0).line.endswith("; no real data fits")
