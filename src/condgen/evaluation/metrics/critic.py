"""A critic's knowledge of labels: whether it tells them apart in real data that it has not seen, or by heart.

A generator learns a condition from its critic alone. A critic of few observations can learn by heart which of them have
a rare value, or not learn the value at all. Then it may teach something else, and requests for the value are missed.
Karras et al. 2020 (section 3) compare scores of training and of held-out data. Here it is what a label does to them.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from condgen.data import Dataset, Splits
from condgen.evaluation.comparison.columns import Quantity, Values
from condgen.evaluation.findings import Evidence, Finding
from condgen.evaluation.metrics.attribute_obedience import as_real, findings_of, telling
from condgen.evaluation.metrics.estimate import Estimate, wilson
from condgen.evaluation.metrics.metric import Measurement, Metric
from condgen.evaluation.metrics.obedience import OBEDIENCE
from condgen.evaluation.metrics.rare import RARE
from condgen.models.protocols import Prefers
from condgen.models.remedies import TrainedAs
from condgen.rng import Stream
from condgen.runs.run import Run
from condgen.runs.sampling import BATCH
from condgen.schema import Condition
from condgen.units import percent

ROWS = 20_000  # observations, at random, that pairs are made of
PAIRS = 200  # largest number of pairs of observations
FEWEST = 30  # with fewer pairs an attribute is left out
MOST = 8  # attributes that are looked at, those with the fewest pairs: their values are rare
MAX_GAP = 0.1  # a larger difference between training and held-out data, beyond noise, is learned by heart
KNOWN = 0.75  # share of held-out pairs from which on a critic knows an attribute


@dataclass(frozen=True)
class KnownAttribute:
    """Shares of pairs of real observations that the critic prefers with their own values, to exchanged ones.

    Both are 0.5 by chance. A pair has different values of this attribute.

    seen: in training data. unseen: in held-out data.
    """

    name: str
    seen: Estimate
    unseen: Estimate

    @property
    def known(self) -> bool:
        """Whether what is known of it holds for data that was not seen."""
        return self.unseen.high >= KNOWN

    @property
    def by_heart(self) -> bool:
        """Whether it is known better in training data than in any other."""
        return self.seen.low > self.unseen.high + MAX_GAP

    @property
    def line(self) -> str:
        """The result in one readable line."""
        return (
            f"{self.name}: the critic tells own from exchanged values in {percent(self.seen.value, 0)} of pairs of "
            f"training data, in {percent(self.unseen.value, 0)} of held-out ones (by chance {percent(0.5, 0)})"
        )


@dataclass(frozen=True)
class KnownLabels:
    """The attributes that were looked at, the least known in held-out data first."""

    attributes: tuple[KnownAttribute, ...]


class CriticMetric(Metric[KnownLabels]):
    """Labels that a critic tells apart, in training data and in held-out data."""

    name = "critic"
    title = "What the critic knows"
    about = "Does the critic know what the values of attributes look like, or which training observations have them?"
    result = KnownLabels

    def skipped(self, case: Measurement) -> str:
        """A reason if the model has no critic of the data's labels, or if too few observations differ in them."""
        if not isinstance(case.subject.run.model, Prefers):
            return "this model has no critic"
        if not case.subject.conditional or case.subject.match is not None:
            return "this model cannot be asked for the data's attributes"
        few = not chosen(case.data, case.config.seed)
        return f"no attribute has {FEWEST} pairs of held-out observations that differ in it" if few else ""

    def measure(self, case: Measurement) -> KnownLabels:
        """The shares, of up to 8 attributes whose values are rare."""
        parts, seed = (case.data.train, case.data.test), case.config.seed
        found = [
            KnownAttribute(name, *(_told_apart(case.subject.run, part, name, seed) for part in parts))
            for name in chosen(case.data, seed)
        ]
        return KnownLabels(tuple(sorted(found, key=lambda each: each.unseen.value)))

    def lines(self, result: KnownLabels) -> list[str]:
        """A line for each of the three least known attributes."""
        return [each.line for each in result.attributes[:3]]

    def findings(self, result: KnownLabels, evidence: Evidence) -> Iterator[Finding]:
        """The attribute that is known least, of those that samples miss."""
        missed = _missed(evidence)
        unknown = [each for each in result.attributes if not each.known and each.name in missed]
        yield from (_as_unknown(each, evidence.trained) for each in unknown[:1])

    def columns(self, result: KnownLabels, results: Mapping[str, Any]) -> Values:
        """The share of the least known attribute, in held-out data."""
        return {
            Quantity("critic_knows", "least known to the critic", "higher", "json", "share"): each.unseen.value
            for each in result.attributes[:1]
        }


