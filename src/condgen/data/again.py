"""Loading data again from its recorded source."""

from condgen.data.dataset import Splits
from condgen.data.source import DataSource
from condgen.data.sources import load
from condgen.data.streaming import stream
from condgen.errors import DataError
from condgen.progress import Progress, shown

SHARED = ("attributes", "size", "schema", "resize", "broken", "splitting")  # arguments of both `load` and `stream`


def load_source(source: DataSource, progress: Progress | None = None) -> Splits:
    """The data of a source, loaded again. progress: a bar or log lines by default.

    Raises the errors of `load` and `stream`, and DataError for data built in memory.
    """
    if source.address is None:
        raise DataError("Data built in memory has no address from which it could be loaded again.")
    progress = progress or shown()
    how = {name: getattr(source, name) for name in SHARED}
    if source.streaming is None:
        data = load(source.address, data_dir=source.data_dir, progress=progress, **how)
    else:
        data = stream(source.address, streaming=source.streaming, progress=progress, **how)
    return data if source.selected is None else data.select(source.selected)
