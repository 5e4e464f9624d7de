"""Loading labelled data: built-in and published sets, folders, tables and archives."""

from condgen.data.builtin import BUILTIN
from condgen.data.dataset import Dataset, Splits, as_float, as_uint8
from condgen.data.mixture import Mixture
from condgen.data.overlap import Overlap
from condgen.data.published import PUBLISHED
from condgen.data.sources import load, resolved
from condgen.data.splits import Splitting, split
from condgen.data.streaming import Streamed, Streaming, stream

__all__ = [
    "BUILTIN",
    "PUBLISHED",
    "Dataset",
    "Mixture",
    "Overlap",
    "Splits",
    "Splitting",
    "Streamed",
    "Streaming",
    "as_float",
    "as_uint8",
    "load",
    "resolved",
    "split",
    "stream",
]
