"""Combinations of named values: obedience to them, and those that the training data lacks."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from condgen.evaluation.metrics.estimate import Estimate, share
from condgen.schema import Condition, LabelDistribution

MIN_SAMPLES = 20  # smallest number of samples of a combination
MAX_COMBINATIONS = 40


@dataclass(frozen=True)
class Combination:
    """The share of samples that obeyed a combination of values as a whole.

    `trained`: whether the training data has it.
    """

    request: str
    trained: bool
    obeyed: Estimate
    n: int


def named_codes(condition: Condition) -> Int[Tensor, "n attribute"]:
    """The codes of the attributes with named values, −1 where free."""
    named = [a.name for a in condition.schema.discrete]
    columns = [torch.where(condition.given(n), condition.values[n], -1.0).long() for n in named]
    return torch.stack(columns, dim=1) if columns else torch.zeros(len(condition), 0, dtype=torch.long)


def combinations(
    asked: Condition, obeyed: Bool[Tensor, " n"], trained: LabelDistribution | None
) -> tuple[Combination, ...]:
    """The obedience to every combination with enough samples, the least obeyed first.

    asked: of samples.
    obeyed: whether each sample shows everything that was asked for.
    trained: the training data's distribution.
    """
    named = asked.select([a.name for a in asked.schema.discrete])
    distinct, inverse, counts = named_codes(named).unique(dim=0, return_inverse=True, return_counts=True)
    known = {tuple(row) for row in named_codes(trained.rows).tolist()} if trained else None
    found = []
    for k in (counts >= MIN_SAMPLES).nonzero()[:, 0].tolist():
        members = (inverse == k).nonzero()[:, 0]
        text = named[members[:1]].describe()[0]
        in_training = known is None or tuple(distinct[k].tolist()) in known
        found.append(Combination(text, in_training, share(obeyed[members]), len(members)))
    return tuple(sorted(found, key=lambda c: c.obeyed.value)[:MAX_COMBINATIONS])


def absent_combinations(trained: LabelDistribution, most: int = 10_000) -> list[tuple[int, ...]]:
    """Combinations of named values that the training data lacks. Empty if there are more than `most` in all.

    Codes are in the order of the schema's named attributes.
    """
    named = trained.schema.discrete
    if not named or math.prod(len(a.choices) for a in named) > most:
        return []
    known = {tuple(row) for row in named_codes(trained.rows).tolist()}
    every = torch.cartesian_prod(*(torch.arange(len(a.choices)) for a in named)).view(-1, len(named))
    return [codes for codes in map(tuple, every.tolist()) if codes not in known]
