"""Settings and calls that messages mention, as a person types them: `lr=0.1` is --set lr=0.1."""

import shlex
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING

from condgen.messages import Mention, spelled

if TYPE_CHECKING:
    from typer.core import TyperCommand

UNITS = {"d": 86400, "h": 3600, "m": 60, "s": 1}
COUNTS = {"M": 1_000_000, "k": 1_000}


def spell(text: str) -> str:
    """A message of the library in the words of the command line."""
    return spelled(text, _spelling)


def _spelling(mention: Mention) -> str | None:
    settings = [part for name, value in mention.settings.items() for part in _option(name, value)]
    if not mention.verb:
        names = [_options().get(str(name), "") for name in mention.arguments]
        return " ".join([*names, *map(_shown, settings)]) if all(names) else None
    if mention.verb not in _commands():
        return None
    arguments = [each for a in mention.arguments for each in (a if isinstance(a, list | tuple) else [a])]
    return " ".join(["condgen", mention.verb, *(_shown(str(a)) for a in arguments), *map(_shown, settings)])


def _option(name: str, value: object) -> list[str]:
    """A setting as an option of its own, or with --set."""
    if name == "seconds":
        return ["--budget", _in_units(value, UNITS)]
    option = _options().get(name)
    if value is True and option:
        return [option]
    text = ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
    if option is None:
        return ["--set", f"{name}={text}"]
    return [option, _in_units(value, COUNTS) if name == "images" else text]


def _in_units(value: object, units: dict[str, int]) -> str:
    """A whole number in the largest unit that divides it: 180 seconds are 3m."""
    for letter, size in units.items():
        if isinstance(value, int) and value and value % size == 0:
            return f"{value // size}{letter}"
    return f"{value}"


def _shown(part: str) -> str:
    return "…" if part == "Ellipsis" else shlex.quote(part)


@cache
def _options() -> dict[str, str]:
    """The options of all commands, by their own names and by those of the arguments that they set."""
    found: dict[str, str] = {}
    for command in _commands().values():
        for parameter in command.params:
            for option in parameter.opts:
                if option.startswith("--"):
                    found.setdefault(str(parameter.name), option)
                    found.setdefault(option[2:].replace("-", "_"), option)
    return found


@cache
def _commands() -> "Mapping[str, TyperCommand]":
    from typer.main import get_group

    from condgen.cli.app import app

    return get_group(app).commands  # type: ignore[return-value]
