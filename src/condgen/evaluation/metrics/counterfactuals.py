"""Counterfactuals: pairs of samples that differ in a single respect.

They show whether a sample changes with its request (swap test), and whether anything else changes too (leakage).
"""

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, permutations

import torch
from jaxtyping import Float
from torch import Tensor

from condgen.data import Dataset
from condgen.evaluation.findings import Evidence, Finding
from condgen.evaluation.judge.judge import Judge, Reading
from condgen.evaluation.metrics.estimate import Estimate, mean
from condgen.messages import setting
from condgen.schema import Attribute, LabelDistribution
from condgen.units import number, percent

FIFTHS = 5  # parts of a continuous attribute for comparing its values
MAX_LEAKAGE = 0.1  # largest accepted change of an attribute that was not requested, beyond noise

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

    changed: share of samples that are read differently. For a continuous attribute, the mean change as a share of its
        range.
    still: the same, per attribute, between two samples of one request with different noise, as a baseline.
    data: dependence of the attributes in the training data: the Wasserstein distance, in the same unit, between the
        column's distributions under two values of the row, averaged over the values.
    """

    names: tuple[str, ...]
    changed: Table
    still: tuple[float, ...]
    data: Table


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
    return mean((right > wrong).float() + 0.5 * (right == wrong).float())


def leakage(judge: Judge, pairs: Counterfactuals, trained: LabelDistribution) -> Leakage:
    """Changes of other attributes when one is requested differently, beside their dependence in the data."""
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
    )


def _differs(b: Attribute, one: Reading, other: Reading) -> float:
    return float(b.error(one.condition.values[b.name], other.condition.values[b.name]).mean()) / b.span


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
    return _excess(leakage, asked, other) > max(MAX_LEAKAGE, 2 * _excess(leakage, asked, asked))


def _excess(leakage: Leakage, row: int, column: int) -> float:
    return leakage.changed[row][column] - leakage.still[column]


def leaks(leakage: Leakage, heeded: Collection[str], kept: Collection[str], evidence: Evidence) -> Iterator[Finding]:
    """Attributes that change although they were not requested to, among those that are heeded.

    kept: those whose requests are obeyed as often as in real data, so that a leak concerns rare combinations only and
        is not grave.
    """
    for (i, a), (j, b) in permutations(enumerate(leakage.names), 2):
        if {a, b} <= set(heeded) and _excess(leakage, i, j) > MAX_LEAKAGE:
            yield Finding(
                "leakage",
                f"Asking for another {a} also changes {b} in {percent(leakage.changed[i][j], 0)} of samples (other "
                f"noise: {percent(leakage.still[j], 0)}{_tied(leakage, i, j)})"
                f"{f', though on the whole {b} is obeyed as in real data' * (b in kept)}.",
                f"Balance the combinations in the training data{_weighed(b, evidence)}.",
                grave=b not in kept,
            )


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
