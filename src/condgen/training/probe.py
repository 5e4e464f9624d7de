"""A measurement of the condition's effect on samples, for any model, by `sample` alone."""

import torch

from condgen.models import Model
from condgen.rng import Rng
from condgen.schema import LabelDistribution


@torch.inference_mode()
def condition_effect(model: Model, joint: LabelDistribution, n: int = 64, seed: int = 0) -> float:
    """The change of samples with the condition, relative to their change with the noise.

    The root mean square difference between samples of equal noise under two independently drawn conditions, divided by
    that between samples of different noise and condition. At 0 the condition is ignored. At 1 it matters as much as
    everything.
    """
    first, second = (joint.draw({}, Rng(range(s, s + n))) for s in (seed + n, seed + 2 * n))
    noise, other = range(seed, seed + n), range(seed + 3 * n, seed + 4 * n)
    device = model.device
    a, b, c = (
        model.sample(condition.to(device), Rng(seeds)).float()
        for condition, seeds in ((first, noise), (second, noise), (second, other))
    )
    total = (a - c).square().mean().sqrt()
    return float((a - b).square().mean().sqrt() / total.clamp(min=1e-12))


IGNORED = 0.02  # a smaller condition effect counts as "ignored"
