"""Spelling of settings and calls in messages as options and commands: `lr=0.1` becomes --set lr=0.1.

Settings are spelled as options of the command that runs, and those of a call as options of its command.
"""

import shlex
import sys
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING

from condgen.messages import Mention, spelled
from condgen.stores.copies import addressed

if TYPE_CHECKING:
    from typer.core import TyperCommand

UNITS = {"d": 86400, "h": 3600, "m": 60, "s": 1}
COUNTS = {"M": 1_000_000, "k": 1_000}
IN_UNITS = {"seconds": UNITS, "images": COUNTS}


def spell(text: str) -> str:
    """A message of the library in the words of the command line."""
    return addressed(spelled(text, _spelling))


def _spelling(mention: Mention) -> str | None:
    mention, options = _flat(mention), _options(mention.verb or _running())
    settings = [part for name, value in mention.settings.items() for part in _option(options, name, value)]
    if not mention.verb:
        names = [options.get(str(name), "") for name in mention.arguments]
        return " ".join([*names, *map(_shown, settings)]) if all(names) else None
    if mention.verb not in _commands():
        return None
    arguments = [each for a in mention.arguments for each in (a if isinstance(a, list | tuple) else [a])]
    return " ".join(["condgen", mention.verb, *(_shown(str(a)) for a in arguments), *map(_shown, settings)])


def _flat(mention: Mention) -> Mention:
    """A call without calls among its arguments: their arguments and settings become its own."""
    calls = [_flat(each) if isinstance(each, Mention) else Mention("", (each,), {}) for each in mention.arguments]
    settings = {name: value for each in calls for name, value in each.settings.items()}
    return Mention(mention.verb, tuple(a for each in calls for a in each.arguments), settings | mention.settings)


def _option(options: Mapping[str, str], name: str, value: object) -> list[str]:
    """A setting as an option of its own, or with --set."""
    option = options.get(name)
    if value is True and option:
        return [option]
    text = ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
    if option is None:
        return ["--set", f"{name}={text}"]
    return [option, _in_units(value, IN_UNITS[name]) if name in IN_UNITS else text]


def _in_units(value: object, units: dict[str, int]) -> str:
    """A whole number in the largest unit that divides it: 180 seconds are 3m."""
    for letter, size in units.items():
        if isinstance(value, int) and value and value % size == 0:
            return f"{value // size}{letter}"
    return f"{value}"


def _shown(part: str) -> str:
    return "…" if part == "Ellipsis" else shlex.quote(part)


def _running() -> str:
    """The command that runs in this process, or another word if none does."""
    return next((word for word in sys.argv[1:] if not word.startswith("-")), "")


@cache
def _options(verb: str) -> dict[str, str]:
    """The options of a command, by their own names and by those of their arguments. Then those of others: of all, or of
    `train` alone if the command has --set, which gives what is left.
    """
    commands, found = _commands(), {"seconds": "--budget"}
    own = _named(commands[verb]) if verb in commands else {}
    others = ["train"] if "set" in own else commands
    for each in (own, *(_named(commands[name]) for name in others)):
        found = {**each, **found}
    return found


def _named(command: "TyperCommand") -> dict[str, str]:
    """The options of one command."""
    found: dict[str, str] = {}
    for parameter in command.params:
        for option in sorted(parameter.opts, reverse=True, key=len):  # -n has no longer form
            if option.startswith("-"):
                found.setdefault(str(parameter.name), option)
                found.setdefault(option.lstrip("-").replace("-", "_"), option)
    return found


@cache
def _commands() -> "Mapping[str, TyperCommand]":
    from typer.main import get_group

    from condgen.cli.app import app

    return get_group(app).commands  # type: ignore[return-value]
