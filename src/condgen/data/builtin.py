"""Built-in datasets, which need neither files nor network."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from condgen.errors import RequestError
from condgen.locks import LOCK
from condgen.registry import Registry
from condgen.units import parse_count

if TYPE_CHECKING:
    from condgen.data.dataset import Splits
    from condgen.data.synthetic import World


@dataclass(frozen=True)
class BuiltIn:
    """A dataset that ships with condgen. licence: of its images, in words."""

    load: Callable[[], "Splits"]
    description: str
    world: Callable[..., "World"] | None = None  # for rendered datasets: takes the size and draws any number of images
    licence: str = ""


def rendered(world: Callable[..., "World"], description: str, licence: str = "") -> BuiltIn:
    """The entry of a rendered world."""
    return BuiltIn(lambda: world().splits(), description, world, licence)


BUILTIN: Registry[BuiltIn] = Registry(
    "dataset",
    "condgen.worlds",
    {
        "digits": "condgen.data.synthetic.sets:DIGITS",
        "mixture": "condgen.data.synthetic.sets:MIXTURE",
        "overlap": "condgen.data.synthetic.sets:OVERLAP",
        "shapes": "condgen.data.synthetic.sets:SHAPES",
        "cars": "condgen.data.synthetic.sets:CARS",
        "portraits": "condgen.data.synthetic.sets:PORTRAITS",
        "colored-digits": "condgen.data.synthetic.sets:COLORED_DIGITS",
        "diagonal-digits": "condgen.data.synthetic.sets:DIAGONAL_DIGITS",
    },
    accepts=lambda entry: isinstance(entry, BuiltIn),
    wanted="condgen.data.builtin.BuiltIn",
)


def is_builtin(source: str) -> bool:
    """Whether this names a built-in dataset, alone or with a number of images: digits, cars:50000."""
    return source.partition(":")[0] in BUILTIN


def namesake(source: str) -> list[str]:
    """A note on a local folder or file with the same name as the dataset, unless it is the folder of a run."""
    here = Path(source).exists() and not (Path(source) / LOCK).exists()
    return [f"{source} was read as condgen's dataset of this name. Write ./{source} for the local one."] if here else []


def load_builtin(source: str, size: int | None = None) -> "Splits":
    """The built-in dataset of this name, such as digits. Rendered worlds take any number of images, as in cars:50k.

    size: side of a rendered world's images. Raises RequestError if the number or the size cannot be chosen.
    """
    from condgen.data.synthetic import IMAGES

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
