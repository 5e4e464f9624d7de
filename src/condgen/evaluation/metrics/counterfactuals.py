"""Counterfactuals: pairs of samples that differ in a single respect.

They show whether a sample changes with its request (swap test), and whether anything else changes too (leakage).
"""

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, permutations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from condgen.data import Dataset
from condgen.evaluation.findings import Evidence, Finding
from condgen.evaluation.judge.judge import Judge, Reading
from condgen.evaluation.metrics.estimate import Estimate, wilson
from condgen.messages import setting
from condgen.schema import Attribute, Condition, LabelDistribution
from condgen.units import number, percent

FIFTHS = 5  # parts of a continuous attribute for comparing its values
MAX_LEAKAGE = 0.1  # largest accepted change of an attribute that was not requested, beyond noise
MIN_MATCHED = 20  # pairs of real observations below which nothing is known of their change
LOOKED_THROUGH = 2_000  # real observations among which pairs are looked for
NEAR, TIE = 0.05, 1e-4  # labels that count as the same, by their distance, and the distance that decides at random

Table = tuple[tuple[float, ...], ...]
Weighted = tuple[Float[Tensor, " _"], Float[Tensor, " _"]]  # codes and their weights


@dataclass(frozen=True)
class Counterfactuals:
    """Samples that differ in a single respect.

    base: samples under some conditions.
    again: under the same conditions, with other noise.
    changed: per attribute, with the same noise and only this attribute requested differently.
    """

    base: Dataset
    again: Dataset
    changed: Mapping[str, Dataset]


@dataclass(frozen=True)
class Leakage:
    """Changes of other attributes when one is requested differently and the noise stays. Row: requested, column: read.

    changed: share of samples that are read differently. For a measured attribute, the mean distance (see
        `Attribute.distance`), which for a number is a share of its range, on its scale.
    still: the same, per attribute, between two samples of one request with different noise, as a baseline.
    data: dependence of the attributes in the training data: the Wasserstein distance, in the same unit, between the
        column's distributions under two values of the row, averaged over the values.
    real: the same as `changed` between held-out real observations with the labels of each pair, which the judge reads
        differently by its own errors alone. None where the data has too few of them. Empty if unknown.
    """

    names: tuple[str, ...]
    changed: Table
    still: tuple[float, ...]
    data: Table
    real: tuple[tuple[float | None, ...], ...] = ()

    def excess(self, row: int, column: int) -> float:
        """The change beyond that by other noise, and beyond the judge's own errors."""
        return self.changed[row][column] - max(self.still[column], self.misread(row, column) or 0.0)

    def misread(self, row: int, column: int) -> float | None:
        """The change that the judge reads in real data so labelled, or None if it is unknown."""
        return self.real[row][column] if self.real else None


def swap(judge: Judge, a: Attribute, pairs: Counterfactuals | None) -> Estimate | None:
    """The share of pairs x, x' for requests c, c' with q(c|x) q(c'|x') > q(c'|x) q(c|x'). Ties count half.

    Only pairs in which c gives the attribute are used.
    """
    if pairs is None or a.name not in pairs.changed:
        return None
    here = pairs.base.condition.given(a.name).nonzero()[:, 0]
    base, other = pairs.base[here], pairs.changed[a.name][here]
    first, second = judge.read(base.x), judge.read(other.x)
    c, c_other = base.condition.values[a.name], other.condition.values[a.name]
    right = first.log_prob(a.name, c) + second.log_prob(a.name, c_other)
    wrong = first.log_prob(a.name, c_other) + second.log_prob(a.name, c)
    told = (right > wrong).double() + 0.5 * (right == wrong).double()
    return wilson(float(told.mean()), len(told))


