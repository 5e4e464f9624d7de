"""Samples with their conditions and seeds, in memory and on disk."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from condgen.arrays import Array, Float, Int, namespace, to_numpy
from condgen.data.coordinates import Coordinates
from condgen.errors import RequestError
from condgen.imprint import Origin
from condgen.notebook import picture
from condgen.outputs import new_folder
from condgen.pictures import grid, pil_image, rows_of
from condgen.runs.writer import SamplesWriter, seed_column
from condgen.schema import Condition, Schema
from condgen.stores.copies import place

if TYPE_CHECKING:
    import pandas

SHOWN = 4  # number of different requests in a text
SHOWN_ROWS = 10  # rows of a table in a notebook


@dataclass(frozen=True, repr=False)
class Samples:
    """Samples with their conditions and seeds. They display themselves in a notebook.

    Those of a run are tensors, those of an exported model arrays of NumPy.

    x: [n, *shape], images in [0, 1] or vectors in the form for models.
    condition: of each sample. Free attributes were left to the model.
    seeds: of each sample.
    request: the index of the request that each sample answers.
    coordinates: of vectors. `values` gives them in the data's own units.
    """

    x: Float[Array, "n ..."]
    condition: Condition
    seeds: Int[Array, " n"]
    request: Int[Array, " n"]
    coordinates: Coordinates | None = None

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, index: int | slice | Array) -> "Samples":
        """The samples at an index: one, a slice, or those of an index tensor or mask. Raises IndexError."""
        if isinstance(index, int):
            if not -len(self) <= index < len(self):
                raise IndexError(f"there are {len(self)} samples, so none at {index}")
            index = slice(index, index + 1 or None)
        return replace(
            self,
            x=self.x[index],
            condition=self.condition[index],
            seeds=self.seeds[index],
            request=self.request[index],
        )

    def __iter__(self) -> Iterator["Samples"]:
        """One sample after the other, each as `Samples` of length one."""
        return (self[k] for k in range(len(self)))

    def __repr__(self) -> str:
        kind = ("image" if self.images else "vector") + "s" * (len(self) != 1)
        shown = list(dict.fromkeys(self.condition.describe()))
        more = f" and {len(shown) - SHOWN} more" if len(shown) > SHOWN else ""
        return f"{len(self):,} {kind} of shape {tuple(self.x.shape[1:])}\n  {'; '.join(shown[:SHOWN])}{more}"

    def _repr_html_(self) -> str | None:
        """The grid, or the first rows of the table, for a notebook. None, and so the text, without samples."""
        if not len(self):
            return None
        if not self.images:
            return str(self.to_pandas().head(SHOWN_ROWS)._repr_html_())
        return str(picture(self.grid(), repr(self)))

    @property
    def images(self) -> bool:
        """Whether these are images."""
        return self.x.ndim == 4

    @property
    def values(self) -> Float[Array, "n ..."]:
        """Images in [0, 1], or vectors in the data's own units."""
        return self.x if self.coordinates is None else self.coordinates.restore(self.x)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of a vector's coordinates."""
        return (self.coordinates or Coordinates.plainly(self.x.shape[1])).names

    def numpy(self) -> np.ndarray:
        """`values` as an array: images [n, height, width, channel] in [0, 1], vectors [n, dimension]."""
        array: np.ndarray = to_numpy(self.values)
        return array.transpose(0, 2, 3, 1) if self.images else array

    def to_pil(self) -> list[Image.Image]:
        """Images as PIL images. Raises RequestError for vectors."""
        self._must_be_images("to_pandas()")
        return [pil_image(x) for x in self.x]

    def to_pandas(self) -> "pandas.DataFrame":
        """One row per sample: its attributes and seed, and a vector's coordinates.

        Raises RequestError without pandas.
        """
        try:
            import pandas
        except ImportError:
            raise RequestError("A data frame needs pandas: pip install 'condgen[pandas]'.") from None
        columns = {} if self.images else dict(zip(self.names, to_numpy(self.values).T, strict=True))
        labels = pandas.DataFrame(self.condition.rows(), columns=self.condition.schema.names)
        seed = seed_column([*columns, *labels])
        return pandas.concat([pandas.DataFrame(columns | {seed: to_numpy(self.seeds)}), labels], axis=1)

    def grid(self, columns: int = 10, labels: bool = True) -> Image.Image:
        """One picture of all images, with one row per request if `labels` is set.

        Raises RequestError for vectors, and without images.
        """
        self._must_be_images("to_pandas()")
        if not len(self):
            raise RequestError("There are no samples here, so there is no picture of them.")
        if not labels or len(self._requests) < 2:
            return grid(self.x, min(columns, len(self)))
        rows = [self[self.request == k] for k in self._requests]
        return rows_of([row.x[:columns] for row in rows], [shared(row.condition) for row in rows])

    def save(self, folder: str | Path) -> Path:
        """Write the samples into a new folder as a dataset that `load` reads (see `save_samples`)."""
        rows, folder = [self[self.request == k].condition for k in self._requests], place(folder)
        save_samples(iter([self._renumbered()]), self.condition.schema, [shared(row) for row in rows], folder)
        return folder

    def _renumbered(self) -> "Samples":
        """The same samples, with their requests counted from 0, as a selection's may not be."""
        _, positions = namespace(self.request).unique_inverse(self.request)
        return replace(self, request=positions)

    @property
    def _requests(self) -> list[int]:
        """The indices of the requests that are answered."""
        return sorted(set(self.request.tolist()))

    def _must_be_images(self, instead: str) -> None:
        if not self.images:
            raise RequestError(f"These samples are vectors, not images; `{instead}` shows them.")

    @classmethod
    def cat(cls, parts: Sequence["Samples"]) -> "Samples":
        """Several batches of samples, concatenated."""
        concat = namespace(parts[0].x).concat
        return cls(
            concat([p.x for p in parts]),
            Condition.cat([p.condition for p in parts]),
            concat([p.seeds for p in parts]),
            concat([p.request for p in parts]),
            parts[0].coordinates,
        )


def shared(condition: Condition) -> str:
    """The attributes that all conditions have in common, as a request."""
    rows = condition.rows()
    common = {n: v for n, v in rows[0].items() if v is not None and all(row[n] == v for row in rows)}
    return ", ".join(f"{n}={v}" for n, v in common.items()) or "anything"


def save_samples(
    parts: Iterator[Samples],
    schema: Schema,
    labels: Sequence[str],
    folder: Path,
    finish: Callable[[Path], object] = lambda written: None,
    origin: Origin | None = None,
) -> Path:
    """Write samples into a new folder as a dataset: images (or columns of vectors), metadata.csv, schema.json,
    grid.png.

    labels: the text of each request, for the grid.
    finish: called with the folder of the written files, before it gets its name.
    origin: of the samples, which their images carry. Of edits, metadata.csv names the originals in place of seeds.

    Returns the path of the grid for images, and of metadata.csv for vectors. Raises RequestError if the folder is not
    empty, and RunError if it cannot be written.
    """
    with new_folder(folder, "the samples") as partial:
        shown = SamplesWriter(partial, schema, labels, origin).write(parts)
        finish(partial)
    return folder / shown.name
