"""Datasets: observations, in memory or in a file, with their conditions, and the splits of a dataset."""

import hashlib
from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from functools import cached_property

import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor

from condgen.data.coordinates import Coordinates
from condgen.data.order import Balanced, shuffled
from condgen.data.shown import shown
from condgen.data.source import DataSource
from condgen.data.storage.mapped import Mapped, in_turn, taken
from condgen.errors import DataError
from condgen.pixels import as_float
from condgen.schema import Condition, Schema


@dataclass(frozen=True, repr=False)
class Dataset:
    """Observations and their conditions.

    observations: images, uint8 [n, channel, height, width], or vectors, float32 [n, dimension]. Images may also be a
        view of a file (`Mapped`). Parts of it are views too, and only rows that are used come into memory.
    """

    observations: Shaped[Tensor, "n ..."] | Mapped
    condition: Condition

    def __post_init__(self) -> None:
        if len(self.observations) != len(self.condition):
            raise DataError(f"There are {len(self.observations)} observations but {len(self.condition)} conditions.")
        if isinstance(self.observations, Mapped):
            return
        x = self.observations
        images = x.dim() == 4 and x.dtype == torch.uint8
        if not images and not (x.dim() == 2 and x.is_floating_point()):
            raise DataError(
                "Observations must be uint8 images [n, channel, height, width] or float vectors [n, dimension], not "
                f"{x.dtype} {list(x.shape)}."
            )

    def __len__(self) -> int:
        return len(self.observations)

    def __repr__(self) -> str:
        labels = f"attributes, as you may ask for them: {self.schema.example}"
        return f"{len(self):,} {self.kind} of shape {self.shape}\n  {labels}"

    def _repr_html_(self) -> str:
        """The attributes and the first observations, for a notebook."""
        return shown(f"{len(self):,} {self.kind} of shape {self.shape}", self.condition, self.take)

    @property
    def kind(self) -> str:
        """The word for its observations."""
        return "images" if len(self.shape) == 3 else "vectors"

    def __getitem__(self, index: slice | Int[Tensor, " m"]) -> "Dataset":
        """The part at a slice or index tensor."""
        return Dataset(self.observations[index], self.condition[index])

    @cached_property
    def x(self) -> Shaped[Tensor, "n ..."]:
        """All observations, kept in memory from then on. Like `floats`, for small data only."""
        return self.observations.take() if isinstance(self.observations, Mapped) else self.observations

    def take(self, index: Int[Tensor, " m"]) -> Shaped[Tensor, "m ..."]:
        """The observations at an index, in memory."""
        return taken(self.observations, index)

    def in_turn(self, batch: int) -> Iterator[tuple[Float[Tensor, "_ ..."], Condition]]:
        """All observations in the form for models, with their conditions, in order and in batches."""
        for k, x in enumerate(in_turn(self.observations, batch)):
            yield as_float(x), self.condition[k * batch : (k + 1) * batch]

    @property
    def schema(self) -> Schema:
        """The schema of the labels."""
        return self.condition.schema

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one observation: (channel, height, width) or (dimension,)."""
        return tuple(self.observations.shape[1:])

    @property
    def labelled(self) -> Bool[Tensor, " n"]:
        """A mask of the observations with at least one known attribute."""
        return self.condition.present.any(1)

    @cached_property
    def floats(self) -> Float[Tensor, "n ..."]:
        """All observations in the form for models."""
        return as_float(self.x)

    @cached_property
    def fingerprint(self) -> str:
        """A hash of all observations and labels, which is equal for equal data under any name."""
        digest = hashlib.blake2b(self._content(), digest_size=12)
        digest.update(str(self.shape).encode())
        digest.update(self.schema.dumps().encode())
        for name in self.schema.names:
            digest.update(self.condition.values[name].contiguous().numpy().tobytes())
        digest.update(self.condition.present.contiguous().numpy().tobytes())
        return digest.hexdigest()

    def _content(self) -> bytes:
        """The bytes of all observations. For a file, the hash with which it was prepared and the rows."""
        if isinstance(self.observations, Mapped):
            return self.observations.content.encode() + self.observations.rows.numpy().tobytes()
        return self.observations.contiguous().numpy().tobytes()

    def balanced(self, name: str) -> Balanced:
        """An order in which an attribute's values are equally frequent. Raises RequestError if there is none."""
        return Balanced(self.condition, name)

    def select(self, attributes: Sequence[str]) -> "Dataset":
        """The same observations labelled with these attributes only. Raises RequestError for unknown ones."""
        return Dataset(self.observations, self.condition.select(attributes))

    def only_labelled(self) -> "Dataset":
        """The observations that have at least one label."""
        return self if self.labelled.all() else self[self.labelled.nonzero()[:, 0]]

    @property
    def epoch(self) -> int | float:
        """The number of observations in one pass over the data. Infinite as long as it is unknown."""
        return len(self)

    def batches(
        self, seed: int, start: int, size: int, balance: str | None = None, share: slice = slice(None)
    ) -> Iterator[tuple[Shaped[Tensor, "batch ..."], Condition]]:
        """Endless shuffled batches from image number `start` on. They do not depend on interruptions of training.

        Epoch e is a permutation drawn from (seed, e). Batches may span two epochs.
        balance: an attribute whose values should be equally frequent.
        share: the part of every batch for this process.
        """
        balanced = self.balanced(balance) if balance else None
        while True:
            index = balanced(seed, start, size) if balanced else shuffled(len(self), seed, start, size)
            index = index[share]
            yield self.take(index), self.condition[index]
            start += size


