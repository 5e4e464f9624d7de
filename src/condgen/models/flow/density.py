"""The density of a flow, by the instantaneous change of variables (Chen et al. 2018, eq. 8)."""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from condgen.gaussian import LOG_2PI
from condgen.models.flow.paths import Path, Time
from condgen.models.flow.samplers import Sampler, State, Velocity

EXACT = 32  # largest dimension for which the divergence is computed exactly, by default


def directions(
    shape: tuple[int, ...],
    probes: int,
    generator: torch.Generator | None,
    device: torch.device,
    exact: int = EXACT,
) -> tuple[list[Tensor], float]:
    """Vectors u and a factor f such that f Σ uᵀ J u is the trace of J: the axes in up to `exact` dimensions, or random
    signs (Hutchinson 1990).

    Random signs are the same for every observation, so that differences between conditions are not lost in their noise.
    """
    size = math.prod(shape)
    if size <= exact:
        return list(torch.eye(size, device=device).view(size, 1, *shape)), 1.0
    signs = torch.empty(probes, 1, *shape, device=device).bernoulli_(generator=generator) * 2 - 1
    return list(signs), 1 / probes


def log_density(
    velocity: Velocity, x: State, path: Path, sampler: Sampler, steps: int, along: tuple[Sequence[Tensor], float]
) -> Float[Tensor, " batch"]:
    """log p(x) in nats: x is integrated back to noise, together with the flow's change of volume.

    log p₁(x₁) = log N(x₀; 0, I) − ∫₀¹ div v dt. `along` is the result of `directions`.
    """
    n, size = len(x), x[0].numel()

    def rate(state: State, t: Time) -> State:
        points = state[:, :size].view_as(x)
        v, divergence = _with_divergence(velocity, points, t, along)
        return torch.cat([v.reshape(n, -1), divergence[:, None]], dim=1)

    # Inference mode has no derivatives, so it is left here. Only the plain formula of attention has both kinds.
    with torch.inference_mode(False), torch.no_grad(), sdpa_kernel(SDPBackend.MATH):
        start = torch.cat([x.clone().reshape(n, -1), x.new_zeros(n, 1)], dim=1)
        end = sampler(rate, start, path, steps, start=1.0, end=0.0)
    noise, divergence = end[:, :size], end[:, size]
    return -0.5 * (noise.square() + LOG_2PI).sum(1) + divergence


def _with_divergence(
    velocity: Velocity, x: State, t: Time, along: tuple[Sequence[Tensor], float]
) -> tuple[State, Float[Tensor, " batch"]]:
    """v(x, t) and its divergence, by one forward-mode derivative per direction, all of them together."""
    vectors, factor = along

    def along_one(u: Tensor) -> tuple[State, State]:
        return torch.func.jvp(lambda points: velocity(points, t), (x,), (u.expand_as(x),))  # type: ignore[return-value]

    us = torch.stack(list(vectors))
    v, derivatives = torch.func.vmap(along_one, out_dims=(None, 0))(us)  # type: ignore[arg-type]
    return v, factor * (us * derivatives).flatten(2).sum((0, 2))
