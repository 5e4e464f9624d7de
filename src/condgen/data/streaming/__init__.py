"""Training from shards as they are, with nothing prepared on disk: for data that is larger than it."""

from condgen.data.streaming.dataset import Streamed
from condgen.data.streaming.load import stream

__all__ = ["Streamed", "stream"]
