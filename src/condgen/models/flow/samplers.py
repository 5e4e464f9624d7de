"""Samplers: plain functions that integrate dx/dt = v(x, t) from one time to another.

Each takes the velocity, x at time `start` [batch, ...], the path and a number of steps, and returns x at time `end`.
All but DPM-Solver++ also run backwards, from data to noise.
"""

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Annotated

import torch
from jaxtyping import Float
from torch import Tensor

from condgen.models.flow.paths import Path, Time, expand_like
from condgen.registry import NameIn, Registry

State = Float[Tensor, "batch ..."]
Velocity = Callable[[State, Time], State]
Sampler = Callable[..., State]

MOST_STEPS = 10_000  # beyond a hundred, samples hardly change
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
    times = torch.linspace(start, end, steps + 1).tolist()
    for t, after in pairwise(times):
        x = x + (after - t) * velocity(x, _at(t, x))
    return x


def heun(velocity: Velocity, x: State, path: Path, steps: int, start: float = 0.0, end: float = 1.0) -> State:
    """The mean of the slopes at both ends of an Euler step. Second order, two evaluations per step."""
    times = torch.linspace(start, end, steps + 1).tolist()
    for t, after in pairwise(times):
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
    times = torch.linspace(start, end, steps + 1, dtype=torch.float64)
    points = path.at(times)
    alpha, sigma = points.alpha.tolist(), points.sigma.tolist()
    h = (points.alpha / points.sigma).log().diff().tolist()  # infinite if a step starts at noise or ends at data
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

    Raises RuntimeError if steps become too small to go on.
    """
    direction = math.copysign(1.0, end - start)
    t = torch.full((len(x),), start, dtype=torch.float64, device=x.device)
    h = torch.full_like(t, abs(end - start) / steps)
    while ((end - t) * direction > 1e-9).any():
        left = ((end - t) * direction).clamp(min=0)
        step = torch.minimum(h, left) * direction
        proposal, error = _dopri_step(velocity, x, t, step)
        scale = tolerance * (1 + torch.maximum(x.abs(), proposal.abs()))
        size = (error / scale).flatten(1).square().mean(1).sqrt().double().nan_to_num(nan=1e6, posinf=1e6)
        accepted = (size <= 1) & (left > 0)
        x = torch.where(expand_like(accepted, x), proposal, x)
        t = torch.where(accepted, t + step, t)
        h = torch.where(left > 0, step.abs() * (0.9 * size.clamp(min=1e-6) ** -0.2).clamp(0.2, 5), h)
        if (h < 1e-7).any():
            raise RuntimeError("the flow is too stiff to integrate within the tolerance; use a fixed-step sampler")
    return x


def _dopri_step(velocity: Velocity, x: State, t: Time, h: Time) -> tuple[State, State]:
    """The fifth-order step and the estimate of its error."""
    slopes: list[State] = []
    for node, weights in zip(DOPRI_NODES, DOPRI_STAGES, strict=True):
        y = x + expand_like(h, x).to(x.dtype) * sum(
            (w * s for w, s in zip(weights, slopes, strict=True)), torch.zeros_like(x)
        )
        slopes.append(velocity(y, (t + node * h).to(x.dtype)))
    error = sum((w * s for w, s in zip(DOPRI_ERROR, slopes, strict=True)), torch.zeros_like(x))
    return y, expand_like(h, x).to(x.dtype) * error


def _at(t: float, x: State) -> Time:
    return torch.full(x.shape[:1], t, dtype=x.dtype, device=x.device)


SAMPLERS: Registry[Sampler] = Registry(
    "sampler",
    "condgen.samplers",
    {"euler": euler, "heun": heun, "dpm": dpm_solver, "dopri": dormand_prince},
    accepts=callable,
    wanted="function (velocity, x, path, steps, start, end)",
)
SamplerName = Annotated[str, NameIn(SAMPLERS)]
