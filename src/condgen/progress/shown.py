"""The kind of progress that suits the environment."""

import os
from collections.abc import Callable

from condgen.progress.lines import Lines
from condgen.progress.protocol import SILENT, Progress


def shown(spell: Callable[[str], str] = str) -> Progress:
    """The progress for this environment: bars in a terminal or a notebook, lines elsewhere.

    Of several processes that train together, only the first shows it.
    spell: applied to every note and alarm, for an interface with its own spelling of settings (see `condgen.messages`).
    """
    if os.environ.get("RANK", "0") != "0":
        return SILENT
    from condgen.progress.bars import Bars, possible  # rich takes a while to import

    return Bars(spell) if possible() else Lines(spell)
