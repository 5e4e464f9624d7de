"""Datasets of the Hugging Face Hub, through the `datasets` library: `hf:owner/name`."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from condgen.data.readers.files import columns_of, columns_of_rows, first_line, named
from condgen.data.readers.parts import PART_NAMES, divided, streamed_parts
from condgen.data.readers.table import READ, Parts, Shard, Shards, Table, described
from condgen.errors import DataError, RequestError, unknown

PREFIX = "hf:"
USAGE = (
    "hf:owner/name, a dataset of the Hugging Face Hub (or a local folder that the `datasets` library reads), if\n"
    "    need be with ?config=…&split=…&revision=…&streaming=yes&rows=N (pip install 'condgen[hub]')"
)
_OPTIONS = ("config", "split", "revision", "streaming", "rows")


@dataclass(frozen=True)
class Address:
    """The parts of an address `hf:name?config=…&split=…&revision=…&streaming=yes&rows=N`.

    name: on the Hub, or a local folder.
    config: for datasets with several.
    split: the only one to read.
    streaming: read rows as they arrive, without storing them on disk.
    rows: the largest number of rows per split.
    """

    name: str
    config: str | None = None
    split: str | None = None
    revision: str | None = None
    streaming: bool = False
    rows: int | None = None

    @classmethod
    def of(cls, source: str) -> "Address":
        """The address in a source. Raises RequestError for an unknown option."""
        name, _, query = source.removeprefix(PREFIX).partition("?")
        if not name:
            raise RequestError("Name a dataset of the Hub, as in hf:owner/name.")
        given: dict[str, Any] = dict(parse_qsl(query, keep_blank_values=True))
        for option in given:
            if option not in _OPTIONS:
                raise unknown(f"option of {PREFIX}{name}:", option, _OPTIONS)
        given["streaming"] = given.get("streaming", "no").casefold() in ("yes", "true", "1", "")
        if not given.get("rows", "1").isdigit():
            raise RequestError(f"rows={given['rows']} is not a whole number.")
        given["rows"] = int(given["rows"]) if "rows" in given else None
        return cls(name, **given)


def read_hub(source: str) -> Parts:
    """The dataset at an address of the Hub, or in a local folder that `datasets` reads. Class names are kept.

    Raises DataError if it cannot be loaded, and RequestError if the `datasets` library is not installed.
    """
    address = Address.of(source)
    with _apologising(source, address):
        tables = {n: _table(f"{PREFIX}{address.name} ({n})", part, address) for n, part in _splits(address).items()}
    return _in_parts(source, tables)


def parts_of(source: str, splits: Mapping[str, Any]) -> Parts:
    """The tables of loaded datasets of the `datasets` library, given by the name of their split."""
    return _in_parts(source, {n: _table(f"{source} ({n})", part, Address(source)) for n, part in splits.items()})


def stream_hub(source: str) -> Shards:
    """The same dataset in its published shards, fetched piece by piece. Raises errors as `read_hub` does."""
    address = replace(Address.of(source), streaming=True)
    if address.rows is not None:
        raise RequestError("A stream is read to its end; leave out rows=… or `stream`.")
    with _apologising(source, address):
        parts = _splits(address)
        by = _names_by_part(parts) if len(parts) > 1 else {"train": next(iter(parts))}
        if "train" not in by:
            raise _nothing_to_train_on(source, parts)
        return streamed_parts({part: _shards(address, name, parts[name]) for part, name in by.items()})


@contextmanager
def _apologising(source: str, address: Address) -> Iterator[None]:
    """Turn any error of the library, from the network to a script, into a DataError of one paragraph."""
    try:
        import datasets  # noqa: F401
    except ImportError:
        raise RequestError(
            f"{source} is read by the `datasets` library, which is not installed: pip install 'condgen[hub]'."
        ) from None
    try:
        yield
    except (DataError, RequestError):
        raise
    except Exception as error:
        raise DataError(_apology(address, error)) from None


def _splits(address: Address) -> dict[str, Any]:
    """Datasets by the name of their split."""
    loaded = _loaded(address)
    return dict(loaded) if isinstance(loaded, Mapping) else {address.split or "train": loaded}


def _shards(address: Address, name: str, part: Any) -> tuple[Shard, ...]:
    """The shards of a split. A dataset in one piece in a local folder is cut into shards."""
    whole = part if hasattr(part, "num_shards") else part.to_iterable_dataset(max(1, len(part) // 1_000))
    whole, names = _encoded(whole)
    n = whole.num_shards
    kept = f"{address.name} {address.config} {address.revision} {name}"
    called = [f"{PREFIX}{address.name} ({name}), shard {k + 1} of {n}" for k in range(n)]
    return tuple(
        Shard(called[k], f"{kept} {k} of {n}", partial(_tables, called[k], address, whole.shard(n, k), names))
        for k in range(n)
    )


def _tables(source: str, address: Address, shard: Any, names: Mapping[str, list[str]]) -> Iterator[Table]:
    """A shard's rows, in tables of a few rows each."""
    with _apologising(source, address):
        rows, first = iter(shard), 0
        while some := [_fetched(row) for row in islice(rows, READ)]:
            columns = named(columns_of_rows(some), names)
            classes = [n for n in names if n in columns]
            yield replace(described(Path(source), columns, (), classes, Path(), first), source=source)
            first += len(some)


