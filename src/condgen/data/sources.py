"""Loading of any source (folders, tables, built-in sets, objects in memory) into the same splits.

Local tables are read by pyarrow directly, without the copy in a cache that the `datasets` library makes first. Files
written by that library (`image` columns of bytes and path) are understood.
"""

import os
from collections.abc import Sequence
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path

import torch
from jaxtyping import Int
from torch import Tensor

from condgen.data.builtin import BUILTIN, is_builtin, load_builtin
from condgen.data.coordinates import Coordinates
from condgen.data.dataset import Dataset, Splits
from condgen.data.infer import infer_attribute, infer_schema, parse_columns, remarks, schema_of
from condgen.data.published import PUBLISHED, read_published
from condgen.data.readers import Parts, Table, is_address, read
from condgen.data.readers.elsewhere import brought
from condgen.data.readers.memory import read_memory
from condgen.data.readers.shards import expand, is_pattern
from condgen.data.readers.table import SCHEMA
from condgen.data.source import AtMost, DataSource, SplitConfig
from condgen.data.splits import numbered, split
from condgen.data.storage.downloads import datasets_folder
from condgen.data.storage.images import EncodedImage, Joined
from condgen.data.storage.index import LoadedSource, LoadOptions, SourceCache
from condgen.data.storage.places import places_of, remember
from condgen.data.storage.prepare import Prepared, prepare
from condgen.data.vectors import with_vectors
from condgen.errors import DataError, RequestError, shorten, unknown
from condgen.progress import Progress, shown
from condgen.schema import Condition, LabelDistribution, Schema, same
from condgen.stores.address import is_address as is_elsewhere
from condgen.stores.address import normalised


def load(
    source: object,
    *,
    labels: object = None,
    attributes: Sequence[str] | None = None,
    size: int | AtMost | None = None,
    schema: Schema | str | Path | None = None,
    data_dir: str | Path | None = None,
    resize: str = "crop",
    broken: float = 0.05,
    splitting: SplitConfig | None = None,
    progress: Progress | None = None,
) -> Splits:
    """A dataset by name or path, or one in memory, split for training, validation and testing.

    source: a name, a folder, a table, an archive, any of these in a store (`s3://…`), or `hf:owner/name` (see
        `condgen.datasets()`). Or an array or tensor of images or vectors, a data frame, or a dataset of torch or of
        `datasets` (see `readers.memory.read_memory`).
    labels: for arrays: by attribute, as in `labels={"digit": y}`, a data frame, or one sequence.
    attributes: the names of the attributes to keep. All by default; an empty list leaves nothing to ask for.
    size: side of the square to which images are resized. `AtMost(64)` resizes larger ones only.
    resize: crop, pad or squash.
    schema: replaces the inferred one. A schema, or its JSON file.
    data_dir: a local copy of a published dataset, which is then not downloaded.
    broken: the largest share of images that may be unreadable.
    splitting: the kind of split, and held-out combinations.
    progress: a bar or log lines by default.

    Raises DataError that names the file, row or column at fault, and RequestError for unknown attributes or a size that
    is not a multiple of 4.
    """
    reporter = progress or shown()
    named = os.fspath(source) if isinstance(source, str | os.PathLike) else None
    if named is not None and labels is not None:
        raise RequestError(f"{named} holds its own labels; `labels` are for arrays. Leave them out.")
    _must_need_no_copy(named or "data in memory", data_dir)
    origin = DataSource(
        named and resolved(named),
        attributes=None if attributes is None else tuple(attributes),
        size=size,
        schema=given_schema(schema),
        data_dir=None if data_dir is None else _absolute(data_dir),
        resize=resize,
        broken=broken,
        splitting=splitting or SplitConfig(),
    )
    if named is None:
        found = _in_memory(source, labels, origin, reporter)
    else:
        found = _built_in(named, origin) if is_builtin(named) else _read_and_split(brought(named), origin, reporter)
    remember(places_of(origin))
    for note in () if progress else (*found.notes, *_crowding(found)):
        reporter.note(f"Note: {note}")
    return found.loaded_from(origin.settled(found.shape))


