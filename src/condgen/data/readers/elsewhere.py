"""Data in stores: fetched to its copy on this disk, which every other reader then reads, or streamed block by block."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from condgen.data.readers.parts import PART_NAMES, must_be_whole, streamed_parts
from condgen.data.readers.row_groups import parquet_streamed
from condgen.data.readers.shards import CLASS_NAMES, by_part, expand, is_pattern, streamed
from condgen.data.readers.table import Shard, Shards
from condgen.errors import DataError, RequestError
from condgen.stores.address import is_address, normalised
from condgen.stores.copies import address_of, bring, copy_of, facts_at, fetched
from condgen.stores.remote import date_of

BESIDE = ("schema.json", CLASS_NAMES)  # what readers look for beside a file


def brought(source: str) -> str:
    """A source as a path: the copy of one in a store, up to date. Any other source as it is.

    Of a table, the images that it names follow when it is read (`table.described`). Raises StoreError.
    """
    if not is_address(source):
        return source
    if is_pattern(source):
        pattern = copy_of(normalised(source))
        bring(expand(str(pattern)), "fetching shards")
        return str(pattern)
    path = fetched(normalised(source), "fetching data")
    if path.is_file():
        bring(path.with_name(name) for name in BESIDE)
    return str(path)


def stream(source: str) -> Shards:
    """The shards at an address: WebDataset or Parquet files, in a folder, by a pattern, or one. Nothing is copied.

    Raises RequestError for a source without shards, DataError that names absent shards of a folder, and StoreError.
    """
    address = normalised(source)
    found = _listed(address)
    bring(path.with_name(name) for path in [*found][:1] for name in BESIDE)
    tars = sorted(path for path in found if path.suffix == ".tar")
    is_folder = not is_pattern(address) and copy_of(address) not in found
    if tars:
        must_be_whole(tars if is_folder else ())
        return streamed_parts({part: [_shard(path, found) for path in files] for part, files in by_part(tars).items()})
    by = {part: sorted(path for path in found if _is_parquet(path, part)) for part in PART_NAMES}
    if len(found) == 1 and next(iter(found)).suffix == ".parquet":
        by = {"train": [*found], "validation": [], "test": []}
    if not by["train"]:
        raise RequestError(
            f"{source} does not come in shards. Streamed are WebDataset shards (a .tar, a folder of them, a pattern "
            "such as shards-{000..009}.tar) and Parquet files (train.parquet); leave out `stream` to fetch it, once."
        )

    must_be_whole([file for files in by.values() for file in files] if is_folder else ())

    def stamp(path: Path) -> tuple[str, int]:
        return _stamp(path, found[path])

    return parquet_streamed(by, stamp)


def _listed(address: str) -> dict[Path, Mapping[str, Any]]:
    """The files at an address or named by a pattern, by the paths of their copies, and what the store says of them."""
    if not is_pattern(address):
        return {copy_of(file): facts for file, facts in facts_at(address).items()}
    named = expand(str(copy_of(address)))
    there = facts_at(address_of(named[0].parent) or address)
    found = {path: there.get(address_of(path) or "") for path in named}
    absent = [path for path, facts in found.items() if facts is None]
    if absent:
        raise DataError(f"Of the {len(named)} shards {address}, {len(absent)} do not exist, such as {absent[0]}.")
    return {path: facts for path, facts in found.items() if facts is not None}


def _is_parquet(path: Path, part: str) -> bool:
    names = "|".join(PART_NAMES[part])
    return re.fullmatch(rf"({names})(-\d+-of-\d+)?\.parquet", path.name) is not None


def _shard(path: Path, found: Mapping[Path, Mapping[str, Any]]) -> Shard:
    return streamed(path, *_stamp(path, found[path]))


def _stamp(path: Path, facts: Mapping[str, Any]) -> tuple[str, int]:
    """As for a file on this disk: name and size, and the time of the last change."""
    return f"{path.name} {facts.get('size')}", int((date_of(facts) or 0) * 1e9)
