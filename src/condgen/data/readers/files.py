"""Tables in a single file: CSV and similar formats, JSON Lines, Parquet."""

import codecs
import io
import json
import re
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from condgen.data.readers.encoded import encoded_in, in_all
from condgen.data.readers.parts import parted
from condgen.data.readers.table import Parts, Table, described, nested
from condgen.errors import DataError
from condgen.room import memory

CELL = 100  # bytes of memory that a cell takes at the least, as objects of Python; 340 were measured
MANY = 10_000  # different values of a chunk beyond which equal cells are not looked for
AT_ONCE = 4_096  # rows of a Parquet file that are read at once
TABLES = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet")
_DELIMITERS = ",;\t|"
_PADDED = r"^\s*0\d+\s*$"
_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def read_file(path: Path) -> Parts:
    """The table in a file. Raises DataError that names the file, and the row or column at fault."""
    return parted(table_in(path))


def table_in(path: Path) -> Table:
    """The table in a CSV, TSV, JSON Lines or Parquet file."""
    kind = path.suffix.casefold()
    if kind not in TABLES:
        raise DataError(
            f"{path} is neither a folder nor a CSV or Parquet file, nor another kind that condgen reads; "
            "`condgen.datasets()` lists them."
        )
    try:
        if kind == ".parquet":
            return parquet([path])
        columns, notes = json_lines(path) if kind in (".jsonl", ".ndjson") else delimited(path)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}.") from None
    return described(path, columns, notes)


def parquet(paths: list[Path]) -> Table:
    """The table in one Parquet file, or in several that continue each other."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schemas = [_of_parquet(path, pq.read_schema) for path in paths]
    encoded = in_all([_of_parquet(path, encoded_in) for path in paths])
    tables = [
        _of_parquet(path, partial(_read_parquet, columns=[name for name in schema.names if name not in encoded]))
        for path, schema in zip(paths, schemas, strict=True)
    ]
    try:
        table = pa.concat_tables(tables, promote_options="default")
    except pa.ArrowException as error:
        raise DataError(
            f"The files beside {paths[0]} do not continue each other's columns: {first_line(error)}"
        ) from None
    names = class_names(table.schema.metadata or {})
    columns, notes = columns_of(paths[0], table)
    columns = {name.strip(): cells for name, cells in encoded.items()} | columns
    return described(paths[0], named(columns, names), notes, [n for n in names if n in columns])


def _read_parquet(path: Path, columns: list[str]) -> Any:
    """Columns of a Parquet file. Raises DataError for more cells, or bytes in them, than memory holds.

    A small file may hold any number of cells, where they are alike.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    room = memory()
    advice = "Name the columns to use (`attributes`), take fewer rows, or read it bit by bit (`stream`)."
    with pq.ParquetFile(path) as file:
        facts, wanted = file.metadata, set(columns)
        chunks = (facts.row_group(g).column(c) for g in range(facts.num_row_groups) for c in range(facts.num_columns))
        cells = sum(chunk.num_values for chunk in chunks if chunk.path_in_schema.partition(".")[0] in wanted)
        room.must_hold(cells * CELL, f"The {cells:,} values in {path}", advice, DataError)
        batches, size = [], 0
        for batch in file.iter_batches(AT_ONCE, columns=columns):
            batches.append(batch)
            size += batch.nbytes
            room.must_hold(size, f"The beginning of {path}", advice, DataError)
        kept = [field for field in file.schema_arrow if field.name in wanted]
        return pa.Table.from_batches(batches, pa.schema(kept, file.schema_arrow.metadata))


def _of_parquet(path: Path, read: Callable[[Path], Any]) -> Any:
    """The result of reading a Parquet file. Raises DataError if pyarrow cannot read it."""
    import pyarrow as pa

    try:
        return read(path)
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"{path} cannot be read as Parquet: {first_line(error)}") from None


