"""Obedience to rare combinations during training, by a rough reader: a linear one, of small pictures of real data.

No judge is at hand in training, and none is needed to see that a combination is lost. The reader is a ridge regression
from 16 × 16 pixels to the attributes. For each combination, samples go some part of the way from the average
observation to real observations of the combination, as it reads them. The shortest way is logged.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from condgen.data import Dataset
from condgen.models import Model
from condgen.rng import Rng
from condgen.schema import Condition
from condgen.schema.combinations import Combinations

SIDE = 16  # of the pictures that are read
READ = 3_000  # observations that the reader learns from, and as many others that it is compared with
COMBINATIONS, EACH = 6, 24  # the rarest combinations, and samples of each
LEAST = 30  # smallest number of real observations that a combination is compared with
RIDGE = 0.1  # weight of the ridge relative to the variance of a pixel
WIDEST = 4 * SIDE**2  # numbers of a vector. The normal equations of many more take gigabytes
LEAST_WAY = 0.05  # combinations whose real observations the reader hardly tells from others are left out


@dataclass(frozen=True)
class Watch:
    """Rare combinations, and the direction in which a rough reader sees each.

    asked: the conditions, EACH of every combination in turn.
    directions: of each combination, the change of the reading per pixel.
    offsets: of each combination, the reading of the average observation.
    ways: readings of real observations of each combination, from the average.
    """

    asked: Condition
    directions: Float[Tensor, "combination pixel"]
    offsets: Float[Tensor, " combination"]
    ways: Float[Tensor, " combination"]

    @classmethod
    def of(cls, data: Dataset, seed: int = 0) -> "Watch | None":
        """The watch of training data, or None if it has no combination with enough examples that can be read.

        Data with missing labels has none, and neither have vectors of more than a thousand numbers.
        """
        if len(data.shape) == 1 and data.shape[0] > WIDEST:
            return None
        order = torch.randperm(len(data), generator=torch.Generator().manual_seed(seed))
        half = min(READ, len(data) // 2)
        learned, other = data[order[:half]], data[order[half : 2 * half]]
        if not data.condition.complete or len(other) < LEAST:
            return None
        found = list(Combinations.of(other.condition, LEAST, COMBINATIONS).members(other.condition))
        if not found:
            return None
        weights, y = _ridge(_pictures(learned.floats), _codes(learned.condition)), _pictures(other.floats)
        towards = torch.stack([_towards(other.condition, each.names, rows) for each, rows in found])
        directions = towards @ weights.T
        offsets = directions @ y.mean(0)
        seen = torch.stack([y[rows].mean(0) for _, rows in found])
        ways = (seen * directions).sum(1) - offsets
        told = (ways > LEAST_WAY * towards.square().sum(1)).nonzero()[:, 0]
        if not len(told):
            return None
        asked = [other.condition[found[k][1][:EACH]] for k in told.tolist()]
        return cls(Condition.cat(asked), directions[told], offsets[told], ways[told])

    @torch.inference_mode()
    def worst(self, model: Model) -> float:
        """The shortest way of any combination's samples, as a share of real observations' way. 1 is as in real data."""
        x = model.sample(self.asked.to(model.device), Rng(range(len(self.asked)))).float().cpu()
        seen = _pictures(x).unflatten(0, (-1, EACH)).mean(1)
        return float((((seen * self.directions).sum(1) - self.offsets) / self.ways).min())


def _pictures(x: Float[Tensor, "n ..."]) -> Float[Tensor, "n pixel"]:
    """Small pictures with a constant, or vectors with one."""
    small = adaptive_avg_pool2d(x, (min(SIDE, x.shape[2]), min(SIDE, x.shape[3]))) if x.dim() == 4 else x
    return torch.cat([small.flatten(1), torch.ones(len(x), 1)], 1)


def _codes(condition: Condition) -> Float[Tensor, "n width"]:
    return torch.cat([a.encode(condition.values[a.name]) for a in condition.schema], 1)


def _towards(condition: Condition, names: tuple[str, ...], rows: Int[Tensor, " member"]) -> Float[Tensor, " width"]:
    """The encodings of these attributes in a combination's conditions, from the average. 0 for other attributes."""
    codes = _codes(condition)
    own = torch.cat([torch.full((a.width,), float(a.name in names)) for a in condition.schema])
    return own * (codes[rows].mean(0) - codes.mean(0))


def _ridge(x: Float[Tensor, "n pixel"], y: Float[Tensor, "n width"]) -> Float[Tensor, "pixel width"]:
    """Weights of the regression of y on x, the last of which is a constant and not shrunk."""
    scale = x[:, :-1].var(0).mean().clamp(min=1e-6)
    penalty = RIDGE * scale * len(x) * torch.ones(x.shape[1])
    penalty[-1] = 0.0
    return torch.linalg.solve(x.T @ x + penalty.diag(), x.T @ y)
