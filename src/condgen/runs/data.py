"""The data of a run, loaded again from its source or from a new place."""

from dataclasses import replace
from pathlib import Path

from condgen.data import DataSource, Splits, load_source, resolved
from condgen.data.builtin import is_builtin
from condgen.data.storage.places import places_of
from condgen.errors import DataError, RequestError, RunError
from condgen.progress import SILENT, Progress, shown
from condgen.runs.header import coordinates_of, source_of, without_files
from condgen.runs.trust import must_be_trusted
from condgen.schema import Schema
from condgen.training.checkpoint import WEIGHTS_ALONE, Info


def load_again(
    path: Path, info: Info, address: str | None = None, progress: Progress | None = None, trust: bool = False
) -> Splits:
    """The data of the run in a folder.

    address: other data of the same form, or the new place of the same data.
    trust: the run may name any place.

    Raises RunError if the data cannot be found or has changed, UntrustedError for a place that the run may not choose,
    and the errors of loading.
    """
    if address is not None:
        return _named(path, info, address, progress)
    must_have_data(path, info, progress or shown(), trust)
    source = source_of(info)
    try:
        data = load_source(source, progress)
    except (DataError, RequestError) as error:
        raise RunError(
            f"{error} {path} was trained on {source.describe()}; if that has moved, say where it is now (`data=DATA`)."
        ) from None
    if not is_the_same(data, info):
        raise RunError(
            f"{source.address} is not what {path} was trained on: its images or labels have changed since. Restore "
            "them, or name the data to use (`data=DATA`)."
        )
    return data


def must_have_data(path: Path, info: Info, progress: Progress = SILENT, trust: bool = False) -> None:
    """Raise RunError if the run's data cannot be loaded again, or may not be. Nothing is loaded.

    trust: the run may name any place.
    """
    source = source_of(info)
    if info.holds == WEIGHTS_ALONE:
        raise RunError(
            f"{path} holds exported weights, which do not say where the data is. Name data of the same attributes "
            "(`data=DATA`)."
        )
    if source.address is None:
        raise RunError(
            f"{path} was trained on data built in memory, which cannot be loaded again. Name data that is the same or "
            f"like it (`data=DATA`), or give it from Python, as in condgen.resume('{path}', data)."
        )
    must_be_trusted(path, places_of(source), trust, progress)


def _named(path: Path, info: Info, address: str, progress: Progress | None) -> Splits:
    source, own = elsewhere(info, address), coordinates_of(info)
    try:
        data = load_source(source, progress)
        return data if own is None else data.measured_in(own)
    except (DataError, RequestError) as error:
        raise type(error)(f"{error} What was loaded is {source.describe()}, as for {path}.") from None


def elsewhere(info: Info, address: str) -> DataSource:
    """The source at another address, with the attributes, size and splits of the run's own.

    All attributes are loaded for a run of data without labels.
    """
    own, schema = source_of(info), Schema.model_validate(info.schema)
    found = replace(own, address=resolved(address), data_dir=None)
    if is_builtin(address):  # built-in data has its own schema
        found = replace(found, attributes=None, schema=None, streaming=None, selected=tuple(schema.names) or None)
        return without_files(found)
    if own.selected is not None:  # the loaded schema had more attributes than the run's
        return found
    return replace(found, attributes=None, schema=schema if len(schema) else None)


def is_the_same(data: Splits, info: Info) -> bool:
    """Whether a run was trained on this data."""
    return data.train.fingerprint == info.data.get("fingerprint")
