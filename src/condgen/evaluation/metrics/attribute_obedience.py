"""Obedience to one attribute: the judge's readings of samples, beside the request and beside real data."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from condgen.evaluation.findings import Finding
from condgen.evaluation.judge.judge import Reading
from condgen.evaluation.metrics.estimate import Estimate, mean, share
from condgen.models.remedies import TrainedAs
from condgen.schema import Attribute, Condition
from condgen.units import number, percent

BINS = 10  # bins of a continuous attribute's calibration
MIN_PER_BIN = 20
MIN_SKILL = 0.2  # smallest skill of the judge on real data for a finding
MIN_TOLD_APART = 0.6  # at a smaller share of swapped pairs (0.5 by chance) an attribute counts as ignored
MIN_OF_REAL_SKILL = 0.1  # at a smaller skill relative to real data an attribute counts as ignored
MIN_PER_VALUE = 20  # smallest number of samples of a value for a finding about it
RARE = 0.5  # a value with a smaller share of an even split of real observations is rare
AS_REAL = 0.98  # from this score relative to real data on, requests count as obeyed

Counts = tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Bin:
    """Samples asked for about the same number: the mean request, and mean and standard deviation of the readings."""

    asked: float
    seen: float
    spread: float
    n: int


@dataclass(frozen=True)
class AttributeObedience:
    """The extent to which samples show the requested value of one attribute.

    choices: names of the values, in the order of the confusions' rows and columns. Empty if measured.
    asked: share of samples recognised as requested. Mean error if measured.
    real: the same for held-out real data under its labels.
    relative: asked/real, or real/asked for errors. 1 is as good as real data.
    chance: the score of samples that ignore this attribute.
    swap: share of pairs, differing only in the request for this attribute, in which the judge can tell which is which.
        0.5 by chance. None if it was not tested.
    confidence, real_confidence: mean log-odds, in nats, that the judge gives to the request. None if measured.
    confusion, real_confusion: frequency with which each value (row) was read as each value (column).
    tolerance: the largest error of a measured attribute that counts as obeyed. None for a number on a log scale.
    factor: for such a number, the largest ratio of the larger to the smaller of reading and request that counts as
        obeyed. Older reports have a tolerance instead.
    calibration: readings against requests, for a number.
    """

    name: str
    kind: str
    choices: tuple[str, ...]
    asked: Estimate
    real: Estimate
    relative: float
    chance: float
    swap: Estimate | None = None
    confidence: float | None = None
    real_confidence: float | None = None
    confusion: Counts = ()
    real_confusion: Counts = ()
    tolerance: float | None = None
    factor: float | None = None
    calibration: tuple[Bin, ...] = ()

    @property
    def measured(self) -> bool:
        """Whether `asked` and `real` are errors instead of shares, as for attributes without named values."""
        return not self.choices

    @property
    def line(self) -> str:
        """The result in one readable line."""
        made, real = self.shown(self.asked.value), self.shown(self.real.value)
        asked = "" if self.measured else " as asked"
        return f"{self.name}: {made}{asked}; the judge on held-out real data: {real}"

    def shown(self, value: float) -> str:
        """A value in the form of `asked` and `real`."""
        if self.measured and math.isfinite(value):
            return f"off by {number(value)} on average"
        return percent(value)


def attribute_obedience(
    a: Attribute,
    read: Reading,
    asked: Condition,
    read_real: Reading,
    real: Condition,
    bound: float | None,
    told_apart: Estimate | None,
) -> AttributeObedience:
    """Obedience to an attribute, over the observations where it is given.

    read, asked: the judge's readings of samples, and their requests.
    read_real, real: the same for held-out real data.
    bound: the largest distance of a measured attribute that counts as obeyed (see `tolerances`).
    told_apart: the result of `swap`.
    """
    here, there = asked.given(a.name), real.given(a.name)
    read, codes = read[here], asked.values[a.name][here]
    read_real, labels = read_real[there], real.values[a.name][there]
    made, held = score(a, read, codes), score(a, read_real, labels)
    measured = not a.choices
    ratio = (held.value, made.value) if measured else (made.value, held.value)
    return AttributeObedience(
        name=a.name,
        kind=a.kind,
        choices=a.choices,
        asked=made,
        real=held,
        relative=ratio[0] / ratio[1] if ratio[1] else (math.nan if math.isnan(ratio[0]) else 1.0),
        chance=_chance(a, read.condition.values[a.name], codes),
        swap=told_apart,
        confidence=None if measured else _confidence(read, a.name, codes),
        real_confidence=None if measured else _confidence(read_real, a.name, labels),
        confusion=() if measured else _confusion(read, a.name, codes, len(a.choices)),
        real_confusion=() if measured else _confusion(read_real, a.name, labels, len(a.choices)),
        tolerance=None if bound is None else a.error_at(bound),
        factor=None if bound is None else a.factor_at(bound),
        calibration=_calibration(read.condition.values[a.name], codes) if a.limits else (),
    )


def score(a: Attribute, read: Reading, codes: Float[Tensor, "n ..."]) -> Estimate:
    """The share of codes that are read correctly. For a measured attribute, the mean error."""
    errors = read.errors_of(a.name, codes)
    return share(errors < 0.5) if a.choices else mean(errors)


def _chance(a: Attribute, seen: Float[Tensor, "n ..."], asked: Float[Tensor, "n ..."]) -> float:
    """The score if readings were independent of requests: the mean over all pairs of the two."""
    if not a.choices:
        n = 1_000  # all pairs of a thousand each are enough
        every = max(len(seen) // n, 1)
        return float(a.error(seen[::every, None], asked[None, ::every]).mean())
    width = len(a.choices)
    p, q = (torch.bincount(codes.long(), minlength=width) / max(len(codes), 1) for codes in (seen, asked))
    return float((p * q).sum())


def _confidence(read: Reading, name: str, codes: Float[Tensor, " n"]) -> float:
    """Mean log q(c|x)/(1 − q(c|x)) of the codes.

    1 − q is the sum over the other values: 32 bits hold no q between 1 − 6·10⁻⁸ and 1.
    """
    log_p = read.outputs[name].double()
    others = torch.arange(log_p.shape[1]) != codes.round()[:, None]
    return float((read.log_prob(name, codes) - log_p.masked_fill(~others, -torch.inf).logsumexp(1)).mean())


def _confusion(read: Reading, name: str, codes: Float[Tensor, " n"], width: int) -> Counts:
    pairs = codes.long() * width + read.condition.values[name].long()
    counts = torch.bincount(pairs, minlength=width**2).view(width, width)
    return tuple(map(tuple, counts.tolist()))


def _calibration(seen: Float[Tensor, " n"], asked: Float[Tensor, " n"]) -> tuple[Bin, ...]:
    """Bins of equal count, in order of the request."""
    order = asked.argsort()
    parts = [part for part in order.tensor_split(min(BINS, max(len(order) // MIN_PER_BIN, 1))) if len(part) > 1]
    return tuple(
        Bin(float(asked[part].mean()), float(seen[part].mean()), float(seen[part].std()), len(part)) for part in parts
    )


# ---- findings


def findings_of(a: AttributeObedience, trained: TrainedAs) -> Iterator[Finding]:
    """An attribute that is ignored, or values that come out as others."""
    if ignored(a):
        yield _as_ignored(a, trained)
    else:
        yield from _confused_values(a, trained)


def as_real(attribute: AttributeObedience) -> bool:
    """Whether requests for an attribute are obeyed as often as real data show it, as far as can be told."""
    asked, real = attribute.asked, attribute.real
    within_noise = asked.high >= real.low if attribute.choices else asked.low <= real.high
    return attribute.relative >= AS_REAL or within_noise


def telling(a: AttributeObedience) -> bool:
    """Whether the judge can read this attribute in real data, so that its readings of samples mean something."""
    known = all(map(math.isfinite, (a.asked.value, a.real.value, a.chance)))
    return known and _skill(a, a.real.value) >= MIN_SKILL


def _skill(a: AttributeObedience, score: float) -> float:
    """The position of a score between chance (0) and perfection (1)."""
    if a.choices and a.chance >= 1:
        return 0.0  # one value alone: there is nothing to read
    return (score - a.chance) / (1 - a.chance) if a.choices else 1 - score / a.chance if a.chance else 0.0


def ignored(a: AttributeObedience) -> bool:
    """Whether samples ignore this attribute, by pairs or, without any, by chance."""
    if a.swap is not None and math.isfinite(a.swap.value):
        return a.swap.value < MIN_TOLD_APART
    return _skill(a, a.asked.value) < MIN_OF_REAL_SKILL * _skill(a, a.real.value)


def _as_ignored(a: AttributeObedience, trained: TrainedAs) -> Finding:
    pairs = (
        ""
        if a.swap is None or not math.isfinite(a.swap.value)
        else f"of pairs that differ in it alone, {percent(a.swap.value, 0)} can be told apart; "
    )
    return Finding(
        "ignored condition",
        f"Samples do not heed {a.name}: {pairs}it is as asked in {_scored(a, a.asked.value)}, where "
        f"{_scored(a, a.chance)} is chance and real data has {_scored(a, a.real.value)}.",
        trained.against_an_idle_condition,
    )


def _scored(a: AttributeObedience, value: float) -> str:
    return percent(value) if a.choices else f"an error of {number(value)}"


def confused(a: AttributeObedience) -> dict[int, int]:
    """Values that come out as another one more often than as themselves: the code of each, and of the other value."""
    mostly = {
        k: max(range(len(row)), key=row.__getitem__) for k, row in enumerate(a.confusion) if sum(row) >= MIN_PER_VALUE
    }
    return {k: seen for k, seen in mostly.items() if seen != k and _real_share(a, k) > 0.5}


def _confused_values(a: AttributeObedience, trained: TrainedAs) -> Iterator[Finding]:
    wrong = confused(a)
    if not wrong:
        return
    told = ", ".join(
        f"{a.choices[k]} shows {a.choices[seen]} ({percent(a.confusion[k][seen] / sum(a.confusion[k]), 0)})"
        for k, seen in wrong.items()
    )
    permuted = all(wrong.get(seen) is not None for seen in wrong.values())
    yield Finding(
        "permuted values" if permuted else "missed values",
        f"Of {a.name}, asking for {told}.",
        "Check the order of the values in schema.json against the labels."
        if permuted
        else trained.against_rare_misses([a.name] if any(_rare(a, k) for k in wrong) else []),
    )


def _rare(a: AttributeObedience, k: int) -> bool:
    """Whether a value has less than half of an even share of real observations."""
    counts = [sum(row) for row in a.real_confusion]
    return counts[k] < RARE * sum(counts) / len(counts)


def _real_share(a: AttributeObedience, k: int) -> float:
    """The share of a value's real observations that the judge reads correctly."""
    row = a.real_confusion[k] if a.real_confusion else ()
    return row[k] / sum(row) if sum(row) else 0.0
