"""Samples written as a dataset, batch by batch, so that a killed process loses no finished batch."""

import csv
import io
import math
from collections import deque
from collections.abc import Collection, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import xxhash
from PIL import Image
from pydantic import TypeAdapter

from condgen.arrays import Array, Float
from condgen.files import log_line, read_log, write_new, write_text
from condgen.imprint import Origin, Pixels, imprinted
from condgen.pictures import pixels_of, rows_of, save_picture
from condgen.schema import Schema

Part = Any  # a `condgen.Samples`, which knows how to save itself and so imports this file

TABLE = "metadata.csv"
BATCHES = ".batches.jsonl"  # finished batches; gone when all are
AHEAD = 4  # number of batches that may wait to be written
COLUMNS = 10  # of the grid
FORMULAS = ("=", "+", "-", "@", "\t", "\r")  # with these, spreadsheets let a formula begin
THREADS = 2


@dataclass(frozen=True)
class Batch:
    """A batch that is written.

    count: of its samples.
    rows: where its rows of the table begin and end, in bytes.
    table, images: digests.
    shown: for the grid, numbers of samples by request.
    """

    count: int
    rows: tuple[int, int]
    table: str
    images: list[str]
    shown: dict[str, list[int]] = field(default_factory=dict)


class SamplesWriter:
    """Writes samples into a folder, after those that an earlier process finished there.

    labels: the text of each request, for the grid.
    origin: of the samples, which their images carry.
    done: number of samples that need not be made again, which are whole batches.
    """

    def __init__(self, folder: Path, schema: Schema, labels: Sequence[str], origin: Origin | None = None):
        self.folder = folder
        self.schema = schema
        self.labels = labels
        self.origin = origin or Origin(labels)
        self.images = False
        self.done = 0
        self.shown: dict[str, list[int]] = {}
        self._take_up()

    def _take_up(self) -> None:
        """Keep the batches of an earlier process up to the first that is not whole."""
        kept: list[Batch] = []
        for entry in read_log(self.folder / BATCHES):
            batch = TypeAdapter(Batch).validate_python(entry)
            if not self._whole(batch):
                break
            kept.append(batch)
            self._count(batch)
        write_text(self.folder / BATCHES, "".join(log_line(asdict(batch)) for batch in kept))
        with (self.folder / TABLE).open("ab") as table:
            table.truncate(kept[-1].rows[1] if kept else 0)

    def _whole(self, batch: Batch) -> bool:
        try:
            with (self.folder / TABLE).open("rb") as table:
                table.seek(batch.rows[0])
                rows = table.read(batch.rows[1] - batch.rows[0])
            return xxhash.xxh3_64_hexdigest(rows) == batch.table and batch.images == [
                self._digest(range(self.done + k, self.done + batch.count, THREADS)) for k in range(len(batch.images))
            ]
        except OSError:
            return False

    def _digest(self, numbers: Iterable[int]) -> str:
        digest = xxhash.xxh3_64()
        for k in numbers:
            digest.update((self.folder / name(k)).read_bytes())
        return digest.hexdigest()

    def _count(self, batch: Batch) -> None:
        self.done += batch.count
        for request, numbers in batch.shown.items():
            self.shown.setdefault(request, []).extend(numbers)
        self.images = bool(batch.images)

    def write(self, parts: Iterable[Part]) -> Path:
        """Write the samples that follow those that are done; the path of the grid, or of the table of vectors.

        Threads write images while the next batch is generated.
        """
        write_text(self.folder / "schema.json", self.schema.dumps() + "\n")
        with (
            (self.folder / TABLE).open("ab") as table,
            (self.folder / BATCHES).open("a", encoding="utf-8") as log,
            ThreadPoolExecutor(THREADS) as pool,
        ):
            pending: deque[tuple[Batch, list[Future[str]]]] = deque()

            def finish() -> None:
                batch, images = pending.popleft()
                whole = asdict(batch) | {"images": [image.result() for image in images]}
                log.write(log_line(whole))
                log.flush()

            for part in parts:
                pending.append((self._write_rows(table, part), self._write_images(pool, part)))
                self._count(pending[-1][0])
                self.images = part.images
                while len(pending) > AHEAD:  # memory stays bounded, and a full disk is noticed at once
                    finish()
            while pending:
                finish()
        (self.folder / BATCHES).unlink()
        return self._grid() if self.images else self.folder / TABLE

    def _write_images(self, pool: ThreadPoolExecutor, part: Part) -> list[Future[str]]:
        """Start to write a part's images; digests of every second one, and of the others."""
        if not part.images:
            return []
        pixels, imprints = pixels_of(part.x), [*self.origin.imprints(part, self.done)]
        each = ((pixels[k::THREADS], imprints[k::THREADS], self.done + k) for k in range(THREADS))
        return [pool.submit(self._write_each, *mine) for mine in each]

    def _write_each(self, images: Pixels, imprints: Sequence[Mapping[str, Any]], first: int) -> str:
        digest = xxhash.xxh3_64()
        for k, (pixels, imprint) in enumerate(zip(images, imprints, strict=True)):
            content = imprinted(pixels, imprint)
            write_new(f"{self.folder}/{name(first + THREADS * k)}", content)
            digest.update(content)
        return digest.hexdigest()

    @property
    def _source(self) -> str:
        """The column that names the seed of a sample, or the original of an edit."""
        if not self.origin.originals:
            return seed_column(self.schema.names)
        return beside(self.schema.names, "original", "original_file")

    @property
    def _pictures(self) -> str:
        """The column that names the file of an image, one of those that readers know."""
        return beside(self.schema.names, "file_name", "image", "path", "filename")

    def _write_rows(self, table: Any, part: Part) -> Batch:
        text = io.StringIO(newline="")
        rows, values = csv.writer(text), part.values
        if not self.done:
            first = [self._pictures] if part.images else part.names
            rows.writerow([*first, self._source, *map(harmless, self.schema.names)])
        for k, (row, seed) in enumerate(zip(part.condition.rows(), part.seeds.tolist(), strict=True)):
            what = [name(self.done + k)] if part.images else [f"{v:.7g}" for v in values[k].tolist()]
            source = harmless(self.origin.originals[self.done + k]) if self.origin.originals else seed
            rows.writerow([*what, source, *("" if v is None else harmless(v) for v in row.values())])
        content, start = text.getvalue().encode(), table.tell()
        table.write(content)
        table.flush()
        span = (start, start + len(content))
        return Batch(len(part), span, xxhash.xxh3_64_hexdigest(content), [], self._newly_shown(part))

    def _newly_shown(self, part: Part) -> dict[str, list[int]]:
        """The numbers of a part's samples that the grid shows."""
        found: dict[str, list[int]] = {}
        for k, request in enumerate(map(str, part.request.tolist()) if part.images else ()):
            if len(self.shown.get(request, [])) + len(found.get(request, [])) < COLUMNS:
                found.setdefault(request, []).append(self.done + k)
        return found

    def _grid(self) -> Path:
        """One row of samples per request, read from their files."""
        rows: list[Any] = [np.stack([self._read(k) for k in numbers]) for _, numbers in self._by_request()]
        save_picture(rows_of(rows, self.labels), self.folder / "grid.png")
        return self.folder / "grid.png"

    def _by_request(self) -> list[tuple[int, list[int]]]:
        return sorted((int(request), numbers) for request, numbers in self.shown.items())

    def _read(self, k: int) -> Float[Array, "channel height width"]:
        with Image.open(self.folder / name(k), formats=["PNG"]) as image:
            array = np.asarray(image)
        x: Any = array.reshape(*array.shape[:2], -1).transpose(2, 0, 1) / np.float32(255)
        return x


def seed_column(names: Collection[str]) -> str:
    """The name of the column of seeds beside others."""
    return beside(names, "seed", "sample_seed")


def beside(names: Collection[str], *choices: str) -> str:
    """The first of these names for a column that no other column has, up to case, or else the last."""
    taken = {name.strip().casefold() for name in names}
    return next((choice for choice in choices if choice not in taken), choices[-1])


def name(k: int) -> str:
    """The file of the image number k."""
    return f"{k:06d}.png"


def harmless(cell: str) -> str:
    """A cell of a table that no spreadsheet takes for a formula. The apostrophe before such text is read over."""
    return f"'{cell}" if cell[:1] in FORMULAS and not _is_number(cell) else cell


def _is_number(text: str) -> bool:
    try:
        return bool(text.split()) and all(math.isfinite(float(part)) for part in text.split())
    except ValueError:
        return False
