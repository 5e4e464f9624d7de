"""WebDataset: tar files in which files with one key, such as 000.jpg and 000.json, form one example."""

import io
import json
import re
import tarfile
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import islice, product
from pathlib import Path, PurePosixPath
from typing import Any

from condgen.data.readers.files import columns_of_rows, first_line
from condgen.data.readers.parts import PART_NAMES, divided, must_be_whole, streamed_parts
from condgen.data.readers.table import IMAGE_FILES, READ, Parts, Shard, Shards, Table, plain, schema_in, stamped
from condgen.data.storage.archives import Held, Member
from condgen.data.storage.images import EncodedImage
from condgen.errors import DataError
from condgen.schema.column import text_of
from condgen.stores.blocks import reading

_BRACES = re.compile(r"\{([^{}]*)\}")
_RANGE = re.compile(r"(\d+)\.\.(\d+)$")
_BLOCK = 1 << 16  # bytes read at once behind the files of a tar
_TEXTS = (".cls", ".txt")  # files with labels, besides .json
CLASS_NAMES = "classnames.txt"


def is_shards(path: Path) -> bool:
    """Whether a path is a tar file, or a folder that contains some."""
    if path.is_file():
        return ".tar" in [s.casefold() for s in path.suffixes[-2:]] or path.suffix.casefold() == ".tgz"
    return any(_tars(path)) and not any(p.is_dir() and not p.name.startswith(".") for p in path.iterdir())


def is_pattern(source: str) -> bool:
    """Whether a source names several shards at once, as in shards-{000..009}.tar."""
    return bool(_BRACES.search(source)) and source.endswith(".tar")


def expand(pattern: str) -> list[Path]:
    """The files that a pattern with braces names: {000..009} counts, {a,b} lists."""
    pieces = _BRACES.split(pattern)  # text and content of braces in turn
    choices = [_choices(piece) if k % 2 else [piece] for k, piece in enumerate(pieces)]
    return [Path("".join(chosen)).expanduser() for chosen in product(*choices)]


def _choices(text: str) -> list[str]:
    counted = _RANGE.match(text)
    if not counted:
        return text.split(",")
    first, last = counted.groups()
    return [str(k).zfill(len(first)) for k in range(int(first), int(last) + 1)]


def read_shards(path: Path) -> Parts:
    """One shard, or a folder of shards. Shards named train…, val… and test… are separate splits.

    Shards for training alone are split by the field `split` of their labels, if they have it.
    """
    return divided({part: _table(files) for part, files in _by_part(path).items()})


def stream_shards(path: Path) -> Shards:
    """The same shards, to be read piece by piece."""
    return streamed_parts({part: tuple(map(_streamed, files)) for part, files in _by_part(path).items()})


def _by_part(path: Path) -> dict[str, list[Path]]:
    """The shards of each split. A single shard, or a folder without any named train…, is for training.

    Raises DataError that names absent shards of a folder.
    """
    if path.is_file():
        return {"train": [path]}
    tars = sorted(_tars(path))
    must_be_whole(tars)
    return by_part(tars)


def by_part(tars: list[Path]) -> dict[str, list[Path]]:
    """Shards by split, from their names. Without any train…, all are for training."""
    parts = {part: [t for t in tars if t.name.casefold().startswith(names)] for part, names in PART_NAMES.items()}
    return {part: files for part, files in parts.items() if files} if parts["train"] else {"train": tars}


def read_pattern(pattern: str) -> Parts:
    """The shards that a pattern names. Raises DataError that names missing ones."""
    return divided({"train": _table(_present(pattern))})


def stream_pattern(pattern: str) -> Shards:
    """The shards that a pattern names, to be read piece by piece. Raises DataError as `read_pattern` does."""
    return streamed_parts({"train": tuple(map(_streamed, _present(pattern)))})


def _present(pattern: str) -> list[Path]:
    paths = expand(pattern)
    absent = [str(path) for path in paths if not path.is_file()]
    if absent or not paths:
        raise DataError(f"Of the {len(paths)} shards {pattern}, {len(absent)} do not exist, such as {absent[:1]}.")
    return paths


def _streamed(path: Path) -> Shard:
    return streamed(path, *stamped(path))


def streamed(path: Path, stamp: str, changed: int) -> Shard:
    """A shard on this disk or, with the path of its copy, in a store."""
    return Shard(str(path), stamp, partial(_tables, path), changed=changed)


def _tables(shard: Path) -> Iterator[Table]:
    """A shard's examples that have an image, in tables of a few rows each."""
    examples = ((files, picture) for _, files in _examples(shard) if (picture := _picture(files)))
    while some := list(islice(examples, READ)):
        images = [_image(picture) for _, picture in some]
        columns, _ = plain(columns_of_rows([_labels(files) for files, _ in some]))
        _name_classes(columns, shard.parent)
        yield Table(str(shard), images, columns, [], schema_in(shard.parent), ("label",) if "label" in columns else ())


def _image(picture: Member | Held) -> EncodedImage:
    content = picture.content if isinstance(picture, Held) else picture
    return EncodedImage(f"{picture.name} in {picture.archive}", content)


def _tars(folder: Path) -> Iterator[Path]:
    return (p for p in folder.glob("*.tar") if p.is_file() and not p.name.startswith("."))


