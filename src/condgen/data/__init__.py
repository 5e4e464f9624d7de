"""Loading labelled data: built-in and published sets, folders, tables and archives. Names are imported on first use."""

from typing import TYPE_CHECKING

from condgen.lazy import listing, on_first_use

if TYPE_CHECKING:
    from condgen.data.again import load_source
    from condgen.data.builtin import BUILTIN
    from condgen.data.dataset import Dataset, Splits
    from condgen.data.published import PUBLISHED
    from condgen.data.source import DataSource, SplitConfig, StreamConfig
    from condgen.data.sources import load, resolved
    from condgen.data.splits import split
    from condgen.data.streaming import Streamed, stream
    from condgen.data.synthetic.mixture import Mixture
    from condgen.data.synthetic.overlap import Overlap
    from condgen.pixels import as_float, as_uint8

__all__ = [
    "BUILTIN",
    "PUBLISHED",
    "DataSource",
    "Dataset",
    "Mixture",
    "Overlap",
    "SplitConfig",
    "Splits",
    "StreamConfig",
    "Streamed",
    "as_float",
    "as_uint8",
    "load",
    "load_source",
    "resolved",
    "split",
    "stream",
]

_HOME = {
    "load_source": "again",
    "BUILTIN": "builtin",
    "Dataset": "dataset",
    "Splits": "dataset",
    "as_float": ".pixels",
    "as_uint8": ".pixels",
    "PUBLISHED": "published",
    "DataSource": "source",
    "SplitConfig": "source",
    "StreamConfig": "source",
    "load": "sources",
    "resolved": "sources",
    "split": "splits",
    "Streamed": "streaming",
    "stream": "streaming",
    "Mixture": "synthetic.mixture",
    "Overlap": "synthetic.overlap",
}
__getattr__ = on_first_use(__name__, _HOME)
__dir__ = listing(__all__)
