"""Ranges of numbers: the scale that suits a column, the ends of its bulk, and its outliers.

One typing error among thousands of prices must not decide how all others are encoded. The range is therefore drawn
around quantiles, which single errors do not move. Values beyond `FAR` times the inner span are outliers.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

INNER = (0.04, 0.96)  # quantiles that outliers cannot reach, unless they are many
BULK = 0.95  # share of numbers that should fill a good part of a range
CROWDED = 0.02  # share of the range below which the bulk of the numbers cannot be told apart
FAR = 3.4  # inner spans beyond the inner quantiles at which outliers start
MAX_OUTLIERS = 0.01  # largest share of rows that are clipped
MAX_STRAYS = 0.03  # largest share of rows that are named and do not choose the scale; more are a group of their own
SKEWED, EVEN = 0.65, 0.25  # a log scale is tried from the first asymmetry on, and kept below the second

ScaleName = Literal["linear", "log"]


@dataclass(frozen=True)
class Range:
    """The range of a column's numbers without outliers, on a scale.

    clipped: whether some numbers lie outside.
    core: the ends of the numbers without strays, which are in the range if they are too many to be clipped.
    """

    low: float
    high: float
    scale: ScaleName
    clipped: bool
    core: tuple[float, float]


def fitted_range(counts: Mapping[float, int]) -> Range:
    """The range of at least two different numbers, each with its number of occurrences.

    The ends are the most extreme numbers that are not outliers, so data without outliers keeps its own ends.
    """
    values = np.array(sorted(counts))
    weights = np.array([counts[v] for v in values.tolist()])
    near = _near(values, weights)
    scale = _scale(values[near], weights[near]) if values[0] > 0 else "linear"
    core = values[_near(np.log(values) if scale == "log" else values, weights)]
    far = 1 - sum(counts[v] for v in core.tolist()) / weights.sum()
    kept = core if far <= MAX_OUTLIERS else values
    clipped, ends = len(kept) < len(values), (float(core[0]), float(core[-1]))
    return Range(float(kept[0]), float(kept[-1]), scale, clipped, ends)


def _near(places: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """A mask of the sorted, weighted places that are no strays. All of them if the others are too many for that."""
    low, _, high = _quantiles(*_without_a_ruling_value(places, weights))
    reach = FAR * (high - low)
    inside: np.ndarray = (places >= low - reach) & (places <= high + reach)
    few = weights[~inside].sum() <= MAX_STRAYS * weights.sum()
    return inside if inside.sum() > 1 and few else np.full(len(places), True)


def strays(name: str, counts: Mapping[float, int]) -> str:
    """A clause on the numbers of a column that lie far from the others. Empty if there are none, or many."""
    low, high = fitted_range(counts).core
    beyond = {v: n for v, n in counts.items() if not low <= v <= high}
    if not beyond:
        return ""
    farthest = max(beyond, key=lambda v: max(low - v, v - high))
    return (
        f"{sum(beyond.values()):,} of {sum(counts.values()):,} values of '{name}' lie far outside of the others, "
        f"{low:g} to {high:g}, such as {farthest:g}"
    )


def _without_a_ruling_value(values: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sorted, weighted values without one that most rows share, such as the zero of a rare quantity."""
    rest = weights <= weights.sum() / 2
    return (values[rest], weights[rest]) if rest.sum() > 1 else (values, weights)


def crowded(counts: Mapping[float, int], low: float, high: float, scale: ScaleName) -> float:
    """The share of a range, on the given scale, of the narrowest part of it that holds 95 % of the numbers.

    A number that most rows have does not count.
    """
    values = np.array(sorted(counts))
    weights = np.array([counts[v] for v in values.tolist()])
    ends = np.array([low, high])
    if scale == "log":
        values, ends = np.log(values), np.log(ends)
    values, weights = _without_a_ruling_value(values, weights)
    return _narrowest(values, weights) / float(ends[1] - ends[0])


def _narrowest(values: np.ndarray, weights: np.ndarray) -> float:
    """The width of the narrowest interval with BULK of sorted, weighted values. Outliers may lie on one side."""
    below = np.concatenate([[0], weights.cumsum()])
    last = np.searchsorted(below, below[:-1] + BULK * below[-1]) - 1  # of the interval that begins at each value
    begins = last < len(values)
    return float((values[last[begins]] - values[begins]).min())


def _scale(values: np.ndarray, weights: np.ndarray) -> ScaleName:
    """Logarithmic for positive numbers that are skewed on a linear scale and even on a logarithmic one."""
    if values[0] <= 0 or _asymmetry(values, weights) < SKEWED:
        return "linear"
    return "log" if abs(_asymmetry(np.log(values), weights)) < EVEN else "linear"


def _asymmetry(values: np.ndarray, weights: np.ndarray) -> float:
    """Bowley's skewness of the inner quantiles: 0 if the median is in the middle, ±1 if it is at an end."""
    low, middle, high = _quantiles(values, weights)
    return float((high + low - 2 * middle) / (high - low)) if high > low else 0.0


def _quantiles(values: np.ndarray, weights: np.ndarray) -> tuple[float, float, float]:
    """The lower inner quantile, median and upper inner quantile of sorted, weighted values."""
    cumulative = (weights.cumsum() - 0.5 * weights) / weights.sum()
    return tuple(np.interp((INNER[0], 0.5, INNER[1]), cumulative, values).tolist())
