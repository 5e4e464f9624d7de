"""Loading labelled data: built-in and published sets, folders, tables and archives."""

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
