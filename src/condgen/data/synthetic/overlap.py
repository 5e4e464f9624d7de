"""Two overlapping one-dimensional Gaussians, one per value of a flag. They show AC-GAN's bias within seconds."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from condgen.schema import Condition, Flag, Schema


class Overlap:
    """p(x|right=no) = N(−1, 1) and p(x|right=yes) = N(1, 1), equally frequent. The class boundary is x = 0."""

    mean = 1.0
    scale = 1.0
    schema = Schema(attributes=(Flag(name="right"),))

    def conditions(self, n: int, seed: int) -> Condition:
        """n conditions drawn from p(c)."""
        right = (torch.rand(n, generator=torch.Generator().manual_seed(seed)) < 0.5).float()
        return Condition(self.schema, {"right": right}, torch.ones(n, 1, dtype=torch.bool))

    def sample(self, condition: Condition, generator: torch.Generator) -> Float[Tensor, "batch 1"]:
        """One point per condition."""
        noise = torch.randn(len(condition), 1, generator=generator)
        return self._centre(condition) + self.scale * noise

    def log_prob(self, x: Float[Tensor, "batch 1"], condition: Condition) -> Float[Tensor, " batch"]:
        """log p(x|c) in nats."""
        z = (x - self._centre(condition))[:, 0] / self.scale
        return -0.5 * (z.square() + math.log(2 * math.pi * self.scale**2))

    def margin(self, x: Float[Tensor, "batch 1"], condition: Condition) -> Float[Tensor, " batch"]:
        """Signed distance from the class boundary, positive on the side of the condition. Its true distribution is N(1,
        1).
        """
        return x[:, 0] * condition.values["right"].mul(2).sub(1)

    def _centre(self, condition: Condition) -> Float[Tensor, "batch 1"]:
        return self.mean * (2 * condition.values["right"] - 1)[:, None]
