"""What a source was found to hold, kept: opened again, no table is read and no image looked at.

The attribute table lies beside the pixels in the cache. It is found under a hash of the options and of the source's
state: the path, size and time of change of every file. What is written anew, added, taken away or renamed is noticed;
what keeps its size and gets its old time of change back is not.
"""

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from jaxtyping import Int
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from condgen.data.coordinates import Coordinates
from condgen.data.dataset import Dataset
from condgen.data.storage.images import EncodedImage
from condgen.data.storage.mapped import Mapped, Store
from condgen.data.storage.prepare import PIXELS, complete, prepared_folder
from condgen.files import writing
from condgen.schema import Condition, Schema

FORMAT = 1  # of what is kept; a new one reads every source anew
BESIDE = {".json", ".txt", ".csv"}  # files that readers look for beside one that is named: a schema, class names, parts

State = str  # a hash that changes with what is in files and folders


@dataclass(frozen=True)
class LoadOptions:
    """What is wanted of a source: the arguments of `load` that decide on what it is found to hold."""

    attributes: Sequence[str] | None
    size: int | None
    schema: Schema | None
    resize: str
    broken: float
    group: str | None


@dataclass(frozen=True)
class LoadedSource:
    """Everything that a source holds, before it is split.

    training: so many rows, the first ones, are for training; the others are a test set that came apart, if `tested`.
    validation: so many of those for training, the last ones, came as a validation part of their own.
    groups: the number of the group that each row for training belongs to, where it is split by groups.
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
    """Changes with every file in these folders (and those below, if `deep`), with these files and the texts beside."""
    digest = hashlib.blake2b(digest_size=16)
    for place in places:
        for text in _listings(str(place), deep) if place.is_dir() else [_beside(place)]:
            digest.update(text.encode(errors="surrogateescape"))
    return digest.hexdigest()


def _listings(folder: str, deep: bool) -> Iterator[str]:
    """What lies in a folder, then in each below it; links are followed, in circles only once."""
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
    """The place in the cache for one source, in its present state, with what is wanted of it.

    places: the files and folders that the source consists of. path: None where nothing can be kept.
    """

    places: Sequence[Path]
    path: Path | None

    @classmethod
    def of(cls, source: str, places: Sequence[Path], wanted: LoadOptions) -> "SourceCache":
        """The place for what is in these files and folders; without any, nothing is kept."""
        if not places:
            return cls((), None)
        said = repr((FORMAT, version("condgen"), source, [*map(str, places)], state(places), wanted))
        key = hashlib.blake2b(said.encode(errors="surrogateescape"), digest_size=16).hexdigest()
        return cls(places, prepared_folder() / f"{key}.table")

    def holders(self, images: Iterable[EncodedImage]) -> dict[str, State]:
        """The archives, and the folders of images, that a source refers to outside its own places; their state now."""
        if self.path is None:
            return {}
        files = (image.content for image in images if not isinstance(image.content, bytes))
        named = {os.path.dirname(file) if isinstance(file, Path) else str(file.archive) for file in files}
        own = [place.resolve() for place in self.places]
        return {name: _there(name) for name in named if not any(Path(name).resolve().is_relative_to(p) for p in own)}

    def take(self) -> LoadedSource | None:
        """What is kept here; nothing, if images elsewhere have changed or the pixels are gone."""
        if self.path is None:
            return None
        try:
            with safe_open(self.path, "pt") as file:
                info = json.loads(file.metadata()["opened"])
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (it is no mapping)
        except (OSError, SafetensorError):
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
        """Keep what was opened. elsewhere: the state of the holders of its images before these were prepared."""
        images, labels = opened.data.observations, opened.data.condition
        if self.path is None or not isinstance(images, Mapped):
            return  # small data are read again, in no time
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
            save_file({k: v.contiguous() for k, v in tensors.items()}, partial, metadata={"opened": json.dumps(info)})


def _there(name: str) -> State:
    """The state of a folder or an archive of images; what lies in a folder below is none of the source's."""
    return state([Path(name)], deep=False)
