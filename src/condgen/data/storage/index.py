"""Cache of opened sources, so that a source is reopened without reading its tables or images.

The attribute table lies beside the pixels in the cache, under a hash of the options and of the source's state: the
path, size and time of change of every file. New, changed, removed or renamed files are noticed. A file that keeps its
size and gets its old time of change back is not.
"""

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from jaxtyping import Int
from torch import Tensor

from condgen import sealed
from condgen.data.coordinates import Coordinates
from condgen.data.dataset import Dataset
from condgen.data.source import AtMost
from condgen.data.storage.images import EncodedImage
from condgen.data.storage.mapped import Mapped, Store
from condgen.data.storage.prepare import PIXELS, complete, prepared_folder
from condgen.files import writing
from condgen.schema import Condition, Schema

FORMAT = 1  # version of the cache; a new one reads every source anew
BESIDE = {".json", ".txt", ".csv"}  # files beside a source that readers use: a schema, class names, parts

State = str  # a hash that changes with what is in files and folders


@dataclass(frozen=True)
class LoadOptions:
    """The arguments of `load` that determine the content of a source."""

    attributes: Sequence[str] | None
    size: int | AtMost | None
    schema: Schema | None
    resize: str
    broken: float
    group: str | None


@dataclass(frozen=True)
class LoadedSource:
    """The content of a source, before it is split.

    training: the number of first rows for training. The others are a separate test set, if `tested`.
    validation: the number of last training rows that are a validation part of their own.
    groups: the group number of each training row, for a split by groups.
    coordinates: of vectors.
    """

    data: Dataset
    training: int
    tested: bool
    notes: tuple[str, ...]
    validation: int = 0
    groups: Int[Tensor, " n"] | None = None
    coordinates: Coordinates | None = None


# ---- the state of a source


def state(places: Iterable[Path], deep: bool = True) -> State:
    """A hash that changes with every file in these places, with subfolders if `deep`, and with texts beside these
    files.
    """
    digest = hashlib.blake2b(digest_size=16)
    for place in places:
        for text in _listings(str(place), deep) if place.is_dir() else [_beside(place)]:
            digest.update(text.encode(errors="surrogateescape"))
    return digest.hexdigest()


def _listings(folder: str, deep: bool) -> Iterator[str]:
    """Listings of a folder and of each below it. Links are followed, and circular ones only once."""
    waiting, seen = [folder], set()
    while waiting:
        here = waiting.pop()
        known = os.stat(here)
        if (known.st_dev, known.st_ino) in seen:
            continue
        seen.add((known.st_dev, known.st_ino))
        with os.scandir(here) as found:
            entries = sorted(found, key=lambda entry: entry.name)
        folders = [entry.path for entry in entries if _is_folder(entry)]
        waiting += folders if deep else []
        yield _listing(here, [entry for entry in entries if not _is_folder(entry)] if folders else entries)


def _is_folder(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link in a circle
        return False


def _beside(file: Path) -> str:
    """A file and the texts in its folder."""
    if not file.parent.is_dir():
        return f"{file} is not there"
    with os.scandir(file.parent) as found:
        texts = [e for e in found if e.name == file.name or os.path.splitext(e.name)[1].casefold() in BESIDE]
    return _listing(str(file), sorted(texts, key=lambda entry: entry.name))


def _listing(name: str, entries: Iterable["os.DirEntry[str]"]) -> str:
    return "\n".join([name, *map(_line, entries), ""])


def _line(entry: "os.DirEntry[str]") -> str:
    try:
        found = entry.stat()
    except OSError:
        return f"{entry.name} leads nowhere"
    return f"{entry.name}\0{found.st_size}\0{found.st_mtime_ns}"


# ---- what is kept


@dataclass(frozen=True)
class SourceCache:
    """The place in the cache for one source, in its present state and with its options.

    places: the files and folders of the source.
    path: None if nothing can be cached.
    """

    places: Sequence[Path]
    path: Path | None

    @classmethod
    def of(cls, source: str, places: Sequence[Path], wanted: LoadOptions) -> "SourceCache":
        """The cache for a source at these places. Without any place, nothing is cached."""
        if not places:
            return cls((), None)
        said = repr((FORMAT, version("condgen"), source, [*map(str, places)], state(places), wanted))
        key = hashlib.blake2b(said.encode(errors="surrogateescape"), digest_size=16).hexdigest()
        return cls(places, prepared_folder() / f"{key}.table")

    def holders(self, images: Iterable[EncodedImage]) -> dict[str, State]:
        """The archives and image folders outside the source's own places, with their present state."""
        if self.path is None:
            return {}
        files = (image.content for image in images if not isinstance(image.content, bytes))
        named = {os.path.dirname(file) if isinstance(file, Path) else str(file.archive) for file in files}
        own = [place.resolve() for place in self.places]
        return {name: _there(name) for name in named if not any(Path(name).resolve().is_relative_to(p) for p in own)}

    def take(self) -> LoadedSource | None:
        """The cached content, or None if images elsewhere have changed or the pixels are gone."""
        if self.path is None:
            return None
        try:
            texts, tensors = sealed.read(self.path)
            info = json.loads(texts["opened"])
        except (OSError, sealed.DamagedError):
            return None
        pixels = prepared_folder() / info["pixels"]
        if not complete(pixels, info["shape"]) or any(_there(name) != seen for name, seen in info["elsewhere"].items()):
            return None
        schema = Schema.model_validate(info["schema"])
        labels = Condition(schema, {name: tensors[f"code/{name}"] for name in schema.names}, tensors["present"])
        images = Mapped(Store(pixels / PIXELS, tuple(info["shape"])), tensors["rows"], info["content"])
        groups = tensors.get("groups")
        return LoadedSource(
            Dataset(images, labels),
            info["training"],
            info["tested"],
            tuple(info["notes"]),
            info["validation"],
            groups,
        )

    def keep(self, opened: LoadedSource, elsewhere: Mapping[str, State]) -> None:
        """Cache a source. elsewhere: the state of outside archives and folders before their images were prepared."""
        images, labels = opened.data.observations, opened.data.condition
        if self.path is None or not isinstance(images, Mapped):
            return  # small data is read again quickly
        info = {
            "pixels": images.store.path.parent.name,
            "shape": images.store.shape,
            "content": images.content,
            "schema": labels.schema.model_dump(mode="json"),
            "training": opened.training,
            "tested": opened.tested,
            "validation": opened.validation,
            "notes": opened.notes,
            "elsewhere": elsewhere,
        }
        tensors = {f"code/{name}": codes for name, codes in labels.values.items()}
        tensors |= {"present": labels.present, "rows": images.rows}
        tensors |= {} if opened.groups is None else {"groups": opened.groups}
        with writing(self.path) as partial:
            sealed.write(partial, tensors, {"opened": json.dumps(info)})


def _there(name: str) -> State:
    """The state of an image folder without its subfolders, or of an archive."""
    return state([Path(name)], deep=False)
