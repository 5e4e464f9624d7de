"""Samplers: plain functions that integrate dx/dt = v(x, t) from one time to another.

Each takes the velocity, x at time `start` [batch, ...], the path and a number of steps, and returns x at time `end`.
All but DPM-Solver++ also run backwards, from data to noise.
"""

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Annotated

import numpy as np

from condgen.arrays import Array, Float, namespace
from condgen.errors import RequestError
from condgen.messages import setting
from condgen.models.flow.paths import Path, Time, expand_like
from condgen.registry import NameIn, Registry

State = Float[Array, "batch ..."]
Velocity = Callable[[State, Time], State]
Sampler = Callable[..., State]

MOST_STEPS = 10_000  # beyond a hundred, samples hardly change
MOST_TRIALS = 1_000  # steps that dopri tries; a flow that suits it takes dozens
DOPRI_NODES = (0.0, 1 / 5, 3 / 10, 4 / 5, 8 / 9, 1.0, 1.0)
DOPRI_STAGES = (
    (),
    (1 / 5,),
    (3 / 40, 9 / 40),
    (44 / 45, -56 / 15, 32 / 9),
    (19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729),
    (9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656),
    (35 / 384, 0.0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84),
)
DOPRI_ERROR = (71 / 57600, 0.0, -71 / 16695, 71 / 1920, -17253 / 339200, 22 / 525, -1 / 40)


def euler(velocity: Velocity, x: State, path: Path, steps: int, start: float = 0.0, end: float = 1.0) -> State:
    """x ← x + h v(x, t). First order, one evaluation per step."""
    for t, after in pairwise(np.linspace(start, end, steps + 1).tolist()):
        x = x + (after - t) * velocity(x, _at(t, x))
    return x


def heun(velocity: Velocity, x: State, path: Path, steps: int, start: float = 0.0, end: float = 1.0) -> State:
    """The mean of the slopes at both ends of an Euler step. Second order, two evaluations per step."""
    for t, after in pairwise(np.linspace(start, end, steps + 1).tolist()):
        slope = velocity(x, _at(t, x))
        slope_after = velocity(x + (after - t) * slope, _at(after, x))
        x = x + (after - t) / 2 * (slope + slope_after)
    return x


def dpm_solver(velocity: Velocity, x: State, path: Path, steps: int, start: float = 0.0, end: float = 1.0) -> State:
    """DPM-Solver++ (2M). Second order, one evaluation per step (Lu et al. 2022, algorithm 2).

    x is a known linear function of the predicted data. The last two predictions are extrapolated in the
    log-signal-to-noise ratio λ = log α/σ. It runs from noise to data only.
    """
    if not start < end:
        raise ValueError("DPM-Solver++ runs from noise to data only; use heun, euler or dopri to invert")
    times = np.linspace(start, end, steps + 1)
    points = path.at(times)  # type: ignore[arg-type]  # an array of NumPy is an array, too
    alpha, sigma = points.alpha.tolist(), points.sigma.tolist()
    with np.errstate(divide="ignore"):  # infinite if a step starts at noise or ends at data
        h = np.diff(np.log(points.alpha / points.sigma)).tolist()
    before: State | None = None
    for k in range(steps):
        t = _at(float(times[k]), x)
        data = path.data(x, velocity(x, t), t)
        ahead = data
        if before is not None and sigma[k + 1] > 1e-9:  # the last step, into pure data, is of first order
            ahead = data + h[k] / (2 * h[k - 1]) * (data - before)
        x = sigma[k + 1] / sigma[k] * x - alpha[k + 1] * math.expm1(-h[k]) * ahead
        before = data
    return x


def dormand_prince(
    velocity: Velocity,
    x: State,
    path: Path,
    steps: int,
    start: float = 0.0,
    end: float = 1.0,
    tolerance: float = 1e-4,
) -> State:
    """Dormand–Prince 5(4), with step sizes per sample, so that no sample depends on its neighbours in the batch.

    steps: the first trial step is 1/steps of the way.
    tolerance: of a step's error, as root mean square over the sample, absolute and relative.

    Times are 64-bit floats on the CPU, as some devices have none.

    Raises RuntimeError if steps become too small to go on, and RequestError if there are more than `MOST_TRIALS`.
    """
    xp, direction = namespace(x), math.copysign(1.0, end - start)
    t = xp.full(x.shape[:1], start, dtype=xp.float64, device="cpu")
    h = xp.full_like(t, abs(end - start) / steps)
    trials = 0
    while ((end - t) * direction > 1e-9).any():
        if (trials := trials + 1) > MOST_TRIALS:
            raise RequestError(
                f"The sampler 'dopri' needs more than {MOST_TRIALS:,} steps here. Use one with a fixed number of steps "
                f"({setting(sampler='heun')}), or less guidance."
            )
        left = xp.clip((end - t) * direction, 0, None)
        step = xp.minimum(h, left) * direction
        proposal, error = _dopri_step(velocity, x, t, step)
        size = _root_mean_square(error / (tolerance * (1 + xp.maximum(abs(x), abs(proposal)))))
        accepted = (size <= 1) & (left > 0)
        x = xp.where(expand_like(xp.asarray(accepted, device=x.device), x), proposal, x)
        t = xp.where(accepted, t + step, t)
        h = xp.where(left > 0, abs(step) * xp.clip(0.9 * xp.clip(size, 1e-6, None) ** -0.2, 0.2, 5), h)
        if (h < 1e-7).any():
            raise RuntimeError("the flow is too stiff to integrate within the tolerance; use a fixed-step sampler")
    return x


def _root_mean_square(error: State) -> Time:
    """Of each sample, as 64-bit floats on the CPU. An error that is no number counts as large."""
    xp = namespace(error)
    size = xp.asarray(xp.mean(error.reshape(len(error), -1) ** 2, axis=1) ** 0.5, device="cpu")
    size = xp.asarray(size, dtype=xp.float64)
    return xp.where(xp.isfinite(size), size, 1e6)


def _dopri_step(velocity: Velocity, x: State, t: Time, h: Time) -> tuple[State, State]:
    """The fifth-order step and the estimate of its error."""
    xp = namespace(x)
    step, slopes = expand_like(_times_for(x, h), x), list[State]()
    for node, weights in zip(DOPRI_NODES, DOPRI_STAGES, strict=True):
        y = x + step * sum((w * s for w, s in zip(weights, slopes, strict=True)), xp.zeros_like(x))
        slopes.append(velocity(y, _times_for(x, t + node * h)))
    error = sum((w * s for w, s in zip(DOPRI_ERROR, slopes, strict=True)), xp.zeros_like(x))
    return y, step * error


def _times_for(x: State, t: Time) -> Time:
    """Times of 64 bits on the CPU as x has its values: first their type, since its device may lack 64 bits."""
    xp = namespace(x)
    return xp.asarray(xp.asarray(t, dtype=x.dtype), device=x.device)


def _at(t: float, x: State) -> Time:
    return namespace(x).full(x.shape[:1], t, dtype=x.dtype, device=x.device)


SAMPLERS: Registry[Sampler] = Registry(
    "sampler",
    "condgen.samplers",
    {"euler": euler, "heun": heun, "dpm": dpm_solver, "dopri": dormand_prince},
    accepts=callable,
    wanted="function (velocity, x, path, steps, start, end)",
)
SamplerName = Annotated[str, NameIn(SAMPLERS)]
