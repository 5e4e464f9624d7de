"""Artefacts: patterns of a few pixels' period that samples have and photographs have not.

Networks that make several pixels from one place of a coarser grid can give each of them its own brightness or contrast
(checkerboard artefacts, Odena et al. 2016). The pattern repeats at every such place, so it is a peak of the spectrum at
the grid's own frequencies (Zhang et al. 2019, "Detecting and simulating artifacts in GAN fake images"; Durall et al.
2020). Distances in features hardly see it.

The power P(u, v) of an image is |DFT|² of each channel less its mean, averaged over channels. At a frequency f = (u, v)
of period 2, 4 or 8 along columns, rows or both (the diagonal), the prominence is

    P(f) ÷ the geometric mean of P(f ± 2d) and P(f ± 3d)

with d the step of one frequency in f's own direction, and P averaged over images. Neighbours at ±1 are left out: a
pattern that comes and goes over an image spreads to them. The geometric mean makes a spectrum that falls as a power of
the frequency count as almost flat. (At period 2, the highest frequency, it has a prominence somewhat below 1.)
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from condgen.data import as_float
from condgen.data.storage.mapped import Mapped, taken
from condgen.evaluation.comparison.columns import Quantity, Values
from condgen.evaluation.findings import Evidence, Finding
from condgen.evaluation.metrics.estimate import Estimate, linearised
from condgen.evaluation.metrics.metric import Measurement, Metric
from condgen.units import number

SMALLEST = 16  # px; the spectrum of smaller images has too few frequencies
PERIODS = (2, 4, 8)  # px
TIMES = 4  # number of periods that fit into a side at least, or their neighbours are too few
DIRECTIONS = {"across": (0, 1), "down": (1, 0), "diagonal": (1, 1)}  # steps of frequency along rows, columns
NEIGHBOURS = (-3, -2, 2, 3)
MAX_EXCESS = 1.5  # largest accepted prominence relative to real images
ROUNDING = 1 / 12 / 255**2  # power of rounding to 8 bits, below which nothing can be told
BATCH = 200

Images = Shaped[Tensor, "_ channel height width"] | Mapped


@dataclass(frozen=True)
class Pattern:
    """The prominence of one frequency in samples and in held-out real images.

    period: in pixels.
    direction: in which it repeats: across, down or diagonal.
    """

    period: int
    direction: str
    made: Estimate
    real: Estimate

    @property
    def excess(self) -> float:
        """The prominence in samples relative to real images, in which no frequency counts as less than its
        neighbours.
        """
        return self.made.value / max(self.real.value, 1.0)

    @property
    def clear(self) -> bool:
        """Whether it exceeds that of real images by more than the margin and the noise of both."""
        return self.made.low > MAX_EXCESS * max(self.real.high, 1.0)


@dataclass(frozen=True)
class Artefacts:
    """The prominence of every pattern in n samples, and in as many held-out real images if there are so many."""

    n: int
    patterns: tuple[Pattern, ...]

    @property
    def worst(self) -> Pattern:
        """The pattern that stands out most, relative to real images."""
        return max(self.patterns, key=lambda p: p.excess)


def artefacts(made: Images, real: Images, most: int = 2_000) -> Artefacts:
    """The patterns of at most `most` samples and real images, float in [0, 1] or uint8, [n, channel, height, width].

    Images are at least 16 px a side. A period that does not divide both sides is left out.
    """
    height, width = made.shape[2:]
    keys = [(period, name) for period in _periods(height, width) for name in DIRECTIONS]
    bins = torch.tensor([_bins(height, width, period, DIRECTIONS[name]) for period, name in keys])
    of_made, of_real = (_powers(x, bins, most).unbind(1) for x in (made, real))
    found = zip(keys, of_made, of_real, strict=True)
    return Artefacts(min(len(made), most), tuple(Pattern(*key, _prominence(m), _prominence(r)) for key, m, r in found))


def _periods(height: int, width: int) -> list[int]:
    """The periods that are told from their neighbours in images of this size."""
    large = min(height, width) >= SMALLEST
    return [p for p in PERIODS if large and TIMES * p <= min(height, width) and not height % p and not width % p]


def _bins(height: int, width: int, period: int, direction: tuple[int, int]) -> list[int]:
    """The flat indices of a frequency (first) and of its neighbours in a spectrum [height, width]."""
    down, across = direction
    steps = ((down * (height // period + k), across * (width // period + k)) for k in (0, *NEIGHBOURS))
    return [u % height * width + v % width for u, v in steps]


def _powers(x: Images, bins: Int[Tensor, "pattern bin"], most: int) -> Float[Tensor, "_ pattern bin"]:
    """The power of each image at these frequencies, per pixel, with that of rounding added."""
    ends = range(0, min(len(x), most), BATCH)
    return torch.cat([_power(as_float(taken(x, slice(k, min(k + BATCH, most))).cpu()))[:, bins] for k in ends])


def _power(x: Float[Tensor, "n channel height width"]) -> Float[Tensor, "n frequency"]:
    spectrum = torch.fft.fft2(x.double() - x.double().mean((2, 3), keepdim=True), norm="ortho")
    return spectrum.abs().square().mean(1).flatten(1) + ROUNDING


def _prominence(powers: Float[Tensor, "n bin"]) -> Estimate:
    """The mean power of the first frequency relative to the geometric mean of the others' mean powers."""
    relative = powers / powers.mean(0)
    value = math.exp(float(powers[:, 0].mean().log() - powers[:, 1:].mean(0).log().mean()))
    return linearised(value, value * (relative[:, 0] - relative[:, 1:].mean(1)))


# ---- the metric


class ArtefactsMetric(Metric[Artefacts]):
    """Regular patterns of pixels in samples."""

    name = "artefacts"
    title = "Artefacts"
    about = "Do samples have regular patterns of pixels that real images have not?"
    result = Artefacts

    def skipped(self, case: Measurement) -> str:
        """A reason for vectors and for small images."""
        shape = case.data.shape
        if len(shape) != 3:
            return "samples are not images"
        return "" if _periods(*shape[1:]) else f"it takes images of at least {SMALLEST} pixels a side, an even number"

    def measure(self, case: Measurement) -> Artefacts:
        """The patterns of the samples, beside those of the held-out data."""
        return artefacts(case.samples.observations, case.data.test.observations)

    def lines(self, result: Artefacts) -> list[str]:
        """One line, on the pattern that stands out most."""
        worst = result.worst
        return [
            f"Artefacts: {_named(worst)} {number(worst.made.value, '.2g')} times as strong as its neighbours "
            f"({number(worst.real.value, '.2g')}); in brackets, real data"
        ]

    def findings(self, result: Artefacts, evidence: Evidence) -> Iterator[Finding]:
        """A pattern that is clearly stronger than in real images."""
        worst = max(result.patterns, key=lambda p: (p.clear, p.excess))
        if worst.clear:
            yield Finding(
                "pattern of pixels",
                f"{_named(worst).capitalize()} are {number(worst.made.value, '.2g')} times as strong as their "
                f"neighbours in the spectrum of samples (real data: {number(worst.real.value, '.2g')}).",
                evidence.trained.against_patterns,
                grave=False,
            )

    def columns(self, result: Artefacts, results: Mapping[str, Any]) -> Values:
        """The excess of the pattern that stands out most."""
        return {Quantity("artefacts", "artefacts", "lower", "page"): result.worst.excess}


ARTEFACTS = ArtefactsMetric()


def _named(pattern: Pattern) -> str:
    """The pattern in words."""
    return f"patterns of {pattern.period} pixels ({pattern.direction})"
