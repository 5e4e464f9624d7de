"""The kind of progress that suits the environment."""

import os
import sys
from collections.abc import Callable

from condgen.processes import writes
from condgen.progress.events import Events
from condgen.progress.lines import Lines
from condgen.progress.protocol import SILENT, Progress

FORM = "CONDGEN_PROGRESS"  # the variable by which a program asks for lines of JSON: `json`
FORCED = {"FORCE_COLOR", "TTY_COMPATIBLE"}  # variables by which rich is told that there is a terminal


def shown(spell: Callable[[str], str] = str) -> Progress:
    """The progress for this environment: bars in a terminal or a notebook, lines elsewhere.

    With CONDGEN_PROGRESS=json in the environment, it is lines of JSON, with settings as in Python.
    Of several processes that train together, only the first shows it.
    spell: applied to every note and alarm, for an interface with its own spelling of settings (see `condgen.messages`).
    """
    if not writes():
        return SILENT
    if in_json():
        return Events()
    if not _perhaps_bars():
        return Lines(spell)
    from condgen.progress.bars import suitable  # rich takes a while to import

    return suitable(spell)


def in_json() -> bool:
    """Whether a program reads what is said here, and asks for lines of JSON."""
    return os.environ.get(FORM) == "json"


def _perhaps_bars() -> bool:
    """Whether rich may find a terminal or a notebook here."""
    return sys.stderr.isatty() or "IPython" in sys.modules or not FORCED.isdisjoint(os.environ)