@dataclass(frozen=True, repr=False)
class Splits:
    """The training, validation and test part of a dataset.

    Training, and every choice made for it, uses the first two. Test data is for testing.
    notes: guesses and changes made while loading the data.
    held: combinations held out on request.
    source: the way to load the data again. Only `load` and `stream` set it, so parts put together by hand count as
        built in memory.
    """

    train: Dataset
    validation: Dataset
    test: Dataset
    notes: tuple[str, ...] = ()
    held: Dataset | None = None
    coordinates: Coordinates | None = None  # for vectors, which are standardised by them
    source: DataSource = field(default=DataSource(), init=False)

    def __repr__(self) -> str:
        notes = "".join(f"\n  Note: {note}" for note in self.notes)
        return f"{self._summary}\n  attributes, as you may ask for them: {self.schema.example}{notes}"

    def _repr_html_(self) -> str:
        """The attributes of the training part and its first observations, in the data's own units, for a notebook."""
        train, coordinates = self.train, self.coordinates

        def taken(index: Int[Tensor, " m"]) -> Shaped[Tensor, "m ..."]:
            return train.take(index) if coordinates is None else coordinates.restore(train.take(index))

        return shown(self._summary, train.condition, taken, coordinates.names if coordinates else None, self.notes)

    @property
    def _summary(self) -> str:
        parts = {"training": self.train, "validation": self.validation, "test": self.test, "held-out": self.held}
        counts = ", ".join(f"{len(part):,} {name}" for name, part in parts.items() if part is not None)
        return f"Data {self.source.address or 'built in memory'}: {counts} {self.train.kind} of shape {self.shape}"

    @property
    def schema(self) -> Schema:
        """The schema of the labels."""
        return self.train.schema

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one observation: (channel, height, width) or (dimension,)."""
        return self.train.shape

    def loaded_from(self, source: DataSource) -> "Splits":
        """The same parts with another source, which must give these parts when it is loaded."""
        same = copy(self)
        object.__setattr__(same, "source", source)
        return same

    def measured_in(self, coordinates: Coordinates) -> "Splits":
        """The same vectors for a model trained with these coordinates. Raises DataError for other coordinates."""
        own = self.coordinates or Coordinates.plainly(self.shape[0])
        if own.names != coordinates.names:
            raise DataError(
                f"These vectors have the coordinates {', '.join(own.names)}; {', '.join(coordinates.names)} are needed."
            )

        def measured(part: Dataset) -> Dataset:
            return Dataset(coordinates.standardise(own.restore(part.x)), part.condition)

        same = replace(
            self,
            train=measured(self.train),
            validation=measured(self.validation),
            test=measured(self.test),
            held=measured(self.held) if self.held else None,
            coordinates=coordinates,
        )
        return self if own == coordinates else same.loaded_from(self.source)

    def select(self, attributes: Sequence[str]) -> "Splits":
        """The same observations labelled with these attributes only. Raises RequestError for unknown ones."""
        chosen = replace(
            self,
            train=self.train.select(attributes),
            validation=self.validation.select(attributes),
            test=self.test.select(attributes),
            held=self.held.select(attributes) if self.held else None,
        )
        return chosen.loaded_from(replace(self.source, selected=tuple(chosen.schema.names)))
