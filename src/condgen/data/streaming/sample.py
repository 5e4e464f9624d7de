"""The sample of a stream: the first rows of shards spread over the whole source, in turn."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice
from typing import Any

import numpy as np
import torch

from condgen.data.dataset import Dataset
from condgen.data.readers import Shard, Table
from condgen.data.readers.files import columns_of_rows
from condgen.data.readers.parts import belonging
from condgen.data.storage.images import EncodedImage, Fit
from condgen.data.streaming.decoding import decoded
from condgen.data.streaming.ledger import Quarantine
from condgen.data.streaming.rows import Choice, Place, Row, images_of, in_turn, labels
from condgen.errors import DataError
from condgen.progress import Progress
from condgen.schema import Condition, Schema

LOOKED_INTO = 64  # number of shards read side by side
MOST = 256 * 2**20  # bytes of pixels


@dataclass(frozen=True)
class Sample:
    """Images in memory, their labels, and their places in the shards."""

    data: Dataset
    places: list[Place]


@dataclass(frozen=True)
class Taken:
    """Encoded rows of a source's shards.

    shards: by number.
    table: images and columns of all rows, in the order of `places`.
    """

    shards: Mapping[int, Shard]
    places: list[Place]
    table: Table

    @classmethod
    def of(cls, shards: Sequence[Shard], n: int, first: int = 0) -> "Taken":
        """At most n rows, the same number from each shard. first: the number of the first shard.

        Raises DataError if there are none.
        """
        by_number = dict(enumerate(shards, first))
        order = np.random.default_rng(0).permutation(list(by_number)).tolist()
        groups = (order[k : k + LOOKED_INTO] for k in range(0, len(order), LOOKED_INTO))
        found = chain.from_iterable(in_turn(_cells(k, by_number[k]) for k in group) for group in groups)
        rows = list(islice(found, n))
        if not rows:
            raise DataError(f"{shards[0].name} and what belongs to it hold no images.")
        table = rows[0][3]
        columns = columns_of_rows([cells for _, _, cells, _ in rows])
        table = replace(table, content=[image for _, image, _, _ in rows], columns=columns)
        return cls(by_number, [place for place, _, _, _ in rows], table)

    def decoded(self, choice: Choice, fit: Fit, quarantine: Quarantine, progress: Progress) -> Sample:
        """The readable images, at most 256 MB of them. Raises DataError if too many are broken."""
        images = images_of(self.table)[: max(1, MOST // fit.bytes)]
        condition = self._condition(choice.schema, choice.advice)
        rows = map(Row, self.places, images, condition.matrix(), condition.present)
        x = np.zeros((len(images), *fit.shape), dtype=np.uint8)
        kept: list[int] = []
        with progress.task("reading", len(images), unit="images") as task:
            for k, (_, pixels) in enumerate(decoded(rows, fit, quarantine)):
                if pixels is not None:
                    x[len(kept)] = pixels
                    kept.append(k)
                task.move(k + 1)
        quarantine.check()
        data = Dataset(torch.from_numpy(x[: len(kept)]), condition[torch.tensor(kept)])
        return Sample(data, [self.places[k] for k in kept])

    def _condition(self, schema: Schema, advice: str) -> Condition:
        """The labels, shard by shard, so that errors name the row in the shard."""
        free = Condition.free(schema, len(self.places))
        codes, present = free.matrix(), free.present
        members: dict[int, list[int]] = defaultdict(list)
        for k, (shard, _) in enumerate(self.places):
            members[shard].append(k)
        for shard, here in members.items():
            columns = {name: [cells[k] for k in here] for name, cells in self.table.columns.items()}
            images: list[EncodedImage] = [images_of(self.table)[k] for k in here]
            found = labels(Table(self.shards[shard].name, images, columns), schema, self.shards[shard].first, advice)
            codes[here], present[here] = found.matrix(), found.present
        return Condition.of_matrix(schema, codes, present)


def _cells(number: int, shard: Shard) -> Iterator[tuple[Place, EncodedImage, dict[str, Any], Table]]:
    """A shard's rows one by one: place, image, cells, and the table they come from."""
    first = 0
    for table in shard.tables():
        own = belonging(table, shard.part)
        for k, image in enumerate(images_of(table)):
            if not own[k]:
                continue
            yield (number, first + k), image, {name: cells[k] for name, cells in table.columns.items()}, table
        first += len(table.content)