CRITIC = CriticMetric()


def chosen(data: Splits, seed: int) -> list[str]:
    """The attributes of which training and held-out data have enough pairs, those with the fewest first."""
    parts = (data.train.condition, data.test.condition)
    counts = {a.name: min(len(pairs(part, a.name, seed)) for part in parts) for a in data.schema if not a.shape}
    return sorted((name for name, n in counts.items() if n >= FEWEST), key=lambda name: counts[name])[:MOST]


def pairs(condition: Condition, name: str, seed: int) -> Int[Tensor, "pair 2"]:
    """Disjoint pairs of observations that differ in an attribute. Numbers differ by half of the observations.

    Every value is in as many pairs as it can be.
    """
    codes, given = condition.schema[name].hard(condition.values[name]), condition.given(name)
    order = torch.randperm(len(codes), generator=torch.Generator().manual_seed(seed))
    order = order[given[order]][:ROWS]
    order = order[codes[order].argsort(stable=True)]
    _, numbers = codes[order].unique_consecutive(return_inverse=True)
    counts = numbers.bincount()
    others = len(order) - int(counts.max()) if len(order) else 0
    if others < len(order) - others:  # the most frequent value is left out where it has no partner
        first = int((numbers == counts.argmax()).nonzero()[0])
        order = torch.cat([order[: first + others], order[first + len(order) - others :]])
    half = len(order) // 2
    both = torch.stack([order[:half], order[half : 2 * half]], 1)
    return both[codes[both[:, 0]] != codes[both[:, 1]]]


def _told_apart(run: Run, data: Dataset, name: str, seed: int) -> Estimate:
    """The share of pairs with Σ s(x, own value) > Σ s(x, the other's value). Ties count half."""
    both = pairs(data.condition, name, seed)
    both = both[torch.randperm(len(both), generator=torch.Generator().manual_seed(seed))[:PAIRS]]
    one, other = both.T
    lead = _lead(run, data, one, other, name) + _lead(run, data, other, one, name)
    return wilson(float(((lead > 0).double() + (lead >= 0).double()).mean() / 2), len(both))


def _lead(
    run: Run, data: Dataset, here: Int[Tensor, " pair"], there: Int[Tensor, " pair"], name: str
) -> Float[Tensor, " pair"]:
    """s(x, c) − s(x, c′): the critic's preference for the own condition c over c′, with the value of another one."""
    other, found = data.condition.values[name], []
    for own, alien in zip(here.split(BATCH), there.split(BATCH), strict=True):
        x, condition = data[own].floats, data.condition[own]
        condition = condition if run.model.handles_missing else run.joint.fill(condition, Stream.FILLED.rng(own))
        swapped = condition.with_codes(name, other[alien])
        found.append(run.preference(x, condition) - run.preference(x, swapped))
    return torch.cat(found)


def _missed(evidence: Evidence) -> set[str]:
    """The attributes that samples show less often than real data does: at all, a value of it, or in a combination."""
    obedience, rare = OBEDIENCE.of(evidence.results), RARE.of(evidence.results)
    judged = [a for a in obedience.attributes if telling(a)] if obedience else []
    worst = rare.worst(obedience) if rare else None
    short = {a.name for a in judged if not as_real(a) or any(findings_of(a, evidence.trained))}
    return short.union(worst.names if worst else ())


def _as_unknown(each: KnownAttribute, trained: TrainedAs) -> Finding:
    knows = "knows which observations have a value rather than" if each.by_heart else "does not know"
    seen, unseen, chance = (percent(p, 0) for p in (each.seen.value, each.unseen.value, 0.5))
    return Finding(
        "labels learned by heart" if each.by_heart else "labels unknown to the critic",
        f"The critic tells own from exchanged values of {each.name} in {unseen} of pairs of held-out data and {seen} "
        f"of training data (by chance {chance}). It {knows} what it looks like, and a generator learns values from its "
        "critic alone.",
        trained.against_unknown_labels,
        grave=False,
    )
