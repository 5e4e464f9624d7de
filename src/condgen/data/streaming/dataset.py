"""A dataset with a sample in memory. The rest is read from shards during training."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice

import numpy as np
import torch
from jaxtyping import Shaped
from torch import Tensor

from condgen.cache import cache_folder
from condgen.data.dataset import Dataset
from condgen.data.order import Balanced
from condgen.data.readers import Shard
from condgen.data.storage.images import Fit
from condgen.data.streaming.decoding import Decoded, decoded
from condgen.data.streaming.ledger import Counts, Quarantine
from condgen.data.streaming.order import Order
from condgen.data.streaming.rows import Choice, Row
from condgen.errors import RequestError
from condgen.schema import Condition


@dataclass(frozen=True)
class Stream:
    """Shards, the choice of rows that train, the images' target form, and the size of the shuffle buffer."""

    shards: tuple[Shard, ...]
    choice: Choice
    fit: Fit
    buffer: int
    quarantine: Quarantine

    @cached_property
    def order(self) -> Order:
        """The order of the rows."""
        counts = Counts(len(self.shards), cache_folder() / "streams" / f"{self._key}.json")
        return Order(len(self.shards), self._rows, counts, self.buffer)

    @property
    def identity(self) -> str:
        """The identity of the shards, equal for copies, and the treatment of their rows."""
        return "\n".join([f"{self.fit} {self.buffer}", *(shard.stamp for shard in self.shards)])

    def _rows(self, shard: int) -> Iterator[Row]:
        return self.choice.rows(shard, self.shards[shard])

    @property
    def _key(self) -> str:
        """A key that changes with everything that decides the number of rows."""
        chosen = self.choice
        facts = [chosen.schema.dumps(), sorted(chosen.apart), chosen.hold_out, chosen.labelled, chosen.selected]
        facts += [shard.changed for shard in self.shards]
        return hashlib.blake2b(f"{facts} {self.identity}".encode(), digest_size=16).hexdigest()


@dataclass(frozen=True, repr=False)
class Streamed(Dataset):
    """Behaves like an in-memory sample, while `batches` reads the whole stream."""

    stream: Stream

    def balanced(self, name: str) -> Balanced:
        """Raise RequestError, because the frequency of values in a stream is unknown."""
        raise RequestError(f"A stream cannot be balanced by '{name}'; prepare the data instead, without `stream`.")

    def select(self, attributes: Sequence[str]) -> "Streamed":
        """The same sample and stream labelled with these attributes only. Raises RequestError for unknown ones."""
        sample = super().select(attributes)
        choice = replace(self.stream.choice, selected=tuple(sample.schema.names))
        return Streamed(sample.observations, sample.condition, replace(self.stream, choice=choice))

    def only_labelled(self) -> "Streamed":
        """The labelled part of the sample, and the stream without unlabelled rows."""
        labelled = super().only_labelled()
        stream = replace(self.stream, choice=replace(self.stream.choice, labelled=True))
        return Streamed(labelled.observations, labelled.condition, stream)

    @property
    def epoch(self) -> int | float:
        """The number of training rows. Infinite until all shards have been read to the end."""
        total = self.stream.order.counts.total
        return float("inf") if total is None else total

    @cached_property
    def fingerprint(self) -> str:
        """A hash of the sample, of the shards' names and sizes, and of the treatment of their rows."""
        content = f"{Dataset(self.observations, self.condition).fingerprint} {self.stream.identity}"
        return hashlib.blake2b(content.encode(), digest_size=12).hexdigest()

    def batches(
        self, seed: int, start: int, size: int, balance: str | None = None, share: slice = slice(None)
    ) -> Iterator[tuple[Shaped[Tensor, "batch ..."], Condition]]:
        """Endless shuffled batches from image number `start` on. Only this process's share of each is decoded.

        A broken image is replaced by one of the sample. Raises DataError if too many are broken, or for a label that
        the schema lacks. Raises RequestError for a balance.
        """
        if balance:
            self.balanced(balance)
        mine = range(size)[share]
        rows = (row for k, row in enumerate(self.stream.order.rows_from(seed, start)) if k % size in mine)
        found = decoded(rows, self.stream.fit, self.stream.quarantine)
        while True:
            yield self._batch(list(islice(found, len(mine))), range(start, start + size)[share])
            start += size

    def _batch(self, found: list[Decoded], numbers: range) -> tuple[Shaped[Tensor, "batch ..."], Condition]:
        """Images and their conditions. numbers: of the images in the run, which determine what replaces broken ones."""
        codes, present = (torch.stack([getattr(row, n) for row, _ in found]) for n in ("codes", "present"))
        condition = Condition.of_matrix(self.schema, codes, present)
        nothing = np.zeros(self.shape, dtype=np.uint8)
        x = torch.from_numpy(np.stack([nothing if pixels is None else pixels for _, pixels in found]))
        broken = [k for k, (_, pixels) in enumerate(found) if pixels is None]
        if not broken:
            return x, condition
        instead = torch.tensor([numbers[k] % len(self) for k in broken])
        x[broken] = self.take(instead)
        sound = torch.arange(len(found))
        sound[broken] = len(found) + torch.arange(len(broken))
        return x, Condition.cat([condition, self.condition[instead]])[sound]
