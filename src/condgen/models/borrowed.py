"""Parts of a model that other packages bring: recorded in its run, and named where they are missing."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field

from condgen.models.registry import FAMILIES
from condgen.parameters import registries
from condgen.registry import Registry, brings

Word = Annotated[str, Field(max_length=100, pattern=r"^[\w][\w. -]*$")]  # a header may come from anybody
Distribution = Annotated[str, Field(max_length=100, pattern=r"^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$")]


@dataclass(frozen=True)
class Borrowed:
    """A part of a model that is an entry of another package.

    group: of its entry point.
    what, name: of the part, such as the mechanism 'shift'.
    package, version: of the package that was installed when the model was made.
    """

    group: Word
    what: Word
    name: Word
    package: Distribution
    version: Annotated[str, Field(max_length=100, pattern=r"^[\w.!+-]*$")] = ""

    def __str__(self) -> str:
        return f"the {self.what} '{self.name}' of the package {' '.join([self.package, self.version]).strip()}"


def borrowed(recipe: Mapping[str, Any]) -> tuple[Borrowed, ...]:
    """The parts of a recipe that other packages bring."""
    found = ((registry, name, registry.package(name)) for registry, name in _parts(recipe))
    return tuple(
        Borrowed(registry.group, registry.what, name, package.name, package.version)
        for registry, name, package in found
        if package is not None
    )


def lacking(recorded: tuple[Borrowed, ...]) -> str:
    """The recorded parts that are missing here, and the remedy, in a few words. Empty if none is."""
    missing = [part for part in recorded if not brings(part.group, part.name)]
    packages = " ".join(dict.fromkeys(part.package for part in missing))
    verb = "are" if len(missing) > 1 else "is"
    return f"{' and '.join(map(str, missing))}, which {verb} not installed: pip install {packages}" if missing else ""


def unknown(recipe: Mapping[str, Any]) -> bool:
    """Whether a part of a recipe is no entry here, usable or not."""
    return any(not registry.knows(name) for registry, name in _parts(recipe))


def _parts(recipe: Mapping[str, Any]) -> Iterator[tuple[Registry[Any], str]]:
    """The registries and names in a recipe: the family's, then those of its arguments."""
    family, arguments = recipe.get("model"), recipe.get("arguments", {})
    if not isinstance(family, str):
        return
    yield FAMILIES, family
    if family in FAMILIES:
        named = registries(FAMILIES[family].builder)
        yield from ((named[key], value) for key, value in arguments.items() if key in named and isinstance(value, str))