def _loaded(address: Address) -> Any:
    """A dataset, or several by the name of their split, with images left encoded."""
    from datasets import load_dataset, load_from_disk

    folder = Path(address.name).expanduser()
    if any((folder / name).is_file() for name in ("dataset_dict.json", "state.json")):  # written by save_to_disk
        whole = load_from_disk(str(folder))
        return whole[address.split] if address.split else whole
    return load_dataset(
        str(folder) if folder.is_dir() else address.name,
        address.config,
        split=address.split,
        revision=address.revision,
        streaming=address.streaming,
    )


def _table(source: str, part: Any, address: Address) -> Table:
    part, names = _encoded(part)
    columns, notes = _columns(source, part, address)
    table = described(Path(source), named(columns, names), notes, [n for n in names if n in columns], Path())
    return replace(table, source=source)


def _encoded(part: Any) -> tuple[Any, dict[str, list[str]]]:
    """A split with images left encoded, and the names of its classes by column."""
    from datasets import ClassLabel, Image

    features = part.features or {}
    for name, feature in features.items():
        if isinstance(feature, Image):
            part = part.cast_column(name, Image(decode=False))
    return part, {name: feature.names for name, feature in features.items() if isinstance(feature, ClassLabel)}


def _columns(source: str, part: Any, address: Address) -> tuple[dict[str, list[Any]], list[str]]:
    if address.streaming:
        return columns_of_rows([_fetched(row) for row in islice(part, address.rows)]), []
    chosen = part if address.rows is None else part.select(range(min(address.rows, len(part))))
    return columns_of(Path(source), chosen.with_format("arrow")[:])


def _fetched(row: dict[str, Any]) -> dict[str, Any]:
    """A streamed row with the bytes of images that are given by an address or a place in an archive."""
    from datasets.utils.file_utils import xopen

    for name, cell in row.items():
        if isinstance(cell, dict) and set(cell) == {"bytes", "path"} and cell["bytes"] is None and cell["path"]:
            with xopen(cell["path"], "rb") as file:
                row[name] = cell | {"bytes": file.read()}
    return row


def _in_parts(source: str, tables: dict[str, Table]) -> Parts:
    """The tables by purpose. Others are left out, with a note."""
    if len(tables) == 1:
        return divided({"train": next(iter(tables.values()))})
    by = _names_by_part(tables)
    if "train" not in by:
        raise _nothing_to_train_on(source, tables)
    parts = divided({part: tables[name] for part, name in by.items()})
    unused = [name for name in tables if name not in by.values()]
    if unused:
        note = f"The splits {', '.join(unused)} of {source} are not used; choose one with ?split=NAME."
        parts.train.notes.append(note)
    return parts


def _nothing_to_train_on(source: str, splits: Iterable[str]) -> DataError:
    return DataError(f"{source} has the splits {', '.join(splits)} but none to train on; choose one: ?split=NAME.")


def _names_by_part(splits: Iterable[str]) -> dict[str, str]:
    """The name of the split for training, validation and testing."""
    splits = list(splits)
    known = {part: [split for split in splits if split.casefold() in names] for part, names in PART_NAMES.items()}
    return {part: found[0] for part, found in known.items() if found}


def _apology(address: Address, error: Exception) -> str:
    return (
        f"The dataset {address.name} could not be loaded through the `datasets` library: {first_line(error)}. Check "
        f"the name, and that the Hub can be reached from here; if it cannot, fetch the dataset where it can (with "
        f"huggingface_hub.snapshot_download('{address.name}', repo_type='dataset', local_dir=FOLDER)), copy it here, "
        "and give hf:FOLDER."
    )
