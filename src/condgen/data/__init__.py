"""Loading labelled data: built-in sets, folders and tables."""

from condgen.data.builtin import BUILTIN
from condgen.data.dataset import Dataset, Splits, as_float, as_uint8
from condgen.data.mixture import Mixture
from condgen.data.overlap import Overlap
from condgen.data.sources import load
from condgen.data.splits import Splitting, split

__all__ = ["BUILTIN", "Dataset", "Mixture", "Overlap", "Splits", "Splitting", "as_float", "as_uint8", "load", "split"]
