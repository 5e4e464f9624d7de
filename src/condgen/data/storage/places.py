"""Places of data that the user has named on this machine, remembered in the cache. A run may name these again."""

from collections.abc import Iterable, Iterator
from contextlib import suppress

from condgen.cache import cache_folder
from condgen.data.builtin import is_builtin
from condgen.data.source import DataSource
from condgen.files import log_line, read_log

KNOWN = "places.jsonl"  # one place per line


def places_of(source: DataSource) -> list[str]:
    """The places of data: its address, and the local copy of a published dataset. Empty for built-in data."""
    return [place for place in (source.address, source.data_dir) if place is not None and not is_builtin(place)]


def remember(places: Iterable[str]) -> None:
    """Remember places that the user named. If the cache cannot be written, nothing is remembered."""
    known = set(remembered())
    new = [place for place in dict.fromkeys(places) if place not in known]
    with suppress(OSError):
        if new:
            file = cache_folder() / KNOWN
            file.parent.mkdir(parents=True, exist_ok=True)
            with file.open("a", encoding="utf-8") as opened:
                opened.write("".join(log_line({"place": place}) for place in new))


def remembered() -> Iterator[str]:
    """The places that were named before."""
    with suppress(OSError):
        yield from (entry["place"] for entry in read_log(cache_folder() / KNOWN) if isinstance(entry.get("place"), str))