def _crowding(data: Splits) -> list[str]:
    """Sentences on numbers in a stretched range."""
    numbers = [a.name for a in data.schema.measured]
    return LabelDistribution.of(data.train.condition.select(numbers)).crowding() if numbers else []


def given_schema(given: Schema | str | Path | None) -> Schema | None:
    """The schema that a user gives, possibly by its file. Raises DataError."""
    return Schema.load(Path(given)) if isinstance(given, str | Path) else given


def _in_memory(source: object, labels: object, how: DataSource, progress: Progress) -> Splits:
    """The data of an object. Nothing is cached."""
    read = _tables(read_memory(source, labels), how.attributes, how.schema)
    return _split(_opened(read, _options(how), progress), how)


def _built_in(source: str, how: DataSource) -> Splits:
    """A built-in dataset with its own split, or another if one is asked for."""
    if how.schema is not None:
        raise RequestError(f"The built-in dataset {source} has its own schema. Leave out the schema.")
    _must_be_plain(how, f"The built-in dataset {source} has no image files")
    splits = load_builtin(source, how.size if isinstance(how.size, int) else None)
    splits = splits if how.attributes is None else splits.select(how.attributes)
    return splits if how.splitting == SplitConfig() else _split_again(splits, how.splitting)


def _read_and_split(source: str, how: DataSource, progress: Progress) -> Splits:
    """Any other dataset, from the cache or read anew."""
    wanted = _options(how)
    shelf = SourceCache.of(str(how.address), _places(source, how.data_dir), wanted)
    opened = shelf.take()
    if opened is None:
        read = tables(source, how.data_dir, how.attributes, how.schema)
        held = shelf.holders(image for table in read for image in table.content if isinstance(image, EncodedImage))
        opened = _opened(read, wanted, progress)
        shelf.keep(opened, held)
    return _split(opened, how)


def _options(how: DataSource) -> LoadOptions:
    return LoadOptions(how.attributes, how.size, how.schema, how.resize, how.broken, how.splitting.group)


def _split(opened: LoadedSource, how: DataSource) -> Splits:
    data, n = opened.data, opened.training
    groups = None if opened.groups is None else opened.groups.tolist()
    parts = split(
        data[:n],
        data[n:] if opened.tested else None,
        opened.notes,
        splitting=how.splitting,
        groups=groups,
        validation=opened.validation,
    )
    return replace(parts, coordinates=opened.coordinates)


def _opened(read: list[Table], wanted: LoadOptions, progress: Progress) -> LoadedSource:
    """The content of all tables, with prepared images. Labels are read first, because their errors are found sooner."""
    train, test = read[0], read[1] if len(read) > 1 else None
    schema, notes = schema_for(train, test, wanted.attributes, wanted.schema)
    conditions = Condition.cat([condition_of(table, schema) for table in read])
    groups = _groups(train, wanted.group)
    found = _observations(read, wanted.size, wanted.resize, wanted.broken, progress)
    n = int((found.rows < len(train.content)).sum())
    return LoadedSource(
        Dataset(found.images, conditions[found.rows]),
        training=n,
        tested=test is not None,
        notes=(*train.notes, *notes, *found.notes),
        validation=int((found.rows[:n] >= len(train.content) - train.validation).sum()),
        groups=None if groups is None else groups[found.rows[:n]],
        coordinates=found.coordinates,
    )


def tables(
    source: str,
    data_dir: str | Path | None = None,
    attributes: Sequence[str] | None = None,
    schema: Schema | None = None,
) -> list[Table]:
    """The table for training and, if the source has one, the table for testing. Nothing is decoded yet.

    attributes, schema: as for `load`. They decide which columns of a table of numbers are attributes. Raises errors as
        `load` does.
    """
    _must_need_no_copy(source, data_dir)
    return _tables(_read(brought(source), data_dir), attributes, schema)


