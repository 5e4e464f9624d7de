"""The progress that suits where a program runs."""

import os
from collections.abc import Callable

from condgen.progress.lines import Lines
from condgen.progress.protocol import SILENT, Progress


def shown(spell: Callable[[str], str] = str) -> Progress:
    """The progress that a person sees here: bars in a terminal or a notebook, lines elsewhere.

    Of several processes that train together, the first one shows. spell: applied to every note and alarm, for an
    interface that spells settings its own way; see `condgen.messages`.
    """
    if os.environ.get("RANK", "0") != "0":
        return SILENT
    from condgen.progress.bars import Bars, possible  # rich takes a while to import

    return Bars(spell) if possible() else Lines(spell)
