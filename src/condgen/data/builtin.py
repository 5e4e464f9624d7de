"""Built-in datasets, which need neither files nor network."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch

from condgen.data.dataset import Dataset, Splits
from condgen.data.splits import split
from condgen.data.synthetic import IMAGES, Cars, ColoredDigits, Portraits, Shapes, World
from condgen.data.synthetic.digits import handwritten
from condgen.data.synthetic.mixture import Mixture
from condgen.data.synthetic.overlap import Overlap
from condgen.errors import RequestError
from condgen.registry import Registry
from condgen.units import parse_count


@dataclass(frozen=True)
class BuiltIn:
    """A dataset that ships with condgen. licence: of its images, in words."""

    load: Callable[[], Splits]
    description: str
    world: Callable[..., World] | None = None  # for rendered datasets: takes the size and draws any number of images
    licence: str = ""


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


def rendered(world: Callable[..., World], description: str, licence: str = "") -> BuiltIn:
    """The entry of a rendered world."""
    return BuiltIn(lambda: world().splits(), description, world, licence)


OURS = "drawn by condgen: Apache-2.0"
UCI = (
    "CC BY 4.0 (Optical Recognition of Handwritten Digits, E. Alpaydin and C. Kaynak, UCI Machine Learning Repository)"
)


BUILTIN: Registry[BuiltIn] = Registry(
    "dataset",
    "condgen.worlds",
    {
        "digits": BuiltIn(
            digits, "1,797 handwritten digits, 8×8 grey, from scikit-learn; attribute digit", licence=UCI
        ),
        "mixture": BuiltIn(mixture, "2-D points with known densities; attributes side, far, angle", licence=OURS),
        "overlap": BuiltIn(overlap, "1-D points of two overlapping Gaussians; attribute right", licence=OURS),
        "shapes": rendered(Shapes, "one coloured shape, 32×32, drawn; attributes shape, color, size, x, y, …", OURS),
        "cars": rendered(
            Cars, "a car from the side, 64×64, drawn; attributes color, body, …; cars:50000 for that many", OURS
        ),
        "portraits": rendered(
            Portraits,
            "pixel-art faces, 64×64; attributes glasses, hair, beard, hat, … (extra: worlds)",
            "CC0 1.0 (the style Pixel Art by DiceBear)",
        ),
        "colored-digits": rendered(
            ColoredDigits, "handwritten digits, 8×8, in ten colours; attributes digit, color", UCI
        ),
        "diagonal-digits": rendered(
            partial(ColoredDigits, support="diagonal"),
            "the same, digit k in colours k and k + 1 only, to test composition",
            UCI,
        ),
    },
    accepts=lambda entry: isinstance(entry, BuiltIn),
    wanted="condgen.data.builtin.BuiltIn",
)


def is_builtin(source: str) -> bool:
    """Whether this names a built-in dataset, alone or with a number of images: digits, cars:50000."""
    return source.partition(":")[0] in BUILTIN


def namesake(source: str) -> list[str]:
    """A note on a local folder or file with the same name as the dataset."""
    here = Path(source).exists()
    return [f"{source} was read as condgen's dataset of this name. Write ./{source} for the local one."] if here else []


def load_builtin(source: str, size: int | None = None) -> Splits:
    """The built-in dataset of this name, such as digits. Rendered worlds take any number of images, as in cars:50k.

    size: side of a rendered world's images. Raises RequestError if the number or the size cannot be chosen.
    """
    name, colon, number = source.partition(":")
    world = BUILTIN[name].world
    if world is not None:
        chosen = world() if size is None else world(size=size)
        drawn = chosen.splits(parse_count(number) if colon else IMAGES)
        return replace(drawn, notes=(*drawn.notes, *namesake(source)))
    if colon or size is not None:
        raise RequestError(f"The built-in dataset {name} has its own size and number of images; give neither.")
    found = BUILTIN[name].load()
    return replace(found, notes=(*found.notes, *namesake(source)))
