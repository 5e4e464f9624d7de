"""Numbers with 95 % confidence intervals.

In closed form for shares, by the derivative for smooth functions of samples, and by bootstrap for anything else.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from condgen.units import number

Z = 1.959964  # quantile for a 95 % interval of the normal distribution


@dataclass(frozen=True)
class Estimate:
    """A number and the ends of its 95 % confidence interval."""

    value: float
    low: float
    high: float

    @property
    def known(self) -> bool:
        """Whether there was any observation for the estimate."""
        return math.isfinite(self.value)

    def __str__(self) -> str:
        value, low, high = (number(each, ".4g") for each in (self.value, self.low, self.high))
        return f"{value} [{low}, {high}]" if self.known else value


def share(hits: Bool[Tensor, " n"]) -> Estimate:
    """The share of hits, with Wilson's interval (Wilson 1927), which stays in [0, 1] and is accurate at its ends.

    Without observations the value is NaN and the interval is [0, 1].
    """
    return wilson(float(hits.cpu().double().mean()) if len(hits) else float("nan"), len(hits))


def wilson(p: float, n: int, z: float = Z) -> Estimate:
    """A share p of n observations with Wilson's interval, of z standard errors.

    p may also be the mean of n numbers in [0, 1], whose interval is then too wide rather than too narrow.
    """
    if n == 0:
        return Estimate(float("nan"), 0.0, 1.0)
    centre, half = (p + z**2 / (2 * n)) / (1 + z**2 / n), z * (p * (1 - p) / n + z**2 / (4 * n**2)) ** 0.5
    half /= 1 + z**2 / n
    low, high = max(centre - half, 0.0), min(centre + half, 1.0)
    return Estimate(p, 0.0 if p == 0 else low, 1.0 if p == 1 else high)


def difference(p: float, n: int, q: float, m: int, z: float = Z) -> Estimate:
    """The difference p − q of shares of n and of m observations, with Newcombe's interval (1998, method 10)."""
    a, b = wilson(p, n, z), wilson(q, m, z)
    less, more = math.hypot(p - a.low, b.high - q), math.hypot(a.high - p, q - b.low)
    return Estimate(p - q, p - q - less, p - q + more)


def errors_apart(a: Estimate, b: Estimate) -> float:
    """The standard errors of their difference by which two independent shares differ, from Newcombe's interval."""
    low, high = (a, b) if a.value < b.value else (b, a)
    error = math.hypot(low.high - low.value, high.value - high.low) / Z
    return (high.value - low.value) / error if error else (math.inf if low.value < high.value else 0.0)


def quantile_among(comparisons: int) -> float:
    """The number of standard errors that all of so many intervals hold at once in 95 % (Bonferroni)."""
    return NormalDist().inv_cdf(1 - 0.025 / max(comparisons, 1))


def mean(values: Float[Tensor, " n"], replicates: int = 200, seed: int = 0) -> Estimate:
    """The mean, with its bootstrap interval."""
    if not len(values):
        return Estimate(float("nan"), float("-inf"), float("inf"))
    values = values.cpu().double()
    return bootstrap(lambda index: float(values[index].mean()), len(values), replicates, seed)


def bootstrap(
    statistic: Callable[[Int[Tensor, " n"]], float], n: int, replicates: int = 200, seed: int = 0
) -> Estimate:
    """A statistic of n observations, given their indices, with the interval value ± 1.96 bootstrap standard errors.

    Efron 1979. Quantiles of the replicates are not used. Statistics that grow with every repeated observation, such as
    distances between distributions, are biased upwards in every replicate, and their quantiles can miss the value
    itself.
    """
    generator = torch.Generator().manual_seed(seed)
    value = statistic(torch.arange(n))
    drawn = [statistic(torch.randint(n, (n,), generator=generator)) for _ in range(replicates)]
    error = Z * float(torch.tensor(drawn, dtype=torch.double).std())
    return Estimate(value, value - error, value + error)


def linearised(value: float, *influences: Float[Tensor, " _"], more: float = 0.0) -> Estimate:
    """A statistic of independent samples, with the interval value ± 1.96 infinitesimal-jackknife standard errors.

    influences: for each sample, one number per observation: the derivative of the statistic with respect to its weight.
        For a mean, the observation itself. The variance is the sum of their variances over their counts (Jaeckel 1972;
        Efron 1982, ch. 6). It is the first-order limit of the bootstrap with ever more replicates, without their cost.
    more: variance of higher order. It is all there is if the derivative vanishes, as for a distance between equal
        distributions.
    """
    variance = more + sum(float(each.cpu().double().var()) / len(each) for each in influences)
    error = Z * variance**0.5
    return Estimate(value, value - error, value + error)