def leakage(
    judge: Judge,
    pairs: Counterfactuals,
    trained: LabelDistribution,
    real: tuple[Reading, Condition] | None = None,
) -> Leakage:
    """Changes of other attributes when one is requested differently, beside their dependence in the data.

    real: the judge's reading of held-out real observations, and their labels.
    """
    base = judge.read(pairs.base.x)
    readings = {name: judge.read(samples.x) for name, samples in pairs.changed.items()}
    again = judge.read(pairs.again.x)
    named = [a for a in judge.schema if a.name in readings]
    here = {a.name: pairs.base.condition.given(a.name) for a in named}  # pairs in which it was given before
    return Leakage(
        names=tuple(a.name for a in named),
        changed=tuple(
            tuple(_differs(b, base[here[a.name]], readings[a.name][here[a.name]]) for b in named) for a in named
        ),
        still=tuple(_differs(b, base, again) for b in named),
        data=tuple(tuple(_dependence(trained, a, b) for b in named) for a in named),
        real=tuple(tuple(_in_real(*real, pairs, a, b) for b in named) for a in named) if real else (),
    )


def _in_real(read: Reading, labels: Condition, pairs: Counterfactuals, a: Attribute, b: Attribute) -> float | None:
    """The mean difference in b between real observations labelled as the two members of each pair are in a and b."""
    if a is b:
        return None
    known = (labels.given(a.name) & labels.given(b.name)).nonzero()[:LOOKED_THROUGH, 0]
    asked = pairs.base.condition.given(a.name) & pairs.base.condition.given(b.name)
    both = [c[asked] for c in (pairs.base.condition, pairs.changed[a.name].condition)]
    (first, one), (second, other) = (_nearest(c, labels[known], a, b) for c in both)
    found = one & other
    if int(found.sum()) < MIN_MATCHED:
        return None
    return _differs(b, read[known[first[found]]], read[known[second[found]]])


def _nearest(
    asked: Condition, labels: Condition, a: Attribute, b: Attribute
) -> tuple[Int[Tensor, " n"], Bool[Tensor, " n"]]:
    """For each request the observation whose labels of a and b are nearest to it, and whether they are near enough.

    Of equally near ones a random one, so that a few that the judge misreads do not stand for all.
    """
    if not len(labels):
        nowhere = torch.zeros(len(asked), dtype=torch.long)
        return nowhere, nowhere > 0
    first, second = (x.distance(asked.values[x.name][:, None], labels.values[x.name][None]).float() for x in (a, b))
    apart = (first + second) / NEAR
    tie = torch.rand(apart.shape, generator=torch.Generator().manual_seed(len(asked)))
    distance, index = (apart + TIE * tie).min(1)
    return index, distance <= 1 + TIE


def _differs(b: Attribute, one: Reading, other: Reading) -> float:
    return float(b.distance(one.condition.values[b.name], other.condition.values[b.name]).mean())


def _dependence(joint: LabelDistribution, a: Attribute, b: Attribute) -> float:
    """The mean Wasserstein distance between b's distributions under two values of a, weighted by frequency."""
    parts = list(_by_value(joint, a, b))
    pairs = [(p * q, _wasserstein(b, one, other)) for (p, one), (q, other) in combinations(parts, 2)]
    total = sum(weight for weight, _ in pairs)
    return sum(weight * distance for weight, distance in pairs) / total if total else 0.0


def _by_value(joint: LabelDistribution, a: Attribute, b: Attribute) -> Iterator[tuple[float, Weighted]]:
    """For each value of a its frequency, and b's codes and weights there.

    A measured attribute is cut into about fifths. Equal numbers stay together.
    """
    given = joint.rows.given(a.name) & joint.rows.given(b.name)
    rows, weights = joint.rows[given], joint.counts[given]
    codes = rows.values[a.name]
    if not a.choices:
        codes = (_ranks(a.place(codes), weights) * FIFTHS).floor()
    for code in codes.unique():
        here = codes == code
        yield float(weights[here].sum() / weights.sum()), (rows.values[b.name][here], weights[here])