def named(columns: dict[str, list[Any]], names: Mapping[str, list[str]]) -> dict[str, list[Any]]:
    """The columns with class numbers replaced by class names. −1 stands for a missing label."""

    def name(classes: list[str], k: Any) -> Any:
        return classes[k] if isinstance(k, int) and 0 <= k < len(classes) else None

    return {n: [name(names[n], k) for k in cells] if n in names else cells for n, cells in columns.items()}


def class_names(metadata: Mapping[bytes, bytes]) -> dict[str, list[str]]:
    """The names that the `datasets` library stores for columns of class numbers."""
    try:
        features = json.loads(metadata.get(b"huggingface", b"{}"))["info"]["features"]
        return {
            name: f["names"] for name, f in features.items() if isinstance(f, dict) and f.get("_type") == "ClassLabel"
        }
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}


def delimited(path: Path) -> tuple[dict[str, list[Any]], list[str]]:
    """The columns of a CSV file. The delimiter is that of its first line. The text is UTF-8, or UTF-16 with a mark."""
    import pyarrow as pa
    import pyarrow.csv as pacsv

    with path.open("rb") as file:
        head = file.read(1 << 16)
    source: Any = path
    if head.startswith(_UTF_16):
        source, head = _from_utf_16(path)
    options = pacsv.ParseOptions(delimiter=_delimiter(path, head), newlines_in_values=True)
    try:
        table = pacsv.read_csv(source, parse_options=options)
    except (OSError, pa.ArrowException) as error:
        if "UTF8" in str(error):
            raise DataError(f"{path} is not UTF-8 text; save it as UTF-8.") from None
        reason = _mistake(source, options) or first_line(error)
        raise DataError(f"{path} cannot be read as CSV: {reason}") from None
    if any(pa.types.is_binary(kind) for kind in table.schema.types):
        raise DataError(f"{path} is not UTF-8 text; save it as UTF-8.")
    columns, notes = columns_of(path, table)
    return columns | _padded(source, options, table), notes


def _padded(source: Any, options: Any, table: Any) -> dict[str, list[Any]]:
    """Columns of whole numbers with leading zeros, as texts: 007 may name a file or a class, and is not 7."""
    import pyarrow.compute as pc
    import pyarrow.csv as pacsv

    whole = [field.name for field, cells in zip(table.schema, table.columns, strict=True) if _are_whole(cells)]
    if not whole:
        return {}
    _rewind(source)
    types = dict.fromkeys(whole, "string")
    convert = pacsv.ConvertOptions(include_columns=whole, column_types=types, strings_can_be_null=True)
    texts = pacsv.read_csv(source, parse_options=options, convert_options=convert)
    found = {name: texts[name] for name in whole if pc.any(pc.match_substring_regex(texts[name], _PADDED)).as_py()}
    return {name.strip(): _cells(cells) for name, cells in found.items()}


