"""Streaming: training directly from shards without preparing anything, for data larger than the disk."""

from condgen.data.streaming.dataset import Streamed
from condgen.data.streaming.load import stream

__all__ = ["Streamed", "stream"]
