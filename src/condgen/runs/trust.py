"""Trust in runs: whether places named in a run's header, outside its own folder and the current one, may be read.

A run from someone else can name any file of this machine, or an address elsewhere. Places that the user named here
before, to load data or by trusting a run, are remembered in the cache. A run may name these.
"""

import os
from pathlib import Path

from condgen.data.published import PUBLISHED
from condgen.data.readers import is_address
from condgen.data.readers.shards import is_pattern
from condgen.data.storage.places import remember, remembered
from condgen.errors import RunError, shorten
from condgen.progress import Progress
from condgen.runs.header import teacher_of
from condgen.stores.address import is_address as is_url
from condgen.training.checkpoint import Info


class UntrustedError(RunError):
    """A run names places that the user has not named before. Nothing has been read."""


def of_teacher(info: Info) -> list[str]:
    """The place of the teacher of a distilled run."""
    teacher = teacher_of(info)
    return [teacher.path] if teacher else []


def must_be_trusted(path: Path, named: list[str], trust: bool, progress: Progress) -> None:
    """Report the places named in a run's header. Raises UntrustedError for places that are not allowed.

    trust: allow the run to read them. They are then remembered.
    """
    if named:
        progress.note(f"{path} names what is read: {', '.join(shorten(place, 200) for place in named)}")
    if trust:
        remember(named)
        return
    known = set(remembered())
    strange = [p for p in named if p not in known and _is_there(p) and not _inside(p, (Path(), path))]
    if strange:
        raise UntrustedError(
            f"{path} names {' and '.join(shorten(place, 200) for place in strange)}, which nobody named here before. "
            "A run from somebody else could name any file: if you know this one, let it read that (`trust=True`), or "
            "name the data yourself (`data=DATA`). Nothing was read."
        )


def _is_there(place: str) -> bool:
    """Whether there may be something to read. For patterns and addresses elsewhere this is unknown without reading."""
    return place in PUBLISHED or is_address(place) or is_url(place) or is_pattern(place) or os.path.lexists(place)


def _inside(place: str, folders: tuple[Path, ...]) -> bool:
    """Whether a place is a file or folder within one of these folders, with links followed."""
    if place in PUBLISHED or is_address(place) or is_url(place):
        return False
    real = Path(os.path.realpath(place))
    return any(real.is_relative_to(os.path.realpath(folder)) for folder in folders)