def _tables(parts: Parts, attributes: Sequence[str] | None, schema: Schema | None) -> list[Table]:
    read = [part for part in (parts.for_training(), parts.test) if part is not None]
    known = schema or read[0].schema
    return with_vectors(read, known.names if attributes is None and known else attributes)


def _must_need_no_copy(source: str, data_dir: str | Path | None) -> None:
    if data_dir is not None and source not in PUBLISHED:
        raise RequestError(
            f"A local copy (data_dir) is for {', '.join(PUBLISHED)}; give the path of other data itself."
        )


def _split_again(splits: Splits, splitting: SplitConfig) -> Splits:
    """A built-in dataset with another split."""
    parts = (splits.train, splits.validation, splits.test)
    whole = Dataset(torch.cat([part.x for part in parts]), Condition.cat([part.condition for part in parts]))
    return split(whole, None, splits.notes, splitting=splitting)


def _groups(train: Table, column: str | None) -> Int[Tensor, " n"] | None:
    """The group of each row, by the column of a group split. Raises RequestError if there is no such column."""
    if column is None:
        return None
    named = same(column, train.columns)
    if named is None:
        raise unknown("column", column, train.columns)
    return numbered(train.columns[named])


def _observations(
    tables: list[Table], size: int | AtMost | None, resize: str, broken: float, progress: Progress
) -> Prepared:
    """The images or vectors of all tables, concatenated, with their rows and notes on changes made to them."""
    vectors = [table.content for table in tables if isinstance(table.content, Tensor)]
    if not vectors:
        images = pictures_of(tables)
        return prepare(images, size, resize, broken=broken, progress=progress)
    if len(vectors) < len(tables) or len({v.shape[1] for v in vectors}) > 1:
        raise DataError(
            f"{tables[0].source} and {tables[-1].source} do not hold observations of the same kind and size."
        )
    if isinstance(size, int):
        raise RequestError(f"{tables[0].source} holds vectors; a size is for images.")
    if resize != DataSource().resize:
        raise RequestError(f"{tables[0].source} holds vectors, and `resize` is for images. Leave it out.")
    x = torch.cat(vectors)
    coordinates = Coordinates.fitted(tables[0].names or Coordinates.plainly(x.shape[1]).names, vectors[0])
    return Prepared(coordinates.standardise(x), torch.arange(len(x)), [], coordinates)


def pictures_of(tables: Sequence[Table]) -> Sequence[EncodedImage]:
    """The images of all tables."""
    found = [each.images for each in tables if each.images is not None]
    return found[0] if len(found) == 1 else Joined(found)


def _must_be_plain(how: DataSource, because: str) -> None:
    """Raise RequestError for settings of reading image files, which would have no effect."""
    plain = DataSource()
    for name in ("resize", "broken"):
        if getattr(how, name) != getattr(plain, name):
            raise RequestError(f"{because}, so `{name}` would have no effect. Leave it out.")


def resolved(source: str) -> str:
    """A source in a form that is valid in every folder."""
    if is_elsewhere(source):
        return normalised(source)
    if is_builtin(source) or source in PUBLISHED or (is_address(source) and not _folder_named(source)):
        return source
    if is_address(source):
        name, mark, query = source.partition("?")
        return f"hf:{_absolute(name.removeprefix('hf:'))}{mark}{query}"
    return _absolute(source)


def _absolute(path: str | Path) -> str:
    """An absolute path. Links are kept, since their names can be meaningful. Raises DataError for text that is none."""
    if "\0" in str(path) or any(len(os.fsencode(part)) > 255 for part in Path(path).parts):
        raise DataError(f"The data {shorten(str(path), 100)} cannot be read: no file can have this name.")
    return os.path.abspath(Path(path).expanduser())


