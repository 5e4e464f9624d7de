"""Extremes of numbers: whether samples asked for the largest and smallest values are toned down.

A judge tones extremes down by itself: it reads real 75-year-olds as 66. So samples at each end are compared with real
observations of the same end, by how far each is read from its request or label.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from jaxtyping import Bool, Float
from torch import Tensor

from condgen.evaluation.comparison.columns import Quantity, Values
from condgen.evaluation.findings import Evidence, Finding
from condgen.evaluation.judge.crossfit import held_out_reader
from condgen.evaluation.metrics.attribute_obedience import telling
from condgen.evaluation.metrics.estimate import Estimate, linearised, mean
from condgen.evaluation.metrics.metric import Measurement, Metric
from condgen.evaluation.metrics.obedience import OBEDIENCE
from condgen.models.remedies import LONGER, sentence
from condgen.schema import Condition
from condgen.units import number

SHARE = 0.05  # share of real observations at each end
MIN_PER_END = 30  # smallest number of samples and of real observations at an end
MIN_TONED = 0.1  # a smaller shortfall, relative to the distance of the end from the middle, is no finding

Codes = Float[Tensor, " _"]
_Side = tuple[str, int, float, Bool[Tensor, " _"], Bool[Tensor, " _"]]  # name, direction, edge, samples, observations


@dataclass(frozen=True)
class End:
    """One end of a number, from `edge` on.

    asked, read: mean request and mean reading of its `samples` samples.
    label, real: mean label and mean reading of its `examples` real observations.
    toned: by how much samples are read nearer to the middle than they were asked for, beyond what real ones are.
    share: the same as a share of the end's distance from the middle.
    """

    name: str
    edge: float
    asked: float
    read: Estimate
    label: float
    real: Estimate
    toned: Estimate
    share: float
    samples: int
    examples: int

    @property
    def said(self) -> str:
        """The result in words."""
        real = f"real: {number(self.label)}, read {number(self.real.value)}"
        return f"asked {number(self.asked)}, read {number(self.read.value)} ({real})"


@dataclass(frozen=True)
class Extremes:
    """Both ends of one number. slope, real_slope: of readings against requests, or labels, from end to end."""

    attribute: str
    ends: tuple[End, ...]
    slope: float
    real_slope: float

    @property
    def line(self) -> str:
        """The result in one readable line."""
        return f"{self.attribute} at its ends: {'; '.join(end.said for end in self.ends)}"


def extremes(name: str, asked: Codes, read: Codes, labels: Codes, real: Codes) -> Extremes | None:
    """Both ends of a number, or None if one has too few observations.

    asked, read: requests and readings of samples. labels, real: labels and readings of real observations.
    """
    sides = _sides(asked, labels)
    if sides is None:
        return None
    middle, ends = float(labels.median()), []
    for side, sign, edge, here, there in sides:
        ends.append(_end(side, sign, edge, middle, _Read(asked[here], read[here]), _Read(labels[there], real[there])))
    first, last = ends
    slope = (last.read.value - first.read.value) / (last.asked - first.asked)
    real_slope = (last.real.value - first.real.value) / (last.label - first.label)
    return Extremes(name, tuple(ends), slope, real_slope)


def _sides(asked: Codes, labels: Codes) -> tuple[_Side, _Side] | None:
    """Both ends, or None if one has too few observations."""
    if min(len(asked), len(labels)) < MIN_PER_END:  # of none there are no quantiles
        return None
    low, high = (float(labels.double().quantile(share)) for share in (SHARE, 1 - SHARE))
    lowest: _Side = ("lowest", -1, low, asked <= low, labels <= low)
    highest: _Side = ("highest", 1, high, asked >= high, labels >= high)
    enough = all(min(int(here.sum()), int(there.sum())) >= MIN_PER_END for *_, here, there in (lowest, highest))
    return (lowest, highest) if low < high and enough else None


@dataclass(frozen=True)
class _Read:
    meant: Codes
    seen: Codes

    @property
    def off(self) -> Codes:
        return self.seen - self.meant


def _end(name: str, sign: int, edge: float, middle: float, made: _Read, real: _Read) -> End:
    """One end. sign: of the direction away from the middle."""
    shortfall = sign * float(real.off.mean() - made.off.mean())
    asked, label = float(made.meant.mean()), float(real.meant.mean())
    return End(
        name=name,
        edge=edge,
        asked=asked,
        read=mean(made.seen),
        label=label,
        real=mean(real.seen),
        toned=linearised(shortfall, made.off, real.off),
        share=shortfall / max(abs(asked - middle), 1e-12),
        samples=len(made.meant),
        examples=len(real.meant),
    )


class ExtremesMetric(Metric[tuple[Extremes, ...]]):
    """The ends of every number."""

    name = "extremes"
    title = "Extremes of numbers"
    about = "Are the largest and smallest values shown as asked, or toned down?"
    result = tuple[Extremes, ...]
    without = ()

    def skipped(self, case: Measurement) -> str:
        """A reason if no number can be asked for, or if none has enough observations at its ends."""
        numbers = [a.name for a in case.data.schema if a.limits]
        if not numbers or not case.subject.conditional:
            return "no number can be asked for"
        real = held_out_reader(case.judge, case.data).real.condition
        asked = case.samples.condition
        found = any(_sides(_codes(asked, name), _codes(real, name)) for name in numbers if real.given(name).any())
        return "" if found else f"no number has {MIN_PER_END} samples and held-out observations at either end"

    def measure(self, case: Measurement) -> tuple[Extremes, ...]:
        """The ends of each number with enough samples and held-out observations there."""
        reader = held_out_reader(case.judge, case.data)
        made, real = case.judge.read(case.samples.observations), case.judge.read(reader.real.observations)
        found = []
        for a in case.data.schema:
            if a.limits:
                here, there = case.samples.condition.given(a.name), reader.real.condition.given(a.name)
                seen, seen_real = (read.condition.values[a.name] for read in (made, real))
                asked, labels = (_codes(data.condition, a.name) for data in (case.samples, reader.real))
                found.append(extremes(a.name, asked, seen[here], labels, seen_real[there]))
        return tuple(each for each in found if each is not None)

    def lines(self, result: tuple[Extremes, ...]) -> list[str]:
        """A line per number."""
        return [each.line for each in result]

    def findings(self, result: tuple[Extremes, ...], evidence: Evidence) -> Iterator[Finding]:
        """Ends that are toned down beyond noise."""
        obedience = OBEDIENCE.of(evidence.results)
        readable = {a.name for a in obedience.attributes if telling(a)} if obedience else set()
        for each in result:
            for end in each.ends:
                if each.attribute in readable and end.toned.low > 0 and end.share > MIN_TONED:
                    yield _as_toned_down(each.attribute, end, evidence)

    def columns(self, result: tuple[Extremes, ...], results: Mapping[str, Any]) -> Values:
        """The slope from end to end, relative to real data."""
        return {
            Quantity(f"slope_{each.attribute}", f"{each.attribute}: slope ÷ real", "one"): each.slope / each.real_slope
            for each in result
            if each.real_slope
        }


EXTREMES = ExtremesMetric()


def _codes(condition: Condition, name: str) -> Codes:
    """The values of a number where they are given."""
    return condition.values[name][condition.given(name)]


def _as_toned_down(name: str, end: End, evidence: Evidence) -> Finding:
    stronger = [evidence.trained.advise(guidance=evidence.guidance + 1)] if evidence.trained.guided else []
    return Finding(
        "toned-down extremes",
        f"The {end.name} values of {name} are toned down: asked for {number(end.asked)} on average, samples are read "
        f"as {number(end.read.value)}, where real observations of {number(end.label)} are read as "
        f"{number(end.real.value)}.",
        sentence("Ask with", stronger) or LONGER,
        grave=False,
    )