def _ranks(codes: Float[Tensor, " _"], weights: Float[Tensor, " _"]) -> Float[Tensor, " _"]:
    """The share of the weight below each number plus half of that at it, in (0, 1). Equal numbers have equal ranks."""
    place = codes.unique(return_inverse=True)[1]
    at = torch.bincount(place, weights.double())
    return ((at.cumsum(0) - at / 2) / at.sum())[place]


def _wasserstein(b: Attribute, one: Weighted, other: Weighted) -> float:
    """The Wasserstein distance of two distributions, as a share of the span. For named values, the total variation
    distance.
    """
    if not b.choices:
        from scipy.stats import wasserstein_distance

        (x, p), (y, q) = one, other
        at_x, at_y = b.place(x).numpy(), b.place(y).numpy()
        return float(wasserstein_distance(at_x, at_y, p.numpy(), q.numpy())) / b.reach
    p, q = (torch.bincount(x.long(), w, minlength=len(b.choices)) / w.sum() for x, w in (one, other))
    return float((p - q).abs().sum() / 2)


# ---- findings


def as_swapped(a: str, b: str) -> Finding:
    """The finding that two attributes were exchanged."""
    return Finding(
        "swapped attributes",
        f"Asking for another {a} changes {b}, and asking for another {b} changes {a}; neither changes itself.",
        "Check the order of the columns that the model was given: labels and names have come apart.",
    )


def swapped(judged: Sequence[str], leakage: Leakage) -> Iterator[tuple[str, str]]:
    """Pairs of attributes that each follow the request for the other, and hardly their own."""
    place = [leakage.names.index(name) for name in judged if name in leakage.names]
    for i, j in combinations(place, 2):
        if _follows_other(leakage, i, j) and _follows_other(leakage, j, i):
            yield leakage.names[i], leakage.names[j]


def _follows_other(leakage: Leakage, asked: int, other: int) -> bool:
    """Whether a request for another value changes another attribute at least twice as often as its own."""
    return leakage.excess(asked, other) > max(MAX_LEAKAGE, 2 * leakage.excess(asked, asked))


def leaks(leakage: Leakage, heeded: Collection[str], kept: Collection[str], evidence: Evidence) -> Iterator[Finding]:
    """Attributes that change although they were not requested to, among those that are heeded.

    kept: those whose requests are obeyed as often as in real data, so that a leak concerns rare combinations only and
        is not grave.
    """
    for (i, a), (j, b) in permutations(enumerate(leakage.names), 2):
        if {a, b} <= set(heeded) and leakage.excess(i, j) > MAX_LEAKAGE:
            yield Finding(
                "leakage",
                f"Asking for another {a} also changes {b} in {percent(leakage.changed[i][j], 0)} of samples (other "
                f"noise: {percent(leakage.still[j], 0)}{_misread(leakage, i, j)}{_tied(leakage, i, j)})"
                f"{f', though on the whole {b} is obeyed as in real data' * (b in kept)}.",
                f"Balance the combinations in the training data{_weighed(b, evidence)}.",
                grave=b not in kept,
            )


def _misread(leakage: Leakage, row: int, column: int) -> str:
    """The change that the judge reads in real data so labelled, as text. Empty if it is unknown."""
    own = leakage.misread(row, column)
    return "" if own is None else f"; real data so labelled: {percent(own, 0)}"


def _tied(leakage: Leakage, row: int, column: int) -> str:
    """The strength of dependence of two attributes in the data, as text. Empty if it is unknown."""
    known, (a, b) = leakage.data[row][column], (leakage.names[row], leakage.names[column])
    return f"; in the data {b} depends on {a} by {percent(known, 0)}" if math.isfinite(known) else ""


def _weighed(name: str, evidence: Evidence) -> str:
    """Advice for a larger weight of an attribute, if samples can be guided, or for a critic that judges each alone."""
    if evidence.trained.guided:
        weight = setting(guidance=f"{name}={number(evidence.guidance + 1, 'g')}")
        return f", or ask with a weight per attribute ({weight})"
    other = evidence.trained.against_leakage
    return f", or train with a critic that judges every attribute by itself ({other})" if other else ""
