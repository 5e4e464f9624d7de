"""Nearest-neighbour relations of two sets of points: membership in each other's manifold, and density.

A set's manifold is the union of balls around its points, each up to the k-th nearest neighbour in the set (not counting
itself). Distances are computed in double precision and in batches, so memory grows with the number of points, not with
its square.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

Points = Float[Tensor, "n feature"]
Others = Float[Tensor, "m feature"]

ROUNDING = 1e-7  # rounding error of distances relative to the size of the points


@dataclass(frozen=True)
class Overlap:
    """The relation of two sets of points, made and real, to each other's manifold.

    precise: whether each made point is in a ball of a real one.
    recalled: whether each real point is in a ball of a made one.
    balls: number of real balls (of `density` neighbours) that contain each made point.
    covered: whether each real ball (of `density` neighbours) contains a made point.
    """

    precise: Bool[Tensor, " n"]
    recalled: Bool[Tensor, " m"]
    balls: Int[Tensor, " n"]
    covered: Bool[Tensor, " m"]


def overlap(made: Points, real: Others, k: int = 3, density: int = 5, batch: int = 500) -> Overlap:
    """The overlap of two sets' manifolds, with k neighbours, or `density` neighbours for balls and cover.

    Every set must have more points than these numbers. Kynkäänniemi et al. 2019, eq. 1–2; Naeem et al. 2020, eq. 4–5.
    """
    made, real, rounding = _centred(made, real)
    ball_made, near_real = nearest(made, k, batch)[:, -1], nearest(real, max(k, density), batch)
    ball_real, wide = near_real[:, k - 1] + rounding, near_real[:, density - 1] + rounding
    precise, balls = [], []
    recalled, closest = torch.zeros(len(real), dtype=torch.bool), torch.full((len(real),), torch.inf).double()
    for part, ball in zip(made.split(batch), ball_made.split(batch), strict=True):
        distance = torch.cdist(part, real)
        precise.append((distance <= ball_real).any(1))
        balls.append((distance <= wide).sum(1))
        recalled |= (distance <= ball[:, None] + rounding).any(0)
        closest = torch.minimum(closest, distance.amin(0))
    return Overlap(torch.cat(precise), recalled, torch.cat(balls), closest <= wide)


def covered(points: Points, manifold: Others, k: int, batch: int = 500) -> Bool[Tensor, " n"]:
    """Whether each point lies in one of the manifold's balls."""
    points, manifold, rounding = _centred(points, manifold)
    ball = nearest(manifold, k, batch)[:, -1] + rounding
    return torch.cat([(torch.cdist(part, manifold) <= ball).any(1) for part in points.split(batch)])


def nearest(points: Points, most: int, batch: int = 500) -> Float[Tensor, "n most"]:
    """The distances of each point to its nearest neighbours among the others, in ascending order."""
    parts = [torch.cdist(part, points).topk(most + 1, largest=False).values for part in points.split(batch)]
    return torch.cat(parts)[:, 1:]  # the first is the point itself


def _centred(a: Points, b: Others) -> tuple[Float[Tensor, "n feature"], Float[Tensor, "m feature"], Float[Tensor, ""]]:
    """Both sets in double precision, centred on the second's mean, and the possible rounding error of distances."""
    a, b = a.cpu().double(), b.cpu().double()
    a, b = a - b.mean(0), b - b.mean(0)
    return a, b, ROUNDING * b.square().sum(1).mean().sqrt()
