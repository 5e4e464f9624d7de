"""Patterns of known power in images whose spectrum is known."""

import math
from dataclasses import replace
from itertools import product

import pytest
import torch
from torch import Tensor

from condgen.data import as_uint8
from condgen.evaluation.doctor import diagnose
from condgen.evaluation.metrics.artefacts import ARTEFACTS, DIRECTIONS, ROUNDING, Artefacts, Pattern, artefacts
from condgen.evaluation.metrics.estimate import Estimate
from condgen.models.remedies import TrainedAs
from tests.evaluation.test_doctor import case, sure

POWER = 0.02**2  # of the noise, per pixel


def noise(n: int, side: int = 32, slope: float = 0.0, seed: int = 0) -> Tensor:
    """Images of Gaussian noise around a half, whose power falls as frequency to the −`slope`."""
    white = torch.randn(n, 3, side, side, generator=torch.Generator().manual_seed(seed)).double()
    frequency = torch.fft.fftfreq(side, dtype=torch.double)
    gain = (frequency[:, None].square() + frequency.square()).clamp(min=1 / side**2).mul(4).pow(-slope / 4)
    return 0.5 + POWER**0.5 * torch.fft.ifft2(torch.fft.fft2(white) * gain).real


def wave(side: int, period: int, direction: str) -> Tensor:
    """A wave [side, side] of power 1 at one frequency, at which it stands alone."""
    down, across = DIRECTIONS[direction]
    place = torch.arange(side)
    phase = 2 * math.pi / period * (down * place[:, None] + across * place)
    return torch.cos(phase) * (1.0 if period == 2 else 2**0.5)


def of(found: Artefacts, period: int, direction: str) -> Pattern:
    return next(p for p in found.patterns if (p.period, p.direction) == (period, direction))


@pytest.mark.parametrize(("period", "direction"), list(product((2, 4, 8), DIRECTIONS)))
def test_a_pattern_of_known_power_has_the_prominence_that_follows(period: int, direction: str) -> None:
    side, amplitude = 32, 0.002
    made = noise(600, side) + amplitude * wave(side, period, direction)
    found = artefacts(made, noise(600, side, seed=1))
    # All of its power is at one frequency, or at two if that is not its own mirror image.
    at_one = side**2 * amplitude**2 / (1 if period == 2 else 2)
    expected = 1 + at_one / (POWER + ROUNDING)
    seen = of(found, period, direction)
    assert abs(seen.made.value - expected) < 0.75 * (seen.made.high - seen.made.low)  # three standard deviations
    assert expected > 4
    assert found.worst == seen
    assert seen.clear
    others = [p for p in found.patterns if p != seen]
    assert all(p.made.value == pytest.approx(1, abs=0.15) and not p.clear for p in others)
    assert all(p.real.value == pytest.approx(1, abs=0.15) for p in found.patterns)


@pytest.mark.parametrize("slope", [0.0, 1.0, 2.0, 4.0])
def test_a_spectrum_that_falls_as_photographs_do_has_no_pattern(slope: float) -> None:
    found = artefacts(noise(600, 64, slope), noise(500, 64, slope, seed=1))
    expected = {2: (30 * 29 / 32**2) ** (slope / 2), 4: (13 * 14 * 18 * 19 / 16**4) ** (slope / 4)}
    expected |= {8: (5 * 6 * 10 * 11 / 8**4) ** (slope / 4)}
    assert all(p.made.value == pytest.approx(expected[p.period], abs=0.1) and not p.clear for p in found.patterns)


def test_the_interval_holds_the_truth_and_narrows_with_more_images() -> None:
    few, many = (of(artefacts(noise(n), noise(n)), 2, "diagonal").made for n in (100, 1600))
    assert few.high - few.low == pytest.approx(4 * (many.high - many.low), rel=0.3)
    assert many.low < 1 < many.high


def test_a_pattern_that_comes_and_goes_is_seen() -> None:
    """Its power is spread around its own frequency, which neighbours must not hide."""
    side = 64
    fades = torch.linspace(0, math.pi, side).sin()
    made = noise(600, side) + 0.003 * fades * wave(side, 2, "across")
    kept = (0.003 * side * float(fades.mean())) ** 2  # its power at its own frequency
    assert of(artefacts(made, noise(600, side)), 2, "across").made.value > 0.75 * kept / POWER