def _table(shards: list[Path]) -> Table:
    """All examples, in the order of the shards."""
    images, rows, ignored = [], [], dict[str, int]()
    for shard in shards:
        for key, files in _examples(shard):
            member = _picture(files)
            if member is None:
                ignored[f"without an image, such as {key}"] = ignored.get(f"without an image, such as {key}", 0) + 1
                continue
            images.append(_image(member))
            rows.append(_labels(files))
    if not images:
        raise DataError(f"{shards[0]} holds no images; a WebDataset shard holds key.jpg beside key.json or key.cls.")
    folder = shards[0].parent
    columns, notes = plain(columns_of_rows(rows))
    _name_classes(columns, folder)
    source = str(shards[0]) if len(shards) == 1 else f"{shards[0]} … {shards[-1].name}"
    notes += [f"{sum(ignored.values())} examples were left out: {next(iter(ignored))}."] if ignored else []
    return Table(source, images, columns, notes, schema_in(folder), ("label",) if "label" in columns else ())


def _picture(files: dict[str, Member | Held]) -> Member | Held | None:
    """The image among an example's files: 000.jpg rather than 000.depth.png, else the first."""
    images = [extension for extension in files if _last(extension) in IMAGE_FILES]
    return files[min(images, key=lambda extension: extension.count("."))] if images else None


def _examples(shard: Path) -> Iterator[tuple[str, dict[str, Member | Held]]]:
    """The examples of a shard in order: key, and files by extension."""
    current, files = "", dict[str, Member | Held]()
    for member in _members(shard):
        path = PurePosixPath(member.name)
        stem, _, extension = path.name.partition(".")
        key = str(path.with_name(stem))
        if key != current and files:
            yield current, files
            files = {}
        current = key
        files[f".{extension.casefold()}"] = member
    if files:
        yield current, files


def _members(shard: Path) -> Iterator[Member | Held]:
    """The files of a tar, with their places in it. Raises DataError for a tar that is damaged or not whole."""
    here = shard.exists()
    try:
        with reading(shard) as file, tarfile.open(fileobj=file, mode="r:") as tar:
            for info in tar:
                if info.isreg() and not PurePosixPath(info.name).name.startswith("."):
                    span = (info.offset_data, info.size)
                    yield Member(shard, info.name, span) if here else Held(shard, info.name, _content(tar, info))
                tar.members = []  # type: ignore[attr-defined]  # else all that was seen stays in memory
            _must_end(shard, file, tar.offset)
    except (OSError, tarfile.TarError) as error:
        raise DataError(
            f"{shard} cannot be read as a tar: {first_line(error)}. Unpack a compressed one (gunzip), and copy a "
            "damaged one again."
        ) from None


def _must_end(shard: Path, file: io.BufferedReader, last: int) -> None:
    """Raise DataError unless the end mark of a tar, blocks of zeros, and nothing else follows its last file.

    `tarfile` ends without an error at whatever is no header. One whole block is enough, since no header is zeros.
    last: the place where the last file ends.
    """
    file.seek(last)
    size = 0
    while block := file.read(_BLOCK):
        if any(block):
            raise DataError(
                f"{shard} is damaged, or is several archives in one: after its first {last:,} bytes comes something "
                "that is not a file of this tar. Copy a damaged one again. Unpack joined ones so that blocks of "
                "zeros between them are passed over, and pack their files anew."
            )
        size += len(block)
    if size < tarfile.BLOCKSIZE:
        raise DataError(
            f"{shard} does not end as a tar does, so files at its end may be missing: copy it again. If its writer "
            f"leaves out the end mark, add it (`truncate -s +{2 * tarfile.BLOCKSIZE}` with the file's name)."
        )


def _content(tar: tarfile.TarFile, info: tarfile.TarInfo) -> bytes:
    found = tar.extractfile(info)
    assert found is not None, "only files are read"
    return found.read()


def _labels(files: dict[str, Member | Held]) -> dict[str, Any]:
    """The labels beside an image: fields of key.json, `label` from key.cls, `text` from key.txt."""
    found: dict[str, Any] = {}
    for extension, member in files.items():
        last = _last(extension)
        if last == ".json":
            found |= _fields(member)
        elif last in _TEXTS:
            found["label" if last == ".cls" else "text"] = _text(member)
    return found


def _fields(member: Member | Held) -> dict[str, Any]:
    try:
        fields = json.loads(member.read())
    except (ValueError, RecursionError) as error:
        raise DataError(f"{member.name} in {member.archive} is not JSON: {first_line(error)}") from None
    return fields if isinstance(fields, dict) else {"label": fields}


def _text(member: Member | Held) -> str:
    try:
        return member.read().decode().strip()
    except UnicodeDecodeError:
        raise DataError(f"{member.name} in {member.archive} is not UTF-8 text.") from None


def _last(extension: str) -> str:
    """The last extension: `.jpg` of `.seg.jpg`."""
    return f".{extension.rpartition('.')[2]}"


def _name_classes(columns: dict[str, list[Any]], folder: Path) -> None:
    """Replace class numbers by the names in a classnames.txt beside the shards, one per line."""
    file = folder / CLASS_NAMES
    if "label" not in columns or not file.is_file():
        return
    names = [line.strip() for line in file.read_text(encoding="utf-8").splitlines()]
    columns["label"] = [_class_name(label, names, file) for label in columns["label"]]


def _class_name(label: Any, names: Sequence[str], file: Path) -> Any:
    """The name of a class number, None for −1, and other labels as they are. Raises DataError for too large numbers."""
    text = text_of(label)
    if text == "-1":
        return None
    if not text.isdecimal():
        return label
    if int(text) >= len(names):
        raise DataError(
            f"{file} has {len(names):,} names, for classes from 0 on, but a label is {text}. Complete the file, or "
            "take it out to keep the numbers."
        )
    return names[int(text)]
