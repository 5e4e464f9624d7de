"""Samples with what they were generated from, in memory and on disk."""

import csv
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from condgen.data.coordinates import Coordinates
from condgen.errors import RunError
from condgen.files import new_folder, write_text
from condgen.pictures import grid, pil_image, save_picture
from condgen.schema import Condition, Schema


@dataclass(frozen=True)
class Samples:
    """Samples with what they were generated from.

    x: [n, *shape], images in [0, 1], vectors as models see them. condition: what each shows; where an attribute is
    free, the model left it open. seeds: of each sample. request: the index of the request each answers. coordinates: of
    vectors; `values` has these in the data's own units.
    """

    x: Float[Tensor, "n ..."]
    condition: Condition
    seeds: Int[Tensor, " n"]
    request: Int[Tensor, " n"]
    coordinates: Coordinates | None = None

    @property
    def values(self) -> Float[Tensor, "n ..."]:
        """Images in [0, 1]; vectors in the data's own units."""
        return self.x if self.coordinates is None else self.coordinates.restore(self.x)

    def __len__(self) -> int:
        return len(self.x)

    @classmethod
    def cat(cls, parts: Sequence["Samples"]) -> "Samples":
        """Batches of samples, one after the other."""
        return cls(
            torch.cat([p.x for p in parts]),
            Condition.cat([p.condition for p in parts]),
            torch.cat([p.seeds for p in parts]),
            torch.cat([p.request for p in parts]),
            parts[0].coordinates,
        )


def save_samples(parts: Iterator[Samples], schema: Schema, labels: Sequence[str], folder: Path) -> Path:
    """Write samples into a new folder as a dataset: images (vectors: columns), metadata.csv, schema.json, grid.png.

    labels: the text of each request, for the grid.

    Returns the path of the grid for images, of metadata.csv for vectors. Raises RequestError when the folder holds
    something, RunError when it cannot be written.
    """
    new_folder(folder, "the samples")
    try:
        return _Writer(folder, schema, labels).write(parts)
    except OSError as error:
        raise RunError(f"The samples cannot be written to {folder}: {error.strerror or error}.") from None


AHEAD = 8  # half batches that may wait to be written


class _Writer:
    def __init__(self, folder: Path, schema: Schema, labels: Sequence[str], columns: int = 10):
        self.folder = folder
        self.schema = schema
        self.labels = labels
        self.columns = columns
        self.count = 0
        self.shown: dict[int, list[Tensor]] = {}

    def write(self, parts: Iterator[Samples]) -> Path:
        """Images are written by two threads while the next batch is generated."""
        write_text(self.folder / "schema.json", self.schema.dumps() + "\n")
        with (
            (self.folder / "metadata.csv").open("w", newline="", encoding="utf-8") as file,
            ThreadPoolExecutor(2) as pool,
        ):
            table = csv.writer(file)
            pending: list[Future[None]] = []
            for part in parts:
                pending += [pool.submit(self._write_images, part.x[k::2], self.count + k, 2) for k in range(2)]
                self._write_rows(table, part)
                self.count += len(part)
                while len(pending) > AHEAD:  # memory stays bounded, and a full disk is noticed at once
                    pending.pop(0).result()
            for future in pending:
                future.result()
        return self._grid() if self.shown else self.folder / "metadata.csv"

    def _write_images(self, x: Tensor, first: int, step: int) -> None:
        if x.dim() == 4:
            for k, image in enumerate(x):
                pil_image(image).save(self.folder / _name(first + step * k), compress_level=1)

    def _write_rows(self, table: Any, part: Samples) -> None:
        images = part.x.dim() == 4
        if not self.count:
            first = ["file_name"] if images else _names(part)
            table.writerow([*first, "seed", *self.schema.names])
        values = part.values
        for k, (row, seed) in enumerate(zip(part.condition.rows(), part.seeds.tolist(), strict=True)):
            what = [_name(self.count + k)] if images else [f"{v:.7g}" for v in values[k].tolist()]
            table.writerow([*what, seed, *("" if v is None else v for v in row.values())])
        if images:
            for x, request in zip(part.x, part.request.tolist(), strict=True):
                if len(self.shown.setdefault(request, [])) < self.columns:
                    self.shown[request].append(x)

    def _grid(self) -> Path:
        """One row of samples per request."""
        path = self.folder / "grid.png"
        first = next(iter(self.shown.values()))
        columns, blank = len(first), torch.ones_like(first[0])
        rows = [x + [blank] * (columns - len(x)) for _, x in sorted(self.shown.items())]
        save_picture(grid(torch.stack([*chain.from_iterable(rows)]), columns, self.labels), path)
        return path


def _names(part: Samples) -> tuple[str, ...]:
    """Of the coordinates of vectors."""
    return (part.coordinates or Coordinates.plainly(part.x.shape[1])).names


def _name(k: int) -> str:
    return f"{k:06d}.png"
