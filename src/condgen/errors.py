"""Errors that the user can act on: one paragraph that names the culprit and says what to do."""

from collections.abc import Iterable
from difflib import get_close_matches
from itertools import takewhile
from pathlib import Path
from traceback import extract_tb

from condgen.glossary import answer

PACKAGE = str(Path(__file__).parent)


class CondgenError(Exception):
    """An error that its message explains. The command line exits with status 1. A notebook shows the message and the
    line of yours that led to it, and `%debug` everything.
    """

    exit_status = 1
    told_as = "error"  # or a note, where nothing went wrong

    def _render_traceback_(self) -> list[str]:
        """The lines that a notebook shows instead of a traceback."""
        yours = list(takewhile(lambda frame: not frame.filename.startswith(PACKAGE), extract_tb(self.__traceback__)))
        lines = [f"----> {frame.lineno} {frame.line}" for frame in yours if frame.line]
        return [*lines[-1:], f"{type(self).__name__}: {self}"]


class CondgenWarning(UserWarning):
    """A remark that stops nothing. The command line prints it as one line."""


class RequestError(CondgenError, ValueError):
    """A wrong request or option. The message names the nearest valid ones, and the command line exits with status 2.

    words: those of a phrase that are unknown, if that is what is wrong. Without them the rest may be understood.
    """

    exit_status = 2
    words: tuple[str, ...] = ()


class DataError(CondgenError, ValueError):
    """Data that cannot be used as it is. The message names the file or column."""


class RunError(CondgenError):
    """A run folder or checkpoint that cannot be read, written or continued."""


class StoreError(RunError, DataError):
    """A store elsewhere that cannot be reached, or refuses. The message names the address."""


def unknown(what: str, given: object, valid: Iterable[str], advice: str = "") -> RequestError:
    """The error for an unknown name, followed by the advice.

    It gives condgen's name for a thing known elsewhere by this name, or the nearest valid names, or all of them.
    """
    valid, given = [str(v) for v in valid], shorten(str(given), 200)
    if ours := answer(what, given, valid):
        return RequestError(f"Unknown {what} '{given}'. {ours}{advice}")
    folded = {v.casefold(): v for v in valid}
    near = [folded[m] for m in get_close_matches(str(given).casefold(), folded, n=3, cutoff=0.55)]
    shown = ", ".join(valid[:20]) + (f", … ({len(valid)} in all)" if len(valid) > 20 else "")
    hint = f"Did you mean {' or '.join(near)}?" if near else f"Valid: {shown or 'none'}."
    return RequestError(f"Unknown {what} '{given}'. {hint}{advice}")


def shorten(text: str, most: int) -> str:
    """A text in one line of at most so many characters, without what a terminal would take for a command."""
    line = "".join(c for c in " ".join(text.split()) if c.isprintable())
    return line if len(line) <= most else f"{line[: most - 1]}…"
