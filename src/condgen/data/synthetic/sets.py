"""The built-in datasets: each set of examples and each rendered world, with its description and its licence."""

from functools import partial

import torch

from condgen.data.builtin import BuiltIn, rendered
from condgen.data.dataset import Dataset, Splits
from condgen.data.splits import split
from condgen.data.synthetic import Cars, ColoredDigits, Portraits, Shapes
from condgen.data.synthetic.digits import handwritten
from condgen.data.synthetic.mixture import Mixture
from condgen.data.synthetic.overlap import Overlap

OURS = "drawn by condgen: Apache-2.0"
UCI = (
    "CC BY 4.0 (Optical Recognition of Handwritten Digits, E. Alpaydin and C. Kaynak, UCI Machine Learning Repository)"
)


def digits() -> Splits:
    """The 1,797 handwritten digits that ship with scikit-learn, 8×8 grey."""
    return split(handwritten())


def mixture(n: int = 20_000) -> Splits:
    """Points of a two-dimensional mixture with known conditional densities."""
    world = Mixture()
    condition = world.conditions(n, seed=0)
    x = world.sample(condition, torch.Generator().manual_seed(1))
    return split(Dataset(x, condition))


def overlap(n: int = 20_000) -> Splits:
    """Points of two overlapping one-dimensional Gaussians."""
    world = Overlap()
    condition = world.conditions(n, seed=0)
    x = world.sample(condition, torch.Generator().manual_seed(1))
    return split(Dataset(x, condition))


DIGITS = BuiltIn(digits, "1,797 handwritten digits, 8×8 grey, from scikit-learn; attribute digit", licence=UCI)
MIXTURE = BuiltIn(mixture, "2-D points with known densities; attributes side, far, angle", licence=OURS)
OVERLAP = BuiltIn(overlap, "1-D points of two overlapping Gaussians; attribute right", licence=OURS)
SHAPES = rendered(Shapes, "one coloured shape, 32×32, drawn; attributes shape, color, size, x, y, …", OURS)
CARS = rendered(Cars, "a car from the side, 64×64, drawn; attributes color, body, …; cars:50000 for that many", OURS)
PORTRAITS = rendered(
    Portraits,
    "pixel-art faces, 64×64; attributes glasses, hair, beard, hat, … (extra: worlds)",
    "CC0 1.0 (the style Pixel Art by DiceBear)",
)
COLORED_DIGITS = rendered(ColoredDigits, "handwritten digits, 8×8, in ten colours; attributes digit, color", UCI)
DIAGONAL_DIGITS = rendered(
    partial(ColoredDigits, support="diagonal"),
    "the same, digit k in colours k and k + 1 only, to test composition",
    UCI,
)