def _folder_named(source: str) -> bool:
    return Path(source.removeprefix("hf:").partition("?")[0]).expanduser().is_dir()


def _places(source: str, data_dir: str | Path | None) -> list[Path]:
    """The files and folders of a source, or none if they are unknown."""
    if source in PUBLISHED:
        found = [Path(data_dir or datasets_folder() / source).expanduser()]
    elif is_address(source):
        found = [Path(source.removeprefix("hf:").partition("?")[0]).expanduser()]
    else:
        path = Path(source).expanduser()
        found = expand(source) if is_pattern(source) and not path.exists() else [path]
    return [path.absolute() for path in found] if all(path.exists() for path in found) else []


def _read(source: str, data_dir: str | Path | None) -> Parts:
    if source in PUBLISHED:
        return read_published(source, None if data_dir is None else Path(data_dir).expanduser())
    path = Path(source).expanduser()
    if not path.exists() and not is_address(source) and not is_pattern(source):
        if "/" not in source and "." not in source:
            raise unknown("dataset", source, [*BUILTIN, *PUBLISHED, "a path"], _near_here(source))
        raise DataError(f"The data {source} does not exist.")
    return read(source)


def _near_here(name: str) -> str:
    """A sentence on the file or folder of the current folder whose name is nearest to this one, if one is near."""
    near = get_close_matches(name, [each for each in os.listdir() if not each.startswith(".")], n=1, cutoff=0.75)
    return f" This folder has '{shorten(near[0], 100)}'." if near else ""


def schema_for(
    train: Table, test: Table | None, attributes: Sequence[str] | None, schema: Schema | None
) -> tuple[Schema, list[str]]:
    """The schema to use: the one given, the source's own, or the inferred one, reduced to the chosen attributes."""
    both = {n: v + (test.columns.get(n, []) if test else []) for n, v in train.columns.items()}
    chosen = schema if schema is not None else train.schema
    inferred, notes = (chosen, []) if chosen is not None else infer_schema(both, train.classes)
    for name in attributes or []:
        column = same(name, both)
        if column is not None and same(name, inferred.names) is None:
            guess = infer_attribute(column, both[column], asked_for=True)
            if isinstance(guess, str):
                raise DataError(f"{train.source}: {guess}")
            inferred = schema_of([*inferred, guess])
    if attributes is not None:
        asked = inferred.select(attributes)
        return asked, [] if chosen is not None else list(remarks(asked, both))
    if not both and chosen is None:
        return inferred, [*notes, "There are no labels, so nothing can be asked for."]
    if not len(inferred) and chosen is None:
        reasons = " ".join([*train.notes, *notes]) or f"Its columns are: {', '.join(both)}."
        raise DataError(
            f"{train.source} has no column that could be an attribute to condition on. {reasons} "
            "Give it one whose values differ. A column that looks like an identifier is used if you name it "
            "(`attributes`). To learn without labels, name none (an empty `attributes`)."
        )
    return inferred, notes


def condition_of(table: Table, schema: Schema, first: int = 0) -> Condition:
    """The labels of a table's rows. Raises DataError that names the row and column at fault.

    first: number of rows of the source before these.
    """
    codes, given = parse_columns(table.columns, schema, table.source, first, _origin(table, schema))
    values = {a.name: torch.tensor(codes[a.name]).reshape(-1, *a.shape) for a in schema}
    present = torch.tensor([given[name] for name in schema.names], dtype=torch.bool)
    return Condition(schema, values, present.reshape(len(schema), len(table.content)).T.contiguous())


def _origin(table: Table, schema: Schema) -> str:
    """The schema of a table in words. One that lies beside the table, where nobody may have noticed it, is named."""
    own = table.schema is not None and all(a in list(table.schema) for a in schema)
    path = Path(table.source)
    beside = next((file for folder in (path, path.parent) if (file := folder / SCHEMA).is_file()), None)
    return f"the schema beside it ({beside})" if own and beside else "the schema"
