"""Edits through noise: an observation's noise, and the observation that it gives under another condition.

PyTorch models and exported ones share this code.
"""

from typing import Any

from condgen.arrays import Array, Float, namespace
from condgen.models.flow.paths import expand_like
from condgen.schema import Condition

Batch = Float[Array, "batch ..."]


class ThroughNoise:
    """A model under which an observation is an invertible function of noise and encoded condition c.

    The noise holds everything that the condition does not describe.

    in_one_pass: whether `to_noise` only computes networks, so that it can be exported.
    """

    in_one_pass = True
    condition_encoder: Any  # from a Condition to c

    def to_noise(self, x: Batch, c: Any) -> Batch:
        """The noise of observations under an encoded condition."""
        raise NotImplementedError

    def from_noise(self, noise: Batch, c: Any) -> Batch:
        """The expected observations, [batch, *shape], for noise under an encoded condition."""
        raise NotImplementedError

    def between(self, noise: Batch, noise_end: Batch, s: float) -> Batch:
        """Noise at a share s of the way to other noise."""
        return lerp(noise, noise_end, s)

    def edit(self, x: Batch, source: Condition, target: Condition) -> Batch:
        """x, which has condition `source`, changed to condition `target`. Everything else is kept."""
        return self.from_noise(self.to_noise(x, self.condition_encoder(source)), self.condition_encoder(target))

    def interpolate(self, x: Batch, condition: Condition, x_end: Batch, condition_end: Condition, steps: int) -> Batch:
        """`steps` observations from each x to its x_end, through noise and encoded condition: [batch, steps, *shape].

        Raises ValueError for fewer than two steps.
        """
        if steps < 2:
            raise ValueError(f"an interpolation has at least its two ends, so steps must be 2 or more, not {steps}")
        c, c_end = self.condition_encoder(condition), self.condition_encoder(condition_end)
        noise, noise_end = self.to_noise(x, c), self.to_noise(x_end, c_end)
        frames = []
        for s in (k / (steps - 1) for k in range(steps)):
            c_between = type(c)(*(lerp(a, b, s) for a, b in zip(c, c_end, strict=True)))
            frames.append(self.from_noise(self.between(noise, noise_end, s), c_between))
        return namespace(x).stack(frames, axis=1)


def lerp(a: Batch, b: Batch, s: float | Array) -> Batch:
    """A share s of the straight way from a to b."""
    return a + s * (b - a)


def slerp(a: Batch, b: Batch, s: float | Array) -> Batch:
    """Spherical interpolation, which keeps the length of noise (Shoemake 1985). s: a number, or one for each sample in
    the dimensions of a.
    """
    xp = namespace(a)
    cosine = (_unit(a) * _unit(b)).sum(1)
    angle = expand_like(xp.clip(xp.acos(xp.clip(cosine, -1, 1)), 1e-4, None), a)
    return (xp.sin((1 - s) * angle) * a + xp.sin(s * angle) * b) / xp.sin(angle)


def _unit(x: Batch) -> Float[Array, "batch value"]:
    xp, flat = namespace(x), x.reshape(len(x), -1)
    return flat / xp.clip((flat**2).sum(1)[:, None] ** 0.5, 1e-12, None)
