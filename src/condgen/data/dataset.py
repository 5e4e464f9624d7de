"""Datasets in memory: observations, the condition of each, and fixed splits."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor

from condgen.errors import DataError
from condgen.schema import Condition, Schema

TEST, VALIDATION, MOST_HELD_OUT = 0.15, 0.05, 5_000


@dataclass(frozen=True)
class Dataset:
    """Observations and their conditions.

    x: images, uint8 [n, channel, height, width], or vectors, float32 [n, dimension].
    """

    x: Shaped[Tensor, "n ..."]
    condition: Condition

    def __post_init__(self) -> None:
        if len(self.x) != len(self.condition):
            raise DataError(f"There are {len(self.x)} observations but {len(self.condition)} conditions.")
        images = self.x.dim() == 4 and self.x.dtype == torch.uint8
        if not images and not (self.x.dim() == 2 and self.x.is_floating_point()):
            raise DataError(
                "Observations must be uint8 images [n, channel, height, width] or float vectors [n, dimension], not "
                f"{self.x.dtype} {list(self.x.shape)}."
            )

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, index: slice | Int[Tensor, " m"]) -> "Dataset":
        """The part at a slice or index tensor."""
        return Dataset(self.x[index], self.condition[index])

    @property
    def schema(self) -> Schema:
        """What the observations are labelled with."""
        return self.condition.schema

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one observation: (channel, height, width) or (dimension,)."""
        return tuple(self.x.shape[1:])

    @property
    def labelled(self) -> Bool[Tensor, " n"]:
        """Where at least one attribute is known."""
        return self.condition.present.any(1)

    @cached_property
    def floats(self) -> Float[Tensor, "n ..."]:
        """All observations as a model sees them."""
        return as_float(self.x)

    @cached_property
    def fingerprint(self) -> str:
        """A hash of all observations and labels: equal for equal data, whatever it is called."""
        digest = hashlib.blake2b(self.x.contiguous().numpy().tobytes(), digest_size=12)
        digest.update(str(self.shape).encode())
        digest.update(self.schema.dumps().encode())
        for name in self.schema.names:
            digest.update(self.condition.values[name].contiguous().numpy().tobytes())
        digest.update(self.condition.present.contiguous().numpy().tobytes())
        return digest.hexdigest()

    def batches(self, seed: int, start: int, size: int) -> Iterator[tuple[Shaped[Tensor, "batch ..."], Condition]]:
        """Endless shuffled batches from image number `start` on: the same ones wherever training was interrupted.

        Epoch e is a permutation drawn from (seed, e); batches may span two epochs.
        """
        while True:
            index = self._order(seed, start, size)
            yield self.x[index], self.condition[index]
            start += size

    def _order(self, seed: int, start: int, size: int) -> Int[Tensor, " batch"]:
        """Indices of the images number start … start + size − 1 in the order of training."""
        parts = []
        while size > 0:
            epoch, offset = divmod(start, len(self))
            part = _permutation(len(self), seed, epoch)[offset : offset + size]
            parts.append(part)
            start, size = start + len(part), size - len(part)
        return torch.cat(parts)


@lru_cache(maxsize=1)
def _permutation(n: int, seed: int, epoch: int) -> Int[Tensor, " n"]:
    """The order of an epoch; the last one is kept, since consecutive batches ask for the same."""
    return torch.randperm(n, generator=torch.Generator().manual_seed(seed * 1_000_003 + epoch))


def as_float(x: Shaped[Tensor, "batch ..."]) -> Float[Tensor, "batch ..."]:
    """What models see: uint8 images as numbers in [0, 1], vectors unchanged."""
    return x.float() / 255 if x.dtype == torch.uint8 else x.float()


def as_uint8(x: Float[Tensor, "batch ..."]) -> Shaped[Tensor, "batch ..."]:
    """Images in [0, 1] as uint8, rounded to the nearest level."""
    return (x * 255).round().clamp(0, 255).to(torch.uint8)


@dataclass(frozen=True)
class Splits:
    """A dataset's training, validation and test part.

    Training and every choice made on the way use the first two; test data is for testing. `notes` say what was guessed
    or changed when the data was loaded, `source` what it was loaded from.
    """

    train: Dataset
    validation: Dataset
    test: Dataset
    source: str = ""
    notes: tuple[str, ...] = ()

    @property
    def schema(self) -> Schema:
        """What the observations are labelled with."""
        return self.train.schema

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one observation: (channel, height, width) or (dimension,)."""
        return self.train.shape

    def select(self, attributes: Sequence[str]) -> "Splits":
        """The same observations labelled with only these attributes. Raises RequestError for unknown ones."""

        def chosen(part: Dataset) -> Dataset:
            return Dataset(part.x, part.condition.select(attributes))

        return replace(self, train=chosen(self.train), validation=chosen(self.validation), test=chosen(self.test))


def split(data: Dataset, test: Dataset | None = None, source: str = "", notes: Sequence[str] = ()) -> Splits:
    """Fixed random splits: 15 % test unless a test set is given, 5 % validation, at most 5,000 each; the rest trains.

    The same data is always split alike. Probabilities as labels are for training; the other parts take the likelier.
    """
    order = torch.randperm(len(data), generator=torch.Generator().manual_seed(0))
    held = 0 if test is not None else min(int(TEST * len(data)), MOST_HELD_OUT)
    checked = min(int(VALIDATION * len(data)), MOST_HELD_OUT)
    if test is None:
        test = data[order[:held]]
    train, validation = data[order[held + checked :]], data[order[held : held + checked]]
    return Splits(train, _hard(validation), _hard(test), source, tuple(notes))


def _hard(data: Dataset) -> Dataset:
    hard = data.condition.hard()
    same = all(codes.equal(data.condition.values[name]) for name, codes in hard.values.items())
    return data if same else Dataset(data.x, hard)
