"""Copies on this disk of files in stores: brought where the store has a newer one, put where this machine has.

The copy of s3://bucket/run is the folder stores/s3/bucket/run of the cache, an ordinary folder for all other code. A
record beside the copies keeps, per file, the stamps under which both were last the same. It tells a file that was
changed here from one that was changed there.
"""

import filecmp
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import quote, unquote

from condgen import files
from condgen.cache import cache_folder
from condgen.errors import DataError, RequestError, StoreError, shorten
from condgen.progress import SILENT, shown
from condgen.room import disk
from condgen.stores.address import is_address, local, normalised, protocol, split
from condgen.stores.disk import files_below, stamp_if_there, stamped
from condgen.stores.folder import is_hidden
from condgen.stores.remote import RemoteFolder, date_of, stamp_of

SERVERS = ("http", "https")  # of pages, whose links are the files of a folder
AT_ONCE = 16  # number of files on their way
PLAIN = "/ @=+,~!$&'(){}"  # characters that stay as they are in the path of a copy
RECORDS = ".records"

Facts = Mapping[str, Any]  # what a store says of a file

background: dict[Path, Callable[[], None]] = {}  # folders that are put in the background, and the call that tells of it


def root() -> Path:
    """The folder of all copies."""
    return Path(os.path.realpath(cache_folder())) / "stores"


def copy_of(address: str) -> Path:
    """The path of the copy of a file or folder, which need not exist.

    Files that are written there afterwards are put into the store. Raises RequestError for an address with parts that
    no path can have.
    """
    kind, _, rest = address.partition("://")
    if any(part in ("", ".", "..") for part in rest.split("/")):
        raise RequestError(f"{shorten(address, 200)} is no address of a file or folder: a part of it is empty or dots.")
    files.followers.setdefault(root(), written)
    return root() / kind / quote(rest, safe=PLAIN)


def address_of(path: Path) -> str | None:
    """The address of a copy. None for any other path."""
    real = Path(os.path.realpath(path))
    if not real.is_relative_to(root()) or len(parts := real.relative_to(root()).parts) < 2:
        return None
    return f"{parts[0]}://{unquote('/'.join(parts[1:]))}"


def named(path: Path) -> str:
    """A path as messages name it: a copy by its address."""
    return address_of(path) or str(path)


def addressed(text: str) -> str:
    """A message with the addresses of copies in place of their paths, except where it says file://."""
    return re.sub(rf"(?<!file://){re.escape(str(root()))}/([a-z][a-z0-9+.-]+)/", r"\1://", text)


def place(given: str | Path) -> Path:
    """The path to write to for a path or an address. What is written below a copy is put into its store."""
    return copy_of(normalised(given)) if is_address(given) else local(given)


def here(given: str | Path) -> Path:
    """The path to read from for a path or an address, which is fetched."""
    return fetched(normalised(given)) if is_address(given) else local(given)


def fetched(address: str, doing: str = "") -> Path:
    """The copy of a file, or of a folder and all below it, up to date. Hidden files are left out.

    doing: the title under which progress is shown.

    Files that were written here and could not be put stay, if the store has not changed since. Raises StoreError if
    there is nothing at the address, or a file has changed both here and there.
    """
    path, found = copy_of(address), facts_at(address)
    if not found and not unsent(path):
        raise StoreError(f"There is nothing at {address}. Check the address, and that you may read it.")
    _must_have_room(address, found)
    _for_each(_bring, found.items(), doing)
    for file in files_of(path):
        if address_of(file) not in found and (record := _record(file)) and record["ours"] == stamped(file):
            file.unlink()  # it was removed there
            _forget(file)
    return path


def refresh(path: Path) -> None:
    """Bring a copy up to date, if the path is one and there is something in the store."""
    address = address_of(path)
    if address and facts_at(address):
        fetched(address)


def facts_at(address: str) -> dict[str, Facts]:
    """The facts that a store gives about the files at and below an address, by address, without hidden ones."""
    if protocol(address) in SERVERS and "." in split(address)[1]:  # a listing would read the file itself
        facts = RemoteFolder(split(address)[0]).facts_of(split(address)[1])
        return {address: facts} if facts else {}
    below = {f"{address}/{name}": facts for name, facts in RemoteFolder(address).facts().items() if not is_hidden(name)}
    if below:
        return below
    folder, name = split(address)
    facts = RemoteFolder(folder).facts_of(name) if name else None
    return {address: facts} if facts else {}


def bring(paths: Iterable[Path], doing: str = "") -> None:
    """Bring copies up to date, whose paths are given. Other paths, and files that are nowhere, are left alone.

    doing: the title under which progress is shown.
    """
    wanted = {address: path for path in paths if (address := address_of(path))}
    found: dict[str, Facts] = {}
    for folder in {split(address)[0] for address in wanted}:
        found |= {f"{folder}/{name}": facts for name, facts in RemoteFolder(folder).facts(deep=False).items()}
    _for_each(_bring, [(address, found[address]) for address in wanted if address in found], doing)


def _must_have_room(address: str, found: Mapping[str, Facts]) -> None:
    """Raise DataError if what has no copy yet would not fit on the disk."""
    absent = sum(int(facts.get("size") or 0) for each, facts in found.items() if not copy_of(each).exists())
    advice = "Name a folder on another disk in CONDGEN_CACHE, or read it bit by bit (`stream`)."
    disk(root()).must_hold(absent, f"The copy of {address}", advice, DataError)


