"""Places of data that a person named on this machine, remembered in the cache: a run may name these again."""

from collections.abc import Iterable, Iterator
from contextlib import suppress

from condgen.data.builtin import is_builtin
from condgen.data.source import DataSource
from condgen.data.storage.cache import cache_folder
from condgen.files import log_line, read_log

KNOWN = "places.jsonl"  # one place a line


def places_of(source: DataSource) -> list[str]:
    """The places of data: its address, and the local copy of a published dataset. Built-in data has none."""
    return [place for place in (source.address, source.data_dir) if place is not None and not is_builtin(place)]


def remember(places: Iterable[str]) -> None:
    """Remember places that a person named. If the cache cannot be written, nothing is remembered."""
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
