"""Registries: named things of one kind, both condgen's own and those of other installed packages.

A package adds an entry by an entry point in its `pyproject.toml`, under the registry's group:

    [project.entry-points."condgen.families"]
    ring = "my_package.ring:RING"

Entries of condgen itself may be written in the same way, as `module:attribute`, so that listing names needs no imports.
"""

import warnings
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Generic, NamedTuple, TypeVar

from condgen.errors import CondgenWarning, RequestError, unknown

Entry = TypeVar("Entry")

TAKEN = "the name {} is in use already"


@cache
def installed() -> Any:
    """The entry points of all installed packages, found once: it opens a file of every package."""
    return entry_points()


def brings(group: str, name: str) -> bool:
    """Whether an installed package has an entry of that name, usable or not."""
    return bool(installed().select(group=group, name=name))


class PluginWarning(CondgenWarning):
    """A package's entry that cannot be used. Everything else works."""


class Package(NamedTuple):
    """The installed package that an entry is of."""

    name: str
    version: str

    @classmethod
    def of(cls, point: EntryPoint) -> "Package":
        """The package of an entry point. Without a record of it, the module's first name."""
        return cls(point.dist.name, point.dist.version) if point.dist else cls(point.value.partition(".")[0], "")


class Registry(Generic[Entry]):
    """The entries of one kind by name, those of condgen first.

    what: the kind in messages: "model", "mechanism".
    group: the entry-point group for other packages.
    own: condgen's entries, or their places (`module:attribute`).
    accepts: whether a package's object is an entry of this kind.
    wanted: the requirement in words.
    called: the name that an entry gives itself, for kinds whose entries have one. It must be the entry point's.

    A package's entry is loaded when the names are first listed. An entry that cannot be loaded, is of another kind, or
    has a name already in use gives a PluginWarning once and is left out.
    """

    def __init__(
        self,
        what: str,
        group: str,
        own: Mapping[str, Entry | str],
        accepts: Callable[[object], bool],
        wanted: str,
        called: Callable[[Entry], str] | None = None,
    ):
        self.what = what
        self.group = group
        self.accepts = accepts
        self.wanted = wanted
        self.called = called
        self._own = dict(own)
        self._others: dict[str, Entry] | None = None
        self._packages: dict[str, Package] = {}
        self._compared = False  # the names of other packages with condgen's own
        self.broken: dict[str, str] = {}  # by name: the reason why it cannot be used, and the remedy

    def __getitem__(self, name: str) -> Entry:
        """The entry of that name. Raises RequestError for an unknown name, with the nearest, and for a broken entry."""
        if name in self._own:
            self._clashes()
            return self._resolved(name)
        if name in self.others:
            return self.others[name]
        if name in self.broken:
            raise RequestError(self.broken[name])
        raise unknown(self.what, name, self)

    def __contains__(self, name: object) -> bool:
        if name in self._own:
            self._clashes()
            return True
        return name in self.others

    def __iter__(self) -> Iterator[str]:
        return iter([*self._own, *self.others])

    def __len__(self) -> int:
        return len(self._own) + len(self.others)

    @property
    def names(self) -> list[str]:
        """All names, for help texts. Nothing is imported, so one of them may turn out to be broken."""
        return [
            *self._own,
            *(name for name in dict.fromkeys(point.name for point in self._points()) if name not in self._own),
        ]

    def values(self) -> list[Entry]:
        """The entries, in the order of the names."""
        return [self[name] for name in self]

    def items(self) -> list[tuple[str, Entry]]:
        """Names and entries."""
        return [(name, self[name]) for name in self]

    def check(self, name: str) -> str:
        """The name, if it is known. Raises RequestError as a look-up does."""
        if name not in self:
            self[name]
        return name

    def knows(self, name: str) -> bool:
        """Whether an entry of that name is there, usable or not."""
        return name in self or name in self.broken

    def package(self, name: str) -> Package | None:
        """The other package that an entry is of. None for condgen's own."""
        return self._packages.get(name)

    def excuse(self, name: str, error: Exception) -> str:
        """The reason why another package's entry is left out here, given as a PluginWarning, too.

        Raises the error of one of condgen's own entries, which is a mistake of condgen.
        """
        if (package := self.package(name)) is None:
            raise error
        reason = f"{type(error).__name__}: {error}".rstrip(".")
        text = f"The {self.what} '{name}' of the package {package.name} is left out, since it raised {reason}."
        warnings.warn(text, PluginWarning, stacklevel=3)
        return text

    @property
    def others(self) -> dict[str, Entry]:
        """The usable entries of other packages."""
        if self._others is None:
            self._others = {}
            for point in self._points():
                if point.name not in self._own:
                    self._add(point)
            self._clashes()
        return self._others

    def _points(self) -> list[EntryPoint]:
        return sorted(installed().select(group=self.group), key=lambda point: point.name)

    def _clashes(self) -> None:
        """Warn once of packages whose entries have names of condgen's own. Nothing of them is imported."""
        if not self._compared:
            self._compared = True
            for point in self._points():
                if point.name in self._own:
                    self._leave_out(point, TAKEN.format(point.name))

    def _resolved(self, name: str) -> Entry:
        """One of condgen's own entries, imported when it is first requested."""
        entry = self._own[name]
        if isinstance(entry, str):
            entry = self._own[name] = EntryPoint(name, entry, self.group).load()
        return entry

    def _add(self, point: EntryPoint) -> None:
        """Another package's entry, or the reason why it cannot be used."""
        try:
            reason, found = "", point.load()
        except Exception as error:  # another package may raise anything
            reason, found = f"importing {point.value} raised {type(error).__name__}: {error}", None
        if point.name in self.others:
            reason = TAKEN.format(point.name)
        elif not reason:
            reason = self._misfit(point, found)
        if reason:
            self._leave_out(point, reason)
        else:
            self.others[point.name] = found
            self._packages[point.name] = Package.of(point)

    def _misfit(self, point: EntryPoint, found: Any) -> str:
        """The reason why a package's object is no entry under its entry point's name. Empty if it is one."""
        if not self.accepts(found):
            return f"{point.value} is no {self.wanted}"
        if self.called and (own := self.called(found)) != point.name:
            return f"{point.value} calls itself '{own}', which must be the name of its entry point, too"
        return ""

    def _leave_out(self, point: EntryPoint, reason: str) -> None:
        self.broken[point.name] = (
            f"The {self.what} '{point.name}' of the package {Package.of(point).name} cannot be used: {reason}. Update "
            f"the package, correct its entry point in the group {self.group}, or uninstall it."
        )
        warnings.warn(self.broken[point.name], PluginWarning, stacklevel=4)


class NameIn:
    """Marks a text as a name in a registry: `Annotated[str, NameIn(MECHANISMS)]` is validated when it is given."""

    def __init__(self, registry: Registry[Any]):
        self.registry = registry

    def __get_pydantic_core_schema__(self, source: Any, handler: Callable[[Any], Any]) -> Any:
        from pydantic_core import core_schema

        return core_schema.no_info_after_validator_function(self.registry.check, handler(source))

    def __get_pydantic_json_schema__(self, core_schema: Any, handler: Callable[[Any], Any]) -> Any:
        return {**handler(core_schema), "enum": list(self.registry)}
