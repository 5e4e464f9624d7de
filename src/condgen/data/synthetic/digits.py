"""Handwritten digits in colour, the usual test of composition of unseen combinations."""

from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from condgen.data.dataset import Dataset, Splits
from condgen.data.splits import TEST, VALIDATION, split
from condgen.data.synthetic.drawing import Draws, gathered, palette, shades
from condgen.data.synthetic.world import IMAGES, Link, World
from condgen.schema import Categorical, Condition, Schema

_DIGITS = tuple("0123456789")
_COLORS = ("red", "orange", "yellow", "lime", "green", "cyan", "blue", "purple", "pink", "white")


def _table() -> Path:
    """The file of scikit-learn that holds them: 64 grey values of 0 to 16 and a digit in a row. Importing the package,
    as its `load_digits` does, would take two seconds.
    """
    package = find_spec("sklearn")
    if package is None or not package.submodule_search_locations:
        raise ModuleNotFoundError("No module named 'sklearn'", name="sklearn")
    return Path(package.submodule_search_locations[0]) / "datasets" / "data" / "digits.csv.gz"


@lru_cache(maxsize=1)
def handwritten() -> Dataset:
    """The 1,797 handwritten digits that ship with scikit-learn, 8×8 grey."""
    raw = torch.from_numpy(np.loadtxt(_table(), delimiter=","))
    x = (raw[:, :-1] * (255 / 16)).round().to(torch.uint8).view(-1, 1, 8, 8)
    schema = Schema(attributes=(Categorical(name="digit", values=_DIGITS),))
    codes = raw[:, -1].float()
    return Dataset(x, Condition(schema, {"digit": codes}, torch.ones(len(x), 1, dtype=torch.bool)))


class ColoredDigits(World):
    """scikit-learn's handwritten digits, each in one of ten colours on black.

    support: `full`, every digit in every colour, or `diagonal`, digit k in colours k and k + 1 only. The diagonal
        leaves 80 of the 100 combinations unseen (Gaudi et al. 2025, "CoInD: Enabling logical compositions in diffusion
        models"). `render` draws any combination in either case.
    handwriting: the digits to colour, all of them by default.
    """

    name = "colored-digits"
    smallest, step = 8, 8
    schema = Schema(attributes=(Categorical(name="digit", values=_DIGITS), Categorical(name="color", values=_COLORS)))
    links = (Link("digit", "color", dict(zip(_DIGITS, _COLORS, strict=True))),)

    def __init__(
        self, size: int = 8, support: Literal["full", "diagonal"] = "full", handwriting: Dataset | None = None
    ):
        super().__init__(size)
        self.support = support
        self.handwriting = handwritten() if handwriting is None else handwriting
        digits = self.handwriting.condition.values["digit"]
        self._by_digit = [torch.where(digits == k)[0] for k in range(10)]

    def conditions(self, n: int, seed: int = 0, correlation: int | float = 0.0) -> Condition:
        """n conditions within the support (see World)."""
        condition = super().conditions(n, seed, correlation)
        if self.support == "full":
            return condition
        codes = condition.values
        return condition.with_codes("color", (codes["digit"] + codes["color"] % 2) % 10)

    def splits(self, n: int = IMAGES) -> Splits:
        """n images. Those for validation and testing have other handwriting than those for training."""
        parts = split(self.handwriting)
        tested, checked = int(TEST * n), int(VALIDATION * n)

        def colored(part: Dataset, count: int, seed: int) -> Dataset:
            return ColoredDigits(self.size, self.support, part).dataset(count, seed)

        train = colored(parts.train, n - tested - checked, 0)
        return Splits(train, colored(parts.validation, checked, 1), colored(parts.test, tested, 2))

    def _draw(self, condition: Condition, draws: Draws) -> UInt8[Tensor, "n 3 height width"]:
        color = shades(gathered(palette(_COLORS), condition.values["color"]), draws, hue=0.02)
        which = draws.between(0, 1)
        pools = [self._by_digit[int(k)] for k in condition.values["digit"].tolist()]
        chosen = torch.stack([pool[int(u * len(pool))] for pool, u in zip(pools, which.tolist(), strict=True)])
        ink = self.handwriting.x[chosen].float()
        zoom = self.size // ink.shape[2]
        x = (ink * color[:, :, None, None]).round().to(torch.uint8)
        return x.repeat_interleave(zoom, 2).repeat_interleave(zoom, 3)