def _are_whole(cells: Any) -> bool:
    """Whether all numbers of an Arrow column are whole. False for a column of anything else."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not pa.types.is_floating(cells.type):
        return bool(pa.types.is_integer(cells.type))
    return bool(pc.all(pc.equal(cells, pc.floor(cells))).as_py())


def _rewind(source: Any) -> None:
    """Go to the beginning of a file in memory."""
    if isinstance(source, io.BytesIO):
        source.seek(0)


def _mistake(source: Any, options: Any) -> str:
    """The first mistake in a CSV file with the number of its row, which only reading without threads counts."""
    import pyarrow as pa
    import pyarrow.csv as pacsv

    try:
        _rewind(source)
        pacsv.read_csv(source, parse_options=options, read_options=pacsv.ReadOptions(use_threads=False))
    except (OSError, pa.ArrowException) as error:
        return first_line(error)
    return ""


def _from_utf_16(path: Path) -> tuple[io.BytesIO, bytes]:
    """The file as UTF-8, and its first bytes."""
    try:
        content = path.read_bytes().decode("utf-16").encode()
    except UnicodeError:
        raise DataError(f"{path} begins like UTF-16 but is not UTF-8 or UTF-16 text; save it as UTF-8.") from None
    return io.BytesIO(content), content[: 1 << 16]


def _delimiter(path: Path, head: bytes) -> str:
    """The most frequent delimiter in the first line, outside quotes. Raises DataError if there is none."""
    try:
        text = codecs.getincrementaldecoder("utf-8-sig")().decode(head)
    except UnicodeDecodeError:
        raise DataError(f"{path} is not UTF-8 text; save it as UTF-8.") from None
    if not text.strip():
        raise DataError(f"{path} is empty.")
    first = re.sub(r'"[^"]*"', "", text.lstrip("\r\n")).splitlines()[0]
    best = max(_DELIMITERS, key=first.count)
    if best not in first:
        raise DataError(f"{path} has only one column; it needs one for images and one per attribute.")
    return best


def json_lines(path: Path) -> tuple[dict[str, list[Any]], list[str]]:
    """The columns of a file with one JSON object per line. A key that a row lacks is missing there."""
    rows: list[dict[str, Any]] = []
    try:
        with path.open(encoding="utf-8-sig") as file:
            rows += [_row(path, number, line) for number, line in enumerate(file, 1) if line.strip()]
    except UnicodeDecodeError:
        raise DataError(f"{path} is not UTF-8 text; save it as UTF-8.") from None
    return columns_of_rows(rows), []


def _row(path: Path, number: int, line: str) -> dict[str, Any]:
    try:
        row = parsed(line.rstrip())
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}, line {number}, is not JSON: {getattr(error, 'msg', first_line(error))}.") from None
    if not isinstance(row, dict):
        raise DataError(f'{path}, line {number}, is no JSON object such as {{"file_name": "a.png", "color": 3}}.')
    return row


def parsed(text: str | bytes) -> Any:
    """The content of a JSON text.

    Raises ValueError, also for halves of surrogate pairs, which cannot be written again.
    """
    found = json.loads(text)
    if "\\u" in (text if isinstance(text, str) else text.decode(errors="replace")):
        try:
            json.dumps(found, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            raise ValueError("it holds half of a character, such as \\ud800") from None
    return found


def columns_of_rows(rows: list[dict[str, Any]]) -> dict[str, list[Any]]:
    """The columns of a list of rows, in the order in which their names first occur."""
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: [row.get(name) for row in rows] for name in names}


def columns_of(path: Path, table: Any) -> tuple[dict[str, list[Any]], list[str]]:
    """The columns of an Arrow table as lists, by name, and notes on nested columns that were left out."""
    names = [name.strip() for name in table.column_names]
    for name in names:
        if names.count(name) > 1:
            raise DataError(f"{path} has two columns called '{name}'; rename one.")
    single = [_is_single(field.type) for field in table.schema]
    columns = {n: _cells(c) for n, c, keep in zip(names, table.columns, single, strict=True) if keep}
    return columns, [nested(name) for name, keep in zip(names, single, strict=True) if not keep]


def _cells(column: Any) -> list[Any]:
    """A column's cells. Equal ones are one object, so that a column of few different values takes 8 bytes a row."""
    import pyarrow as pa

    kind = column.type
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_primitive(kind)):
        return column.to_pylist()
    cells: list[Any] = []
    known: dict[Any, Any] = {}
    for chunk in column.chunks:
        coded = chunk.dictionary_encode()
        if len(coded.dictionary) > MANY:
            cells += chunk.to_pylist()
            continue
        values = [known.setdefault(value, value) for value in coded.dictionary.to_pylist()]
        cells += map([*values, None].__getitem__, coded.indices.fill_null(len(values)).to_pylist())
    return cells


def _is_single(kind: Any) -> bool:
    """Whether cells of this Arrow type are single values, lists of numbers, or images as `datasets` writes them."""
    import pyarrow as pa

    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        return pa.types.is_integer(kind.value_type) or pa.types.is_floating(kind.value_type)
    if pa.types.is_struct(kind):
        return {"bytes", "path"} <= {kind.field(k).name for k in range(kind.num_fields)}
    return not pa.types.is_nested(kind)


def first_line(error: Exception) -> str:
    """The first line of an error's message, at most 300 characters."""
    return (str(error).splitlines() or ["no reason given"])[0][:300]
