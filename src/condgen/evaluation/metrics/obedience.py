"""Obedience: whether samples show what was requested, and whether anything else changed.

All readings are by a judge whose own skill on held-out real data is given beside them.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from condgen.data import Dataset
from condgen.evaluation.comparison.columns import OBEYED, Quantity, Values
from condgen.evaluation.findings import Evidence, Finding
from condgen.evaluation.judge.held_out import judge_splits
from condgen.evaluation.judge.judge import Judge, Reading
from condgen.evaluation.metrics.attribute_obedience import (
    AttributeObedience,
    as_real,
    attribute_obedience,
    findings_of,
    ignored,
    telling,
)
from condgen.evaluation.metrics.combinations import Combination, combinations
from condgen.evaluation.metrics.counterfactuals import (
    Counterfactuals,
    Leakage,
    as_swapped,
    leakage,
    leaks,
    swap,
    swapped,
)
from condgen.evaluation.metrics.estimate import Estimate, share
from condgen.evaluation.metrics.metric import Measurement, Metric
from condgen.evaluation.subject import as_in_data, counterfactuals, never_seen, uniform
from condgen.rng import Rng
from condgen.runs.samples import Samples
from condgen.schema import Attribute, Condition, LabelDistribution
from condgen.units import percent

TOLERATED = 0.9  # quantile of the judge's distances on real data that is the tolerance of a measured attribute
MAX_CLARITY = 1.2  # samples above this multiple of real data's log-odds are too clear
MIN_CLEARER = 0.5  # nats by which they must exceed them as well
MAX_HELD_OUT = 2_000  # largest number of samples of held-out combinations
MAX_UNSEEN = 1_000  # largest number of samples of combinations that the training data lacks


@dataclass(frozen=True, repr=False)
class Obedience:
    """The extent to which samples show the request.

    joint, joint_real: share in which all attributes are right at once, with continuous ones within their tolerance.
    combinations: of the named attributes' values, the least obeyed first. Empty for one attribute.
    unseen: `joint` on combinations that the training data lacks. None if it lacks none.
    held: the same numbers for combinations held out on request, beside real examples of them.
    """

    attributes: tuple[AttributeObedience, ...]
    joint: Estimate
    joint_real: Estimate
    combinations: tuple[Combination, ...] = ()
    unseen: Estimate | None = None
    leakage: Leakage | None = None
    held: "Obedience | None" = None

    def __repr__(self) -> str:
        return "\n".join(self.lines())

    def __getitem__(self, name: str) -> AttributeObedience:
        """The result of one attribute."""
        return next(a for a in self.attributes if a.name == name)

    def lines(self) -> list[str]:
        """One readable line per attribute, and one for held-out combinations."""
        return [a.line for a in self.attributes] + (
            [f"held-out combinations, {self.held.summary}"] if self.held else []
        )

    @property
    def summary(self) -> str:
        """The result in one readable line."""
        parts = ", ".join(f"{a.name} {a.shown(a.asked.value)}" for a in self.attributes)
        joint, real = (percent(each.value) for each in (self.joint, self.joint_real))
        return f"all at once: {joint} as asked ({parts}); the judge: {real}"


def obedience(
    judge: Judge,
    samples: Samples | Dataset,
    real: Dataset,
    pairs: Counterfactuals | None = None,
    trained: LabelDistribution | None = None,
    unseen: Dataset | None = None,
) -> Obedience:
    """The judge's verdict on samples, and on real data that was not trained on.

    pairs: samples that differ in a single respect, for swap test and leakage.
    trained: the training data's joint distribution, for leakage and combinations.
    unseen: samples of combinations that it lacks.
    """
    read, read_real = judge.read(samples.x), judge.read(real.observations)
    bounds = tolerances(read_real, real.condition)
    obeyed = within(read, samples.condition, bounds).all(1)
    known_real = read_real, real.condition
    several = len(judge.schema.discrete) > 1
    return Obedience(
        attributes=tuple(
            attribute_obedience(
                a,
                read,
                samples.condition,
                read_real,
                real.condition,
                bounds.get(a.name),
                swap(judge, a, pairs),
            )
            for a in judge.schema
        ),
        joint=share(obeyed),
        joint_real=share(within(read_real, real.condition, bounds).all(1)),
        combinations=combinations(samples.condition, obeyed, trained) if several else (),
        unseen=None if unseen is None else share(within(judge.read(unseen.x), unseen.condition, bounds).all(1)),
        leakage=None if pairs is None or trained is None else leakage(judge, pairs, trained, known_real),
    )


def tolerances(read: Reading, real: Condition) -> dict[str, float]:
    """The largest distance of each measured attribute that counts as obeyed, by a judge's readings of real data.

    Distances are on the attribute's scale (see `Attribute.distance`), so a tolerance means the same everywhere on it.
    """
    return {a.name: _tolerance(read, a, real) for a in read.schema.measured}


def _tolerance(read: Reading, a: Attribute, real: Condition) -> float:
    given = real.given(a.name)
    distances = a.distance(read.condition.values[a.name][given], real.values[a.name][given])
    return float(distances.quantile(TOLERATED)) if len(distances) else 1.0


def within(read: Reading, asked: Condition, bounds: Mapping[str, float]) -> Bool[Tensor, "n attribute"]:
    """Whether each attribute is as requested, or free. Numbers may be at a distance of `bounds`."""
    seen = read.condition.values
    right = [
        (a.distance(seen[a.name], asked.values[a.name]) <= bounds.get(a.name, 0.5)) | ~asked.given(a.name)
        for a in read.schema
    ]
    return torch.stack(right, dim=1)


# ---- the metric


class ObedienceMetric(Metric[Obedience]):
    """Obedience to requests in the held-out data's proportions, or with every combination equally frequent."""

    name = "obedience"
    title = "Obedience"
    about = "Do samples show what was asked?"
    result = Obedience

    def skipped(self, case: Measurement) -> str:
        """A reason if the model cannot be asked for anything."""
        return "" if case.subject.conditional else "this model cannot be asked for anything in the data"

    def measure(self, case: Measurement) -> Obedience:
        """Obedience of samples, of pairs that differ in one attribute, and of unseen and held-out combinations."""
        found = obedience(
            case.judge,
            _samples(case),
            case.data.test,
            pairs=_pairs(case),
            trained=case.subject.joint,
            unseen=_unseen(case),
        )
        for a in found.attributes:
            if not telling(a):
                case.warn(
                    f"The judge can hardly tell {a.name} in real data itself: what it says of samples means little. "
                    "Give it more labelled data."
                )
        return replace(found, held=_held_out(case))

    def lines(self, result: Obedience) -> list[str]:
        """A line per attribute."""
        return result.lines()

    def findings(self, result: Obedience, evidence: Evidence) -> Iterator[Finding]:
        """Attributes that are ignored, exchanged, or changed without a request, and values that are confused."""
        judged = [a for a in result.attributes if telling(a)]
        pairs = list(swapped([a.name for a in judged], result.leakage)) if result.leakage else []
        yield from (as_swapped(*pair) for pair in pairs)
        named = {name for pair in pairs for name in pair}
        yield from (finding for a in judged if a.name not in named for finding in findings_of(a, evidence.trained))
        if result.leakage:
            kept = [a.name for a in judged if as_real(a)]
            yield from leaks(result.leakage, [a.name for a in judged if not ignored(a)], kept, evidence)

    def columns(self, result: Obedience, results: Mapping[str, Any]) -> Values:
        """All attributes at once, and each relative to real data."""
        values: Values = {OBEYED: result.joint.value}
        if result.unseen:
            values[Quantity("obedience_unseen", "obeyed if unseen", "higher", "page", "share")] = result.unseen.value
        if result.held:
            values[Quantity("obedience_held", "held out obeyed", "higher", "terminal", "share")] = (
                result.held.joint.value
            )
            values |= _relative(result.held, "obedience_held", "held out, ")
        return values | _relative(result, "obedience") | _told_apart(result)


