"""Opening a source as a stream. A sample gives the schema and the validation and test parts. The rest trains as it is
read.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from condgen.cache import cache_folder
from condgen.data.builtin import is_builtin
from condgen.data.dataset import Dataset, Splits
from condgen.data.published import PUBLISHED
from condgen.data.readers import Shard, shards
from condgen.data.source import AtMost, DataSource, SplitConfig, StreamConfig
from condgen.data.sources import given_schema, resolved, schema_for
from condgen.data.splits import by_row, row_numbers, split
from condgen.data.storage.images import Fit, Joined
from condgen.data.storage.places import places_of, remember
from condgen.data.storage.prepare import plan
from condgen.data.streaming.dataset import Stream, Streamed
from condgen.data.streaming.ledger import Quarantine
from condgen.data.streaming.rows import Choice, Place, images_of
from condgen.data.streaming.sample import Sample, Taken
from condgen.errors import RequestError
from condgen.progress import Progress, shown
from condgen.schema import Schema


def stream(
    source: str,
    *,
    attributes: Sequence[str] | None = None,
    size: int | AtMost | None = None,
    schema: Schema | str | Path | None = None,
    resize: str = "crop",
    broken: float = 0.05,
    splitting: SplitConfig | None = None,
    streaming: StreamConfig | None = None,
    progress: Progress | None = None,
) -> Splits:
    """Data that is read during training, from WebDataset shards, Parquet files or `hf:owner/name`.

    Nothing is prepared on disk. The training part is a sample, with `batches` from all shards. Validation and test
    parts are taken from that sample and are not trained on. The arguments are those of `load`, except that `broken` is
    the share of unreadable images among those read so far, of at least 1,000.

    Raises the errors of `load`, and RequestError for a source without shards or a split by groups.
    """
    how, splitting, progress = streaming or StreamConfig(), splitting or SplitConfig(), progress or shown()
    schema = given_schema(schema)
    _must_be_shards(source, splitting)
    found = shards(source)
    taken = Taken.of(found.train, how.sample)
    tests = Taken.of(found.test, how.sample // 4, len(found.train)) if found.test else None
    used, notes = schema_for(taken.table, tests.table if tests else None, attributes, schema)
    given = schema is not None or taken.table.schema is not None
    choice = Choice(used, hold_out=splitting.hold_out, advice="" if given else _advice(how.sample))
    images = Joined([images_of(each.table) for each in (taken, tests) if each])
    fit, told = plan(images, size, resize)
    quarantine = Quarantine(_list_of(found.train, fit), broken)
    sample = taken.decoded(choice, fit, quarantine, progress)
    test = tests.decoded(choice, fit, quarantine, progress).data if tests else None
    parts, apart = _split(sample, test, splitting)
    whole = Stream(found.train, replace(choice, apart=apart), fit, how.buffer, quarantine)
    train = Streamed(parts.train.observations, parts.train.condition, whole)
    said = (
        *found.notes,
        *taken.table.notes,
        *notes,
        *told,
        _about(len(found.train), sample, apart, quarantine),
        *parts.notes,
    )
    origin = DataSource(
        resolved(source),
        attributes=None if attributes is None else tuple(attributes),
        size=size,
        schema=schema,
        resize=resize,
        broken=broken,
        splitting=splitting,
        streaming=how,
    )
    remember(places_of(origin))
    return replace(parts, train=train, notes=said).loaded_from(origin.settled(parts.shape))


def _split(sample: Sample, test: Dataset | None, splitting: SplitConfig) -> tuple[Splits, frozenset[Place]]:
    """The parts of a sample, and the places of rows that are not trained on. Row numbers stand in for images."""
    x, condition = sample.data.x, sample.data.condition
    try:
        parts = split(by_row(condition), test, splitting=splitting)
    except RequestError as error:
        raise RequestError(
            f"{error} (Looked for in a sample of {len(x):,} images; `sample` takes a larger one.)"
        ) from None

    def restored(part: Dataset) -> Dataset:
        return Dataset(x[row_numbers(part)], part.condition)

    apart = [parts.validation, *([parts.test] if test is None else [])]
    restored_parts = replace(
        parts,
        train=restored(parts.train),
        validation=restored(parts.validation),
        test=parts.test if test is not None else restored(parts.test),
        held=restored(parts.held) if parts.held else None,
    )
    return restored_parts, frozenset(sample.places[k] for part in apart for k in row_numbers(part).tolist())


def _must_be_shards(source: str, splitting: SplitConfig) -> None:
    if is_builtin(source) or source in PUBLISHED:
        raise RequestError(f"{source} has no shards to stream. Leave out `stream`.")
    if splitting.group is not None:
        raise RequestError(
            f"A stream cannot be split by '{splitting.group}': what comes later may belong to a group of the sample "
            "that is tested on. Keep such groups in test shards of their own, or prepare the data, without `stream`."
        )


def _advice(sample: int) -> str:
    return (
        f" The schema was inferred from a sample of {sample:,} images: give one that knows all labels (`schema"
        "='schema.json'`), or take a larger sample (`sample`)."
    )


def _list_of(parts: Sequence[Shard], fit: Fit) -> Path:
    """The file that lists the broken images of these shards."""
    facts = [fit, *((shard.stamp, shard.changed) for shard in parts)]
    key = hashlib.blake2b(str(facts).encode(), digest_size=16).hexdigest()
    return cache_folder() / "streams" / f"{key}.quarantine.csv"


def _about(n: int, sample: Sample, apart: frozenset[Place], quarantine: Quarantine) -> str:
    return (
        f"{n:,} shards are streamed. {len(sample.places):,} images of them are a sample in memory, of which "
        f"{len(apart):,} do not train; what is measured is measured on it. Images that cannot be read are left out and "
        f"listed in {quarantine.path}."
    )
