"""Obedience: do samples show what was asked for, and nothing else that changed?

Everything is said by a judge whose own skill on held-out real data stands beside it.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from condgen.data import Dataset
from condgen.evaluation.judge.judge import Judge, Reading
from condgen.evaluation.metrics.counterfactuals import Counterfactuals, Leakage, leakage, swap
from condgen.evaluation.metrics.estimate import Estimate, mean, share
from condgen.runs.samples import Samples
from condgen.schema import Attribute, Condition, Continuous, LabelDistribution

BINS = 10  # of a continuous attribute's calibration
TOLERATED = 0.9  # share of the judge's errors on real data that a continuous attribute may make and count as obeyed
FEWEST = 20  # samples of a combination that it takes to say something about it
MOST_COMBINATIONS = 40

Counts = tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Bin:
    """Samples asked for about the same number: the mean asked, mean and standard deviation of what the judge reads."""

    asked: float
    seen: float
    spread: float
    n: int


@dataclass(frozen=True)
class AttributeObedience:
    """How far samples show what was asked of one attribute.

    choices:   names of the values, in the order of the confusions' rows and columns; empty if continuous.
    asked:     share of samples recognised as asked for; mean absolute error in the attribute's unit if continuous.
    real:      the same of held-out real data under its labels.
    relative:  asked/real, or real/asked for errors: 1 is as good as real data.
    chance:    what samples would score that pay no heed to this attribute.
    swap:      share of pairs, alike but for what is asked of this attribute, that the judge can tell which is which;
               0.5 by chance. None where it was not tested.
    confidence, real_confidence: mean log-odds in nats that the judge gives to what was asked; None if continuous.
    confusion, real_confusion:   how often each value (row) was read as each value (column).
    tolerance: the error up to which a continuous attribute counts as obeyed, in its unit.
    calibration: what is read against what was asked, for a continuous attribute.
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
    calibration: tuple[Bin, ...] = ()

    @property
    def line(self) -> str:
        """One readable line."""
        return f"{self.name}: {self.shown(self.asked.value)} as asked; the judge on held-out real data: " + (
            self.shown(self.real.value)
        )

    def shown(self, value: float) -> str:
        """A value as `asked` and `real` are written."""
        if math.isnan(value):
            return "nothing known"
        return f"{value:.2%}" if self.choices else f"off by {value:.3g} on average"


@dataclass(frozen=True)
class Combination:
    """How often one combination of values was obeyed as a whole; `trained`: whether the training data has it."""

    request: str
    trained: bool
    obeyed: Estimate
    n: int


@dataclass(frozen=True)
class Obedience:
    """How far samples show what was asked.

    joint, joint_real: share in which all attributes are right at once; continuous ones within their tolerance.
    combinations:      of the named attributes' values, the least obeyed first; empty with one attribute.
    unseen:            `joint` on combinations that the training data does not have; None where it has all.
    held:              all of this, of combinations that were held out on request, beside real examples of those.
    """

    attributes: tuple[AttributeObedience, ...]
    joint: Estimate
    joint_real: Estimate
    combinations: tuple[Combination, ...] = ()
    unseen: Estimate | None = None
    leakage: Leakage | None = None
    held: "Obedience | None" = None

    def __getitem__(self, name: str) -> AttributeObedience:
        """What is known of one attribute."""
        return next(a for a in self.attributes if a.name == name)

    def lines(self) -> list[str]:
        """One readable line per attribute, and one of held-out combinations."""
        return [a.line for a in self.attributes] + (
            [f"held-out combinations, {self.held.summary}"] if self.held else []
        )

    @property
    def summary(self) -> str:
        """All of it in one readable line."""
        parts = ", ".join(f"{a.name} {a.shown(a.asked.value)}" for a in self.attributes)
        return f"all at once: {self.joint.value:.2%} as asked ({parts}); the judge: {self.joint_real.value:.2%}"


def obedience(
    judge: Judge,
    samples: Samples | Dataset,
    real: Dataset,
    counterfactuals: Counterfactuals | None = None,
    trained: LabelDistribution | None = None,
    unseen: Dataset | None = None,
) -> Obedience:
    """What the judge says of samples, and of real data that nobody trained on.

    trained: the training data's joint distribution, for leakage and combinations. unseen: samples of combinations that
    it does not have.
    """
    read, read_real = judge.read(samples.x), judge.read(real.observations)
    tolerances = {a.name: _tolerance(read_real, a, real.condition) for a in judge.schema if isinstance(a, Continuous)}
    obeyed = _obeyed(read, samples.condition, tolerances)
    several = len([a for a in judge.schema if not isinstance(a, Continuous)]) > 1
    return Obedience(
        attributes=tuple(
            _attribute(
                a, read, samples.condition, read_real, real.condition, tolerances, swap(judge, a, counterfactuals)
            )
            for a in judge.schema
        ),
        joint=share(obeyed),
        joint_real=share(_obeyed(read_real, real.condition, tolerances)),
        combinations=_combinations(samples.condition, obeyed, trained) if several else (),
        unseen=None if unseen is None else share(_obeyed(judge.read(unseen.x), unseen.condition, tolerances)),
        leakage=None if counterfactuals is None or trained is None else leakage(judge, counterfactuals, trained),
    )