OBEDIENCE = ObedienceMetric()


def clearer(found: Obedience | None) -> AttributeObedience | None:
    """The first attribute that samples show more clearly than real data does."""
    for a in found.attributes if found else ():
        if a.confidence is None or a.real_confidence is None or not math.isfinite(a.confidence):
            continue
        if a.real_confidence > 0 and a.confidence > max(
            MAX_CLARITY * a.real_confidence, a.real_confidence + MIN_CLEARER
        ):
            return a
    return None


def _relative(found: Obedience, name: str, before: str = "") -> Values:
    return {Quantity(f"{name}_{a.name}", f"{before}{a.name} ÷ real", "higher"): a.relative for a in found.attributes}


def _told_apart(found: Obedience) -> Values:
    return {
        Quantity(f"swap_{a.name}", f"{a.name} swapped", "higher", "json", "share"): a.swap.value
        for a in found.attributes
        if a.swap
    }


def _samples(case: Measurement) -> Dataset:
    """Samples in the data's proportions, or with every combination equally frequent."""
    config, subject = case.config, case.subject
    if config.labels == "data":
        return case.samples
    return subject.answer(uniform(subject.joint, config.samples, config.seed), _seeds(case, config.samples))


def _pairs(case: Measurement) -> Counterfactuals | None:
    """Samples that differ in one attribute, or None if they are switched off."""
    n, seed = case.config.pairs, case.config.seed
    if not n:
        return None
    asked = case.subject.joint.fill(as_in_data(case.data.test, n, seed + 1), Rng(range(n)))
    return counterfactuals(case.subject, asked, seed)


def _unseen(case: Measurement) -> Dataset | None:
    """Samples of combinations that the training data lacks.

    None if it lacks none, or if there is nothing to combine.
    """
    several = len(case.data.schema.discrete) > 1
    n = min(case.config.samples, MAX_UNSEEN)
    asked = never_seen(case.subject.joint, n, case.config.seed) if several else None
    return None if asked is None else case.subject.answer(asked, _seeds(case, len(asked)))


def _held_out(case: Measurement) -> Obedience | None:
    """Obedience on held-out combinations, if there are any, beside examples that the judge did not see."""
    real = judge_splits(case.data).held
    if real is None:
        return None
    n = min(case.config.samples, MAX_HELD_OUT)
    asked = as_in_data(real, n, case.config.seed)
    return obedience(case.judge, case.subject.answer(asked, _seeds(case, n)), real)


def _seeds(case: Measurement, n: int) -> Int[Tensor, " n"]:
    return torch.arange(case.config.seed, case.config.seed + n)
