"""A two-dimensional world with known conditional densities and one attribute of every kind, for tests and teaching.

Under every condition x is an even mixture of two round Gaussians. A good model must find both modes.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from condgen.schema import Categorical, Condition, Continuous, Flag, Schema

SIDES = ("east", "north", "west", "south")


class Mixture:
    """p(x|c) = ½ N(m + δ, s²I) + ½ N(m − δ, s²I), [2] each.

    m lies in the direction of `side`, at distance 2, or 4 if `far`. δ, of length 0.6, points across it, rotated by
    `angle` degrees. All attributes are independent. Side and far are uniform, and angle is uniform in [−60, 60].
    """

    scale = 0.2
    offset = 0.6
    schema = Schema(
        attributes=(
            Categorical(name="side", values=SIDES),
            Flag(name="far"),
            Continuous(name="angle", low=-60, high=60),
        )
    )

    def conditions(self, n: int, seed: int) -> Condition:
        """n conditions drawn from p(c)."""
        u = torch.rand(n, 3, generator=torch.Generator().manual_seed(seed))
        values = {"side": (u[:, 0] * 4).floor(), "far": (u[:, 1] < 0.5).float(), "angle": u[:, 2] * 120 - 60}
        return Condition(self.schema, values, torch.ones(n, 3, dtype=torch.bool))

    def modes(self, condition: Condition) -> Float[Tensor, "batch 2 2"]:
        """The centres of the two modes under each condition, [batch, mode, coordinate]."""
        direction = condition.values["side"] * (math.pi / 2)
        across = direction + math.pi / 2 + condition.values["angle"] * (math.pi / 180)
        middle = (2 + 2 * condition.values["far"])[:, None] * _unit(direction)
        delta = self.offset * _unit(across)
        return torch.stack([middle + delta, middle - delta], dim=1)

    def sample(self, condition: Condition, generator: torch.Generator) -> Float[Tensor, "batch 2"]:
        """One point per condition."""
        which = torch.randint(0, 2, (len(condition),), generator=generator)
        centre = self.modes(condition)[torch.arange(len(condition)), which]
        return centre + self.scale * torch.randn(len(condition), 2, generator=generator)

    def log_prob(self, x: Float[Tensor, "batch 2"], condition: Condition) -> Float[Tensor, " batch"]:
        """log p(x|c) in nats."""
        squares = (x[:, None] - self.modes(condition)).square().sum(2)
        log_modes = -0.5 * squares / self.scale**2 - math.log(2 * math.pi * self.scale**2)
        return log_modes.logsumexp(1) - math.log(2)


def _unit(angle: Float[Tensor, " batch"]) -> Float[Tensor, "batch 2"]:
    return torch.stack([angle.cos(), angle.sin()], dim=1)
