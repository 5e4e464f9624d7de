"""A dataset of which a sample is in memory and the rest is read from its shards as training goes on."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice

import numpy as np
import torch
from jaxtyping import Shaped
from torch import Tensor

from condgen.data.dataset import Dataset
from condgen.data.order import Balanced
from condgen.data.readers import Shard
from condgen.data.storage.cache import cache_folder
from condgen.data.storage.images import Fit
from condgen.data.streaming.decoding import Decoded, decoded
from condgen.data.streaming.ledger import Counts, Quarantine
from condgen.data.streaming.order import Order
from condgen.data.streaming.rows import Choice, Row
from condgen.errors import RequestError
from condgen.schema import Condition


@dataclass(frozen=True)
class Stream:
    """Shards, which of their rows train, what their images become, and the rows within which they are shuffled."""

    shards: tuple[Shard, ...]
    choice: Choice
    fit: Fit
    buffer: int
    quarantine: Quarantine

    @cached_property
    def order(self) -> Order:
        """In which order the rows come."""
        counts = Counts(len(self.shards), cache_folder() / "streams" / f"{self._key}.json")
        return Order(len(self.shards), self._rows, counts, self.buffer)

    @property
    def identity(self) -> str:
        """What the shards are, up to copying, and what is made of their rows."""
        return "\n".join([f"{self.fit} {self.buffer}", *(shard.stamp for shard in self.shards)])

    def _rows(self, shard: int) -> Iterator[Row]:
        return self.choice.rows(shard, self.shards[shard])

    @property
    def _key(self) -> str:
        """Of what decides on the number of rows."""
        chosen = self.choice
        facts = [chosen.schema.dumps(), sorted(chosen.apart), chosen.hold_out, chosen.labelled, chosen.selected]
        facts += [shard.changed for shard in self.shards]
        return hashlib.blake2b(f"{facts} {self.identity}".encode(), digest_size=16).hexdigest()


@dataclass(frozen=True)
class Streamed(Dataset):
    """A sample in memory, which is what this dataset is to whoever looks at it, and batches from the whole stream."""

    stream: Stream

    def balanced(self, name: str) -> Balanced:
        """Raises RequestError: who has not seen all data does not know what is rare."""
        raise RequestError(f"A stream cannot be balanced by '{name}'; prepare the data instead, without `stream`.")

    def select(self, attributes: Sequence[str]) -> "Streamed":
        """The same sample and stream labelled with only these attributes. Raises RequestError for unknown ones."""
        sample = super().select(attributes)
        choice = replace(self.stream.choice, selected=tuple(sample.schema.names))
        return Streamed(sample.observations, sample.condition, replace(self.stream, choice=choice))

    def only_labelled(self) -> "Streamed":
        """The sample's labelled part, and the stream without the rows that have no label."""
        labelled = super().only_labelled()
        stream = replace(self.stream, choice=replace(self.stream.choice, labelled=True))
        return Streamed(labelled.observations, labelled.condition, stream)

    @property
    def epoch(self) -> int | float:
        """How many rows train; infinite until all shards were read to their ends."""
        total = self.stream.order.counts.total
        return float("inf") if total is None else total

    @cached_property
    def fingerprint(self) -> str:
        """A hash of the sample, the shards' names and sizes, and what is made of their rows."""
        content = f"{Dataset(self.observations, self.condition).fingerprint} {self.stream.identity}"
        return hashlib.blake2b(content.encode(), digest_size=12).hexdigest()

    def batches(
        self, seed: int, start: int, size: int, balance: str | None = None, share: slice = slice(None)
    ) -> Iterator[tuple[Shaped[Tensor, "batch ..."], Condition]]:
        """Endless shuffled batches from image number `start` on; only this share of each is decoded.

        In the place of an image that is broken comes one of the sample. Raises DataError when too many are, and for a
        label that the schema does not know; RequestError for a balance.
        """
        if balance:
            self.balanced(balance)
        mine = range(size)[share]
        rows = (row for k, row in enumerate(self.stream.order.rows_from(seed, start)) if k % size in mine)
        found = decoded(rows, self.stream.fit, self.stream.quarantine)
        while True:
            yield self._batch(list(islice(found, len(mine))), start)
            start += size

    def _batch(self, found: list[Decoded], start: int) -> tuple[Shaped[Tensor, "batch ..."], Condition]:
        """Images and their conditions. start: the number of the first, which decides on what replaces broken ones."""
        codes, present = (torch.stack([getattr(row, n) for row, _ in found]) for n in ("codes", "present"))
        condition = Condition.of_matrix(self.schema, codes, present)
        nothing = np.zeros(self.shape, dtype=np.uint8)
        x = torch.from_numpy(np.stack([nothing if pixels is None else pixels for _, pixels in found]))
        broken = [k for k, (_, pixels) in enumerate(found) if pixels is None]
        if not broken:
            return x, condition
        instead = torch.tensor([(start + k) % len(self) for k in broken])
        x[broken] = self.take(instead)
        sound = torch.arange(len(found))
        sound[broken] = len(found) + torch.arange(len(broken))
        return x, Condition.cat([condition, self.condition[instead]])[sound]
