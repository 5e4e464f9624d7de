"""Built-in datasets: they need no files and no network."""

from collections.abc import Callable
from dataclasses import dataclass

import torch

from condgen.data.dataset import Dataset, Splits
from condgen.data.mixture import Mixture
from condgen.data.overlap import Overlap
from condgen.data.splits import split
from condgen.schema import Categorical, Condition, Schema


@dataclass(frozen=True)
class BuiltIn:
    """A dataset that condgen brings along."""

    load: Callable[[], Splits]
    description: str


def digits() -> Splits:
    """The 1,797 handwritten digits that ship with scikit-learn, 8×8 grey."""
    from sklearn.datasets import load_digits

    raw = load_digits()
    x = torch.from_numpy(raw.images * (255 / 16)).round().to(torch.uint8)[:, None]
    schema = Schema(attributes=(Categorical(name="digit", values=tuple("0123456789")),))
    codes = torch.from_numpy(raw.target).float()
    condition = Condition(schema, {"digit": codes}, torch.ones(len(x), 1, dtype=torch.bool))
    return split(Dataset(x, condition), source="digits")


def mixture(n: int = 20_000) -> Splits:
    """Points of the two-dimensional mixture, whose every conditional density is known."""
    world = Mixture()
    condition = world.conditions(n, seed=0)
    x = world.sample(condition, torch.Generator().manual_seed(1))
    return split(Dataset(x, condition), source="mixture")


def overlap(n: int = 20_000) -> Splits:
    """Points of two overlapping one-dimensional Gaussians."""
    world = Overlap()
    condition = world.conditions(n, seed=0)
    x = world.sample(condition, torch.Generator().manual_seed(1))
    return split(Dataset(x, condition), source="overlap")


BUILTIN = {
    "digits": BuiltIn(digits, "1,797 handwritten digits, 8×8 grey, from scikit-learn; attribute digit"),
    "mixture": BuiltIn(mixture, "2-D points with known densities; attributes side, far, angle"),
    "overlap": BuiltIn(overlap, "1-D points of two overlapping Gaussians; attribute right"),
}