def _bring(file: tuple[str, Facts]) -> None:
    """Fetch a file unless its copy is the same or newer."""
    address, facts = file
    path, theirs = copy_of(address), stamp_of(facts)
    record, ours = _record(path), stamped(path) if path.is_file() else None
    if record and record["theirs"] == theirs and ours is not None:
        return  # the same, or changed here only
    files.make_folder(path.parent)
    with TemporaryDirectory(prefix=".", suffix=".partial", dir=path.parent) as inside:
        partial = Path(inside) / path.name
        folder, name = split(address)
        RemoteFolder(folder).fetch(name, partial)
        changed = ours is not None and (record is None or record["ours"] != ours)
        if changed and (_record(path) or {}).get("theirs") == theirs:
            return  # another process of this machine has just put it
        if changed and not filecmp.cmp(partial, path, shallow=False):
            raise StoreError(
                f"{address} has changed, and so has its copy file://{path}, which was never put there. Keep one: "
                "remove the copy, or move it elsewhere."
            )
        if (changed_at := date_of(facts)) is not None:
            os.utime(partial, (changed_at, changed_at))  # looks the same when it is fetched again
        files.sync(partial)
        partial.replace(path)
    _keep(path, theirs, stamped(path))


# ---- putting


def must_be_new(path: Path, what: str) -> None:
    """Raise RequestError if a path is the copy of a folder elsewhere that is not empty. Other paths pass.

    Files of it that could not be put before are put first.
    """
    address = address_of(path)
    if address is None:
        return
    send(path)
    if facts_at(address):
        raise RequestError(f"{address} is there already; nothing was overwritten. Choose another for {what}.")
    if any(files_of(path)):
        raise RequestError(
            f"{address} is empty, but what was there before still lies in file://{path}. Remove that, too, or choose "
            f"another address for {what}."
        )


def written(path: Path) -> None:
    """Put a file or folder that has just got its final name, unless somebody puts its folder in the background.

    What is in an unfinished folder waits for the folder's name.
    """
    if any(part.endswith(".partial") for part in path.parts):
        return
    awaited = [announce for folder, announce in [*background.items()] if path.is_relative_to(folder)]
    for announce in awaited:
        announce()
    if not awaited:
        send(path)


def send(path: Path, check: Callable[[], None] = lambda: None) -> None:
    """Put a copy, or all below it, as far as it differs from the store.

    check: called first. It raises an error if nothing may be put.

    Files that name others come after those. Raises StoreError that says where everything lies on this disk.
    """
    waiting = unsent(path)
    try:
        check()
        for rank in sorted(set(map(_rank, waiting))):
            _for_each(_put, [file for file in waiting if _rank(file) == rank])
    except StoreError as error:
        left = len(unsent(path))
        raise StoreError(f"{error} Nothing is lost: files not there yet ({left}) lie in file://{path}.") from None


def unsent(path: Path) -> list[Path]:
    """The files of a copy that its store does not have in this form."""
    found = [path] if path.is_file() else files_of(path)
    stamps = {file: stamp_if_there(file) for file in found if not is_hidden(file.name)}
    return [file for file, stamp in stamps.items() if stamp and (_record(file) or {}).get("ours") != stamp]


def _rank(file: Path) -> int:
    """The place in the order of putting: a table of a folder's files last, before it other files that name any."""
    return 2 if file.stem == "metadata" else 1 if file.suffix in (".json", ".html", ".csv") else 0


def _put(path: Path) -> None:
    address = address_of(path)
    assert address is not None, "only copies are put"
    folder, name = split(address)
    with _unless_removed(path):
        ours = stamped(path)  # if it changes from now on, it is put again
        theirs = RemoteFolder(folder).put(path, name)
        _keep(path, theirs, ours)


@contextmanager
def _unless_removed(path: Path) -> Iterator[None]:
    """Pass over errors about a file that has been removed meanwhile."""
    try:
        yield
    except FileNotFoundError:
        return
    except StoreError:  # no file to read looks like no bucket to write to
        if path.exists():
            raise


def remove(file: Path) -> None:
    """Remove a file from its store, as it was removed here."""
    address = address_of(file)
    assert address is not None, "only copies are removed"
    folder, name = split(address)
    RemoteFolder(folder).remove(name)
    _forget(file)


def files_of(path: Path) -> list[Path]:
    """The files below a copy, without hidden ones and without former checkpoints, which are for this disk."""
    return [file for file in files_below(path) if not files.is_former(file)]


def _for_each(do: Callable[[Any], None], items: Iterable[Any], doing: str = "") -> None:
    """Do something with several items at once. Raises the first error after all have been tried."""
    items = list(items)
    progress = shown() if doing and len(items) > 1 else SILENT
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="store") as pool, progress.task(doing, len(items)) as task:
        for k, future in enumerate([pool.submit(do, item) for item in items], 1):
            future.result()
            task.move(k)


# ---- the record


def _of_record(path: Path) -> Path:
    return root() / RECORDS / f"{Path(os.path.realpath(path)).relative_to(root())}.json"


def _record(path: Path) -> dict[str, str] | None:
    """The stamps under which a copy and its store's file were last the same."""
    try:
        found = json.loads(_of_record(path).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) and {"ours", "theirs"} <= found.keys() else None


def _keep(path: Path, theirs: str, ours: str) -> None:
    record = _of_record(path)
    record.parent.mkdir(parents=True, exist_ok=True)
    partial = record.with_name(f"{record.name}.{os.getpid()}")
    partial.write_text(json.dumps({"theirs": theirs, "ours": ours}), encoding="utf-8")
    partial.replace(record)


def _forget(path: Path) -> None:
    _of_record(path).unlink(missing_ok=True)