def _attribute(
    a: Attribute,
    read: Reading,
    asked: Condition,
    read_real: Reading,
    real: Condition,
    tolerances: Mapping[str, float],
    told_apart: Estimate | None,
) -> AttributeObedience:
    """One attribute's part, over the observations where it is given."""
    here, there = asked.given(a.name), real.given(a.name)
    read, codes = read[here], asked.values[a.name][here]
    read_real, labels = read_real[there], real.values[a.name][there]
    made, held = _score(a, read, codes), _score(a, read_real, labels)
    continuous = isinstance(a, Continuous)
    ratio = (held.value, made.value) if continuous else (made.value, held.value)
    return AttributeObedience(
        name=a.name,
        kind=a.kind,
        choices=() if isinstance(a, Continuous) else a.choices,
        asked=made,
        real=held,
        relative=ratio[0] / ratio[1] if ratio[1] else (math.nan if math.isnan(ratio[0]) else 1.0),
        chance=_chance(a, read.condition.values[a.name], codes),
        swap=told_apart,
        confidence=None if continuous else _confidence(read, a.name, codes),
        real_confidence=None if continuous else _confidence(read_real, a.name, labels),
        confusion=() if isinstance(a, Continuous) else _confusion(read, a.name, codes, len(a.choices)),
        real_confusion=() if isinstance(a, Continuous) else _confusion(read_real, a.name, labels, len(a.choices)),
        tolerance=tolerances.get(a.name),
        calibration=_calibration(read.condition.values[a.name], codes) if continuous else (),
    )


def _score(a: Attribute, read: Reading, codes: Float[Tensor, " n"]) -> Estimate:
    errors = read.errors_of(a.name, codes)
    return mean(errors) if isinstance(a, Continuous) else share(errors < 0.5)


def _chance(a: Attribute, seen: Float[Tensor, " n"], asked: Float[Tensor, " n"]) -> float:
    """The score of what is read, were it independent of what is asked: its mean over all pairs of the two."""
    if isinstance(a, Continuous):
        n = 1_000  # pairs of a thousand each are plenty
        every = max(len(seen) // n, 1)
        return float((seen[::every, None] - asked[None, ::every]).abs().mean())
    width = len(a.choices)
    p, q = (torch.bincount(codes.long(), minlength=width) / max(len(codes), 1) for codes in (seen, asked))
    return float((p * q).sum())


def _confidence(read: Reading, name: str, codes: Float[Tensor, " n"]) -> float:
    """Mean log q(c|x)/(1 − q(c|x)) of the codes."""
    log_p = read.log_prob(name, codes).double()
    return float((log_p - torch.log(-torch.expm1(log_p.clamp(max=-1e-12)))).mean())


def _confusion(read: Reading, name: str, codes: Float[Tensor, " n"], width: int) -> Counts:
    pairs = codes.long() * width + read.condition.values[name].long()
    counts = torch.bincount(pairs, minlength=width**2).view(width, width)
    return tuple(map(tuple, counts.tolist()))


def _calibration(seen: Float[Tensor, " n"], asked: Float[Tensor, " n"]) -> tuple[Bin, ...]:
    """Bins of equal count, in order of what was asked."""
    order = asked.argsort()
    parts = [part for part in order.tensor_split(min(BINS, max(len(order) // FEWEST, 1))) if len(part) > 1]
    return tuple(
        Bin(float(asked[part].mean()), float(seen[part].mean()), float(seen[part].std()), len(part)) for part in parts
    )


def _tolerance(read: Reading, a: Continuous, real: Condition) -> float:
    given = real.given(a.name)
    errors = read[given].errors_of(a.name, real.values[a.name][given])
    return float(errors.quantile(TOLERATED)) if len(errors) else a.high - a.low


def _obeyed(read: Reading, asked: Condition, tolerances: Mapping[str, float]) -> Bool[Tensor, " n"]:
    """Whether every given attribute is as asked at once."""
    right = [
        (read.errors_of(a.name, asked.values[a.name]) <= tolerances.get(a.name, 0.5)) | ~asked.given(a.name)
        for a in read.schema
    ]
    return torch.stack(right).all(0)


# ---- combinations


def named_codes(condition: Condition) -> Int[Tensor, "n attribute"]:
    """The codes of the attributes with named values, −1 where free."""
    named = [a.name for a in condition.schema if not isinstance(a, Continuous)]
    columns = [torch.where(condition.given(n), condition.values[n], -1.0).long() for n in named]
    return torch.stack(columns, dim=1) if columns else torch.zeros(len(condition), 0, dtype=torch.long)


def _combinations(
    asked: Condition, obeyed: Bool[Tensor, " n"], trained: LabelDistribution | None
) -> tuple[Combination, ...]:
    named = asked.select([a.name for a in asked.schema if not isinstance(a, Continuous)])
    distinct, inverse, counts = named_codes(named).unique(dim=0, return_inverse=True, return_counts=True)
    known = {tuple(row) for row in named_codes(trained.rows).tolist()} if trained else None
    found = []
    for k in (counts >= FEWEST).nonzero()[:, 0].tolist():
        members = (inverse == k).nonzero()[:, 0]
        text = named[members[:1]].describe()[0]
        in_training = known is None or tuple(distinct[k].tolist()) in known
        found.append(Combination(text, in_training, share(obeyed[members]), len(members)))
    return tuple(sorted(found, key=lambda c: c.obeyed.value)[:MOST_COMBINATIONS])


def absent_combinations(trained: LabelDistribution, most: int = 10_000) -> list[tuple[int, ...]]:
    """Combinations of named values that the training data does not have; none where there are more than `most` in all.

    Codes in the order of the schema's attributes that have named values.
    """
    named = [a for a in trained.schema if not isinstance(a, Continuous)]
    if not named or math.prod(len(a.choices) for a in named) > most:
        return []
    known = {tuple(row) for row in named_codes(trained.rows).tolist()}
    every = torch.cartesian_prod(*(torch.arange(len(a.choices)) for a in named)).view(-1, len(named))
    return [codes for codes in map(tuple, every.tolist()) if codes not in known]
