"""Memorisation: whether a model reproduces its training data, or the same sample again and again.

All measurements use distances between the observations themselves, with images pooled to at most 32 px a side. Features
could be blind to the details that make a copy.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from condgen.data import Dataset, Splits, as_float
from condgen.data.storage.mapped import Mapped, taken
from condgen.errors import DataError
from condgen.evaluation.comparison.columns import Quantity, Values
from condgen.evaluation.findings import Evidence, Finding
from condgen.evaluation.metrics.estimate import Estimate, share, wilson
from condgen.evaluation.metrics.metric import Measurement, Metric
from condgen.evaluation.protocol import MIN_SAMPLES
from condgen.units import percent

SIDE = 32  # px; larger images are pooled
RATIO = 1 / 3  # ratio of distances to the nearest and second-nearest training observation
TWIN = 0.05  # share of the usual distance between nearest neighbours
MAX_TWINS = 0.05  # largest accepted share of samples with a twin, beyond real data
MAX_COPIES = 0.01  # largest accepted share of copies, beyond held-out data
MAX_NEARER = 0.6  # largest accepted share of samples nearer to training data (0.5 by chance)

Observations = Shaped[Tensor, "_ ..."] | Mapped
Neighbours = tuple[Float[Tensor, "n k"], Int[Tensor, "n k"]]  # distance and index, nearest first


@dataclass(frozen=True)
class Memorisation:
    """Results from nearest neighbours, each beside that of held-out real data.

    copies, copies_real: share of samples (of held-out observations) much nearer to one training observation than to any
        other.
    nearer: share of samples nearer to training data than to as much held-out data. 0.5 if training data makes no
        difference.
    duplicates, duplicates_real: share of samples (of held-out observations) with a twin among themselves.
    """

    copies: Estimate
    copies_real: Estimate
    nearer: Estimate
    duplicates: Estimate
    duplicates_real: Estimate


def memorisation(
    made: Observations, train: Observations, held_out: Observations, most: int = 2_000, seed: int = 0
) -> Memorisation:
    """The dependence of samples on single training observations.

    made, train, held_out: images, float in [0, 1] or uint8, [n, channel, height, width], or float vectors [n,
        dimension]. For images in a file, one batch at a time is in memory. At most `most` samples and as many held-out
        observations, drawn at random, are compared with all of the training data. `held_out` should be drawn like
        `train`, best at random from the same data. From other writers, cars or places, samples are rightly further
        away.

    Copies are d₁ < d₂/3 (Yoon et al. 2023, "Diffusion probabilistic models generalize when they fail to memorize"). In
    low dimensions that happens by chance, which `copies_real` shows. A copy of one of two nearly equal training
    observations is not among them, but counts in `nearer`. Equal training observations count as one.

    Raises DataError if the training data or the held-out data have fewer than two different observations.
    """
    train, others = _distinct(train, "training"), _distinct(held_out, "held-out")
    made, held_out = _part(made, most, seed), _part(held_out, most, seed)
    to_train, where = nearest(made, train, 2)
    n = min(len(made), len(held_out), len(others))
    close = TWIN * float(_neighbour(_part(others, n, seed)).median())
    return Memorisation(
        copies=share(_copied(to_train)),
        copies_real=share(_copied(nearest(held_out, train, 2)[0])),
        nearer=_nearer((to_train[:, :1], where[:, :1]), nearest(made, others, 1), len(train), len(others)),
        duplicates=share(_neighbour(made[:n]) < close),
        duplicates_real=share(_neighbour(held_out[:n]) < close),
    )


def _copied(distances: Float[Tensor, "n 2"]) -> Bool[Tensor, " n"]:
    return distances[:, 0] < RATIO * distances[:, 1]


def _nearer(to_train: Neighbours, to_others: Neighbours, train: int, others: int) -> Estimate:
    """The share of samples nearest to training data, corrected to equal numbers of training and other data. Ties are
    split.

    If training made no difference, the nearest of all observations would be a training one with probability
    train/(train + others). All of the training data is used, and not as small a part of it as there are others, so that
    copies of any training observation count. With equal sets it is the simplest form of the data-copying test of Meehan
    et al. 2020. Poor quality, such as blur, moves samples away from both sets alike.
    """
    hits = (to_train[0] < to_others[0])[:, 0]
    ties = (to_train[0] == to_others[0])[:, 0].nonzero()[:, 0]
    hits[ties[: round(len(ties) * train / (train + others))]] = True
    p = float(hits.double().mean())
    n = _independent(torch.where(hits, to_train[1][:, 0], to_others[1][:, 0] + train), train + others)
    seen = wilson(p, n)
    return Estimate(*(_balanced(each, train, others) for each in (p, seen.low, seen.high)))


def _independent(which: Int[Tensor, " n"], observations: int) -> int:
    """The effective number of independent samples, given that some share their nearest observation.

    By the design effect Σc²/n − n/observations with c samples at an observation: 1 if they fall on all at random, n if
    all are at one, as after a collapse, which says nothing about other places.
    """
    counts = which.bincount(minlength=observations).double()
    effect = float(counts.square().sum()) / len(which) - len(which) / observations
    return max(round(len(which) / max(effect, 1)), 1)


def _balanced(p: float, train: int, others: int) -> float:
    """A share of train against others, converted to equal numbers by comparing rates per observation."""
    return p / train / (p / train + (1 - p) / others)


def _neighbour(x: Observations) -> Float[Tensor, " n"]:
    """The distance of each to its nearest neighbour among the others. Infinite if there are none."""
    if len(x) < 2:
        return torch.full((len(x),), torch.inf)
    return nearest(x, x, 2)[0][:, 1]  # the nearest is the point itself or an equal one


# ---- neighbours


def nearest(made: Observations, train: Observations, k: int = 1, batch: int = 2_000) -> Neighbours:
    """The k training observations nearest to each sample, nearest first: Euclidean distance and index.

    For pixels in [0, 1], pooled to at most 32 px a side, or for vectors. Memory holds `batch` distances per sample.
    """
    made = _points(made)
    centre = _points(taken(train, slice(batch))).mean(0)  # centring avoids lost digits in differences of large numbers
    best, index = torch.full((len(made), k), torch.inf), torch.zeros(len(made), k, dtype=torch.long)
    for start in range(0, len(train), batch):
        near, which = _closest(made - centre, _points(taken(train, slice(start, start + batch))) - centre, k)
        best, order = torch.cat([best, near], 1).topk(k, largest=False)
        index = torch.cat([index, which + start], 1).gather(1, order)
    distance = torch.stack([(made - _points(taken(train, column))).norm(dim=1) for column in index.T], 1)
    distance, order = distance.sort(stable=True)
    return distance, index.gather(1, order)


def nearest_one(made: Observations, train: Observations) -> tuple[Float[Tensor, " n"], Int[Tensor, " n"]]:
    """The training observation nearest to each sample: the root mean square difference of their numbers, and its index.

    Pixels are pooled as in `nearest`.
    """
    distance, index = nearest(made, train)
    return distance[:, 0] / _points(made[:1]).shape[1] ** 0.5, index[:, 0]


def _closest(a: Float[Tensor, "n dimension"], b: Float[Tensor, "m dimension"], k: int) -> Neighbours:
    """|b|² − 2 a·b for the k nearest b, or all if fewer.

    This is the squared distance without |a|², which does not affect the order.
    """
    return torch.addmm(b.square().sum(1), a, b.T, alpha=-2).topk(min(k, len(b)), largest=False)


def _points(x: Observations) -> Float[Tensor, "_ dimension"]:
    """Observations as points on the CPU: flattened numbers in [0, 1], with large images pooled."""
    x = as_float((x.take() if isinstance(x, Mapped) else x).cpu())
    if x.dim() == 4 and max(x.shape[2:]) > SIDE:
        x = adaptive_avg_pool2d(x, (min(x.shape[2], SIDE), min(x.shape[3], SIDE)))
    return x.flatten(1)


def _distinct(x: Observations, what: str) -> Observations:
    """The observations that differ as points. Raises DataError if there are fewer than two."""
    first: dict[bytes, int] = {}
    for start in range(0, len(x), 1_000):
        for k, row in enumerate(
            (_points(taken(x, slice(start, start + 1_000))) + 0.0).numpy()
        ):  # −0 and 0 differ in their bytes
            first.setdefault(blake2b(row.tobytes(), digest_size=16).digest(), start + k)
    if len(first) < 2:
        raise DataError(f"The {what} data have fewer than two different observations: there is nothing to compare.")
    return x if len(first) == len(x) else x[torch.tensor([*first.values()])]


def _part(x: Observations, most: int, seed: int) -> Observations:
    """At most `most` observations, at random and in random order."""
    return x[torch.randperm(len(x), generator=torch.Generator().manual_seed(seed))[:most]]


# ---- the metric


class MemorisationMetric(Metric[Memorisation]):
    """The dependence of samples on single training observations."""

    name = "memorisation"
    title = "Memorisation"
    about = "Does the model give back its training data, or the same sample again and again?"
    result = Memorisation

    def measure(self, case: Measurement) -> Memorisation:
        """Distances to all training data and to all available held-out data."""
        return memorisation(case.samples.x, case.data.train.observations, _held_out(case.data).observations)

    def findings(self, result: Memorisation, evidence: Evidence) -> Iterator[Finding]:
        """Copies of training observations."""
        if copied(result):
            yield Finding(
                "memorisation",
                f"{percent(result.copies.value)} of samples are copies of one training observation (held-out data: "
                f"{percent(result.copies_real.value)}), and {percent(result.nearer.value, 0)} are nearer to training "
                "data than to as much held-out data (50\u202f% if it made no difference).",
                "Train on more data or for fewer images; flips or translations help where they are safe.",
            )

    def columns(self, result: Memorisation, results: Mapping[str, Any]) -> Values:
        """Copies and twins."""
        return {
            Quantity("copies", "copies", "lower", "page", "share"): result.copies.value,
            Quantity("duplicates", "duplicates", "lower", "json", "share"): result.duplicates.value,
            Quantity("nearer", "nearer to training", "", "json", "share"): result.nearer.value,
        }


MEMORISATION = MemorisationMetric()


def copied(m: Memorisation) -> bool:
    """Whether samples are copies of training observations more often than held-out data is by chance."""
    known = all(each.known for each in (m.copies, m.copies_real, m.nearer))
    return known and (m.copies.low > m.copies_real.high + MAX_COPIES or m.nearer.low > MAX_NEARER)


def _held_out(data: Splits) -> Dataset:
    """Held-out data drawn like the training data. If the test set is separate, that is the validation part."""
    return data.validation if len(data.validation) >= MIN_SAMPLES else data.test