def test_what_real_images_have_too_is_no_artefact() -> None:
    woven = noise(600) + 0.01 * wave(32, 2, "across")
    again = noise(600, seed=1) + 0.01 * wave(32, 2, "across")
    found = artefacts(woven, again)
    assert of(found, 2, "across").made.value > 20
    assert found.worst.excess == pytest.approx(1, abs=0.2)
    assert not any(p.clear for p in found.patterns)


def test_blank_images_and_8_bits_have_no_pattern() -> None:
    blank, grey = (torch.full((50, 1, 16, 16), value, dtype=torch.uint8) for value in (0, 128))
    assert {p.made.value for p in artefacts(blank, grey).patterns} == {1.0}
    x = noise(50)
    rounded, exact = (artefacts(made, x).patterns for made in (as_uint8(x.float()), x))
    assert [p.made.value for p in rounded] == pytest.approx([p.made.value for p in exact], rel=0.1)


def test_a_period_that_does_not_divide_the_sides_is_left_out() -> None:
    x = torch.rand(20, 1, 20, 18, generator=torch.Generator().manual_seed(0))
    assert {p.period for p in artefacts(x, x).patterns} == {2}


@pytest.mark.parametrize(("side", "periods"), [(16, {2, 4}), (24, {2, 4}), (32, {2, 4, 8}), (64, {2, 4, 8})])
def test_small_images_are_not_asked_for_long_periods(side: int, periods: set[int]) -> None:
    x = torch.rand(20, 1, side, side, generator=torch.Generator().manual_seed(0))
    assert {p.period for p in artefacts(x, x).patterns} == periods


def test_no_more_images_are_read_than_asked_for() -> None:
    x = noise(300)
    assert artefacts(x, x, most=250) == artefacts(x[:250], x[:250])
    assert artefacts(x, x, most=250).n == 250


# ---- what is said of it


AS_USUAL = sure(0.9)


def found(made: Estimate, real: Estimate = AS_USUAL) -> Artefacts:
    return Artefacts(2_000, (Pattern(2, "across", sure(1.0), sure(1.0)), Pattern(2, "diagonal", made, real)))


def test_the_doctor_names_the_worst_pattern_with_its_number_in_real_data() -> None:
    evidence = case()
    evidence = replace(evidence, results={**evidence.results, ARTEFACTS.name: found(sure(5.87))})
    (finding,) = diagnose(evidence)
    assert finding.name == "pattern of pixels"
    assert "2 pixels (diagonal)" in finding.evidence
    assert "5.9 times" in finding.evidence
    assert "real data: 0.9" in finding.evidence
    assert not finding.grave


@pytest.mark.parametrize(
    ("trained", "advice"),
    [
        (TrainedAs("projection"), "outputs='deblocked'"),
        (TrainedAs("projection", {"outputs": "deblocked"}), "outputs='spectrum'"),
        (TrainedAs("cvae", {"outputs": "pixels"}), "outputs='deblocked'"),
        (TrainedAs("cvae", {"outputs": "pixels"}), "needs no training: export its weights with `deblock=True`"),
        (TrainedAs("projection", {"outputs": "spectrum"}), "Train with `outputs='deblocked'`."),
        (TrainedAs("flow"), "Train longer"),
    ],
)
def test_the_advice_is_one_that_the_run_can_take(trained: TrainedAs, advice: str) -> None:
    evidence = case(trained=trained)
    (finding,) = diagnose(replace(evidence, results={**evidence.results, ARTEFACTS.name: found(sure(5.87))}))
    assert advice in finding.advice


@pytest.mark.parametrize(
    ("made", "real"),
    [(sure(1.4), sure(0.9)), (Estimate(2.0, 1.2, 2.8), sure(0.9)), (sure(2.0), Estimate(1.2, 0.9, 1.6))],
)
def test_what_is_within_the_margin_or_the_noise_is_no_finding(made: Estimate, real: Estimate) -> None:
    evidence = case()
    assert diagnose(replace(evidence, results={**evidence.results, ARTEFACTS.name: found(made, real)})) == ()
