"""The rows of shards, in order: encoded images and labels. Nothing is decoded."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from condgen.data.readers import Shard, Table
from condgen.data.readers.parts import belonging
from condgen.data.sources import condition_of
from condgen.data.splits import matches
from condgen.data.storage.images import EncodedImage
from condgen.errors import DataError
from condgen.schema import Condition, Schema, same

Item = TypeVar("Item")
Place = tuple[int, int]  # the number of a shard, and of a row in it


@dataclass(frozen=True, slots=True)
class Row:
    """An encoded image and its labels: a row of `Condition.matrix` and presence."""

    place: Place
    image: EncodedImage
    codes: Float[Tensor, " column"]
    present: Bool[Tensor, " attribute"]


@dataclass(frozen=True)
class Choice:
    """The choice of rows that train.

    apart: rows for validation or testing.
    hold_out: requests. Matching rows are not trained on.
    labelled: whether rows without any label are left out.
    advice: a hint for a label that the schema lacks.
    selected: the attributes of the rows, once the model is known. All by default.
    """

    schema: Schema
    apart: frozenset[Place] = frozenset()
    hold_out: tuple[str, ...] = ()
    labelled: bool = False
    advice: str = ""
    selected: tuple[str, ...] | None = None

    def rows(self, number: int, shard: Shard) -> Iterator[Row]:
        """The training rows of a shard. Raises DataError that names the row whose label does not fit the schema."""
        first = 0
        for table in shard.tables():
            condition = labels(table, self.schema, shard.first + first, self.advice)
            kept = condition if self.selected is None else condition.select(self.selected)
            codes, present = kept.matrix(), kept.present
            chosen, own = self._chosen(condition, kept).tolist(), belonging(table, shard.part)
            for k, image in enumerate(images_of(table)):
                if own[k] and chosen[k] and (number, first + k) not in self.apart:
                    yield Row((number, first + k), image, codes[k], present[k])
            first += len(table.content)

    def _chosen(self, condition: Condition, kept: Condition) -> Bool[Tensor, " n"]:
        chosen = torch.ones(len(condition), dtype=torch.bool)
        for request in self.hold_out:
            chosen &= ~matches(condition, request)
        return chosen & kept.present.any(1) if self.labelled else chosen


def labels(table: Table, schema: Schema, first: int, advice: str = "") -> Condition:
    """The labels of a table's rows. A column that only other shards have is missing in all of them."""
    absent = {name: [None] * len(table.content) for name in schema.names if same(name, table.columns) is None}
    try:
        return condition_of(replace(table, columns=table.columns | absent), schema, first)
    except DataError as error:
        raise DataError(f"{error}{advice}") from None


def images_of(table: Table) -> Sequence[EncodedImage]:
    """A table's images. Raises DataError for vectors."""
    if table.images is None:
        raise DataError(
            f"{table.source} holds no images; only images are streamed. Leave out `stream`: vectors are small."
        )
    return table.images


def in_turn(sources: Iterable[Iterator[Item]]) -> Iterator[Item]:
    """One item of each source in turn, until all are exhausted."""
    alive = list(sources)
    while alive:
        for source in list(alive):
            try:
                yield next(source)
            except StopIteration:
                alive.remove(source)
