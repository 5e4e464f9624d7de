"""Headers of files, read as what they must be. They may come from anybody."""

import json
from pathlib import Path
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from condgen.errors import RunError, shorten

LONGEST = 32 * 2**20  # largest number of characters in a header; real ones have a few thousand

Header = TypeVar("Header")


def parsed(path: Path, text: str, kind: type[Header], newest: int) -> Header:
    """The header of a file from its JSON.

    kind: the class that it must fit.
    newest: the highest number of its format that this version of condgen can read.

    Raises RunError for a header that is too long, newer or makes no sense.
    """
    if len(text) > LONGEST:
        raise RunError(f"{path} has a header of {len(text):,} characters; condgen reads at most {LONGEST:,}.")
    try:
        content = json.loads(text)
        written = content.get("format", newest) if isinstance(content, dict) else newest
        if isinstance(written, int) and written > newest:  # its other content may have another meaning
            raise RunError(f"{path} was written by a newer condgen (format {written}); update condgen to open it.")
        return TypeAdapter(kind).validate_python(content)
    except ValidationError as error:
        first = error.errors()[0]
        where, reason = ".".join(map(str, first["loc"])) or "all of it", shorten(first["msg"], 200)
        raise RunError(f"{path} has a header that condgen cannot read: {reason} ({where}).") from None
    except (ValueError, RecursionError):
        raise RunError(f"{path} has a header that condgen cannot read: it is not JSON.") from None
