"""The files that shards are written as. Equal samples give equal bytes."""

import io
import json
import tarfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from condgen.arrays import to_numpy
from condgen.bulk.plan import Plan
from condgen.errors import RequestError
from condgen.extras import explained
from condgen.imprint import Origin, imprinted
from condgen.pictures import pixels_of
from condgen.registry import Registry
from condgen.runs.samples import Samples
from condgen.schema import Schema

TOGETHER = 4  # batches in a row group of Parquet, which readers take from a file by itself
PICTURE = "image"


@dataclass(frozen=True)
class Facts:
    """Facts about all samples of a set, with which each of them is written.

    origin: of the samples, which their images carry.
    """

    schema: Schema
    origin: Origin
    plan: Plan

    def rows(self, samples: Samples) -> list[dict[str, Any]]:
        """For every sample its attributes, its seed and the text of its request."""
        seed, request = self.own_columns
        texts = [self.origin.requests[k] for k in samples.request.tolist()]
        labels = ({a.name: _value(a, row[a.name]) for a in self.schema} for row in samples.condition.rows())
        return [
            {seed: number, request: text, **row}
            for number, text, row in zip(samples.seeds.tolist(), texts, labels, strict=True)
        ]

    @property
    def own_columns(self) -> tuple[str, str]:
        """The names of the columns of seeds and of requests, which no attribute has."""
        taken = {name.casefold() for name in self.schema.names}
        seed, request = (f"{name}_asked" if name in taken else name for name in ("seed", "request"))
        return seed, request

    def pictures(self, samples: Samples) -> Iterator[bytes]:
        """The samples as PNG, with the bytes that `condgen sample` writes."""
        imprints = self.origin.imprints(samples)
        return (imprinted(pixels, imprint) for pixels, imprint in zip(pixels_of(samples.x), imprints, strict=True))

    def numbers(self, samples: Samples) -> Iterator[int]:
        """The number of each sample among those of all requests."""
        pairs = zip(samples.request.tolist(), samples.seeds.tolist(), strict=True)
        return (request * self.plan.n + seed - self.plan.seed for request, seed in pairs)


Write = Callable[[Iterable[Samples], Facts], bytes]


@dataclass(frozen=True)
class Format:
    """A kind of file for a shard.

    ending: of its name.
    vectors: whether it holds vectors, too.
    write: the bytes of a file with these samples.
    """

    ending: str
    vectors: bool
    write: Write

    def must_hold(self, shape: tuple[int, ...]) -> None:
        """Raise RequestError for samples of a shape that these files do not hold."""
        if len(shape) != 3 and not self.vectors:
            raise RequestError("WebDataset shards hold images, and these are vectors; take `format='parquet'`.")


def parquet(parts: Iterable[Samples], facts: Facts) -> bytes:
    """A Parquet file: images as `datasets` writes them, or a column per coordinate; seeds, requests and attributes."""
    with explained():
        import pyarrow as pa
        import pyarrow.parquet as pq
    file, parts = io.BytesIO(), iter(parts)
    writer = None
    while some := list(islice(parts, TOGETHER)):
        schema = _arrow_schema(some[0], facts)
        table = pa.concat_tables([pa.table(_columns(part, facts), schema) for part in some])
        writer = writer or pq.ParquetWriter(file, schema, compression="zstd", use_dictionary=_repeating(facts))
        if len(table):  # none may be left
            writer.write_table(table)
    assert writer is not None, "a shard has a batch"
    writer.close()
    return file.getvalue()


def _arrow_schema(samples: Samples, facts: Facts) -> Any:
    import pyarrow as pa

    seed, request = facts.own_columns
    picture = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    content = [(PICTURE, picture)] if samples.images else [(name, pa.float32()) for name in samples.names]
    labels = [(a.name, pa.float64() if a.limits else pa.string()) for a in facts.schema]
    fields = [*content, (seed, pa.int64()), (request, pa.string()), *labels]
    return pa.schema(fields, {"huggingface": json.dumps({"info": {"features": _features(fields)}})})


def _features(fields: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """The columns in the words of the `datasets` library."""
    return {
        name: {"_type": "Image"} if name == PICTURE else {"dtype": _NAMES.get(str(kind), str(kind)), "_type": "Value"}
        for name, kind in fields
    }


_NAMES = {"float": "float32", "double": "float64"}  # Arrow's names of types, and those of `datasets`


def _columns(samples: Samples, facts: Facts) -> dict[str, Any]:
    """The columns of a table of samples."""
    rows = facts.rows(samples)
    columns: dict[str, Any] = {name: [row[name] for row in rows] for name in (*facts.own_columns, *facts.schema.names)}
    if not samples.images:
        return dict(zip(samples.names, to_numpy(samples.values).T, strict=True)) | columns
    names = (f"{k:09d}.png" for k in facts.numbers(samples))
    return {
        PICTURE: [{"bytes": png, "path": name} for png, name in zip(facts.pictures(samples), names, strict=True)],
        **columns,
    }


def _repeating(facts: Facts) -> list[str]:
    """The columns whose cells repeat."""
    return [facts.own_columns[1], *facts.schema.names]


def webdataset(parts: Iterable[Samples], facts: Facts) -> bytes:
    """A tar with two files per sample: its image, and a JSON with its attributes, seed and request."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for part in parts:
            examples = zip(facts.numbers(part), facts.pictures(part), facts.rows(part), strict=True)
            for number, picture, row in examples:
                _add(tar, f"{number:09d}.png", picture)
                _add(tar, f"{number:09d}.json", json.dumps(row, ensure_ascii=False).encode())
    return file.getvalue()


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)  # of no owner and of no time
    entry.size = len(content)
    tar.addfile(entry, io.BytesIO(content))


def _value(attribute: Any, text: str | None) -> str | float | None:
    """An attribute's value in a table: a number as such, anything else by its name."""
    return float(text) if text is not None and attribute.limits else text


FORMATS: Registry[Format] = Registry(
    "format",
    "condgen.formats",
    {"parquet": Format("parquet", True, parquet), "webdataset": Format("tar", False, webdataset)},
    accepts=lambda entry: isinstance(entry, Format),
    wanted="condgen.bulk.formats.Format",
)
