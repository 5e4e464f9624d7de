"""Preparation of many encoded images into one file of pixels in the cache, once.

The file is cut into chunks, which processes decode and write in place. A finished chunk is recorded with a hash of its
pixels. Preparation can therefore be killed at any moment and continue later. A folder gets its final name only when it
is complete.
"""

import csv
import hashlib
import json
import math
import os
import shutil
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from jaxtyping import Int, Shaped
from torch import Tensor

from condgen.cache import cache_folder
from condgen.data.coordinates import Coordinates
from condgen.data.source import AtMost
from condgen.data.storage.images import DEEPEST, RESIZE, EncodedImage, Fit, PassingError, Pixels, fitted, strict_decoder
from condgen.data.storage.mapped import Mapped, Store
from condgen.data.storage.unusual import SURVEYED, Survey, headers
from condgen.errors import DataError, RequestError, unknown
from condgen.files import publish, writing
from condgen.progress import SILENT, Progress, Task

VERSION = 1  # version of preparation; a new one prepares everything anew
SMALL = 50 * 2**20  # largest number of bytes, encoded and decoded, kept in memory
LARGEST_GUESS = 64  # largest default side for images of different sizes
CHUNK = 12 * 2**20  # bytes of pixels per chunk
PIXELS, FACTS, DONE = "images.u8", "prepared.json", "done.jsonl"


@dataclass(frozen=True)
class Prepared:
    """Images (or vectors and their coordinates), their rows among those given, and notes on changes made to them."""

    images: Shaped[Tensor, "n ..."] | Mapped
    rows: Int[Tensor, " n"]
    notes: list[str]
    coordinates: Coordinates | None = None


@dataclass(frozen=True)
class Chunk:
    """The result for images number `start` …: broken ones with reasons, the number resized, and a hash of
    the pixels.
    """

    start: int
    count: int
    digest: str
    resized: int
    broken: list[tuple[int, str]]


def prepare(
    images: Sequence[EncodedImage],
    size: int | AtMost | None = None,
    resize: str = "crop",
    *,
    broken: float = 0.05,
    progress: Progress = SILENT,
) -> Prepared:
    """All images as pixels of one size. Small data stays in memory, and the rest is prepared in the cache once.

    size: side of the square to which every image is resized, by the policy `resize` (see Fit). Without it, images of
        one size keep it unless a side is not divisible by 4, and images of different sizes become squares.
    broken: the largest share of unreadable images. They are left out and listed.

    Raises DataError for more broken images, for one that cannot be read now, or for a full disk. Raises RequestError
    for an impossible size.
    """
    fit, notes = plan(images, size, resize)
    folder = prepared_folder()
    key = _key(images, fit)
    encoded = 0
    for image in images:
        encoded += image.encoded_size()
        if encoded > SMALL:
            break
    if max(encoded, len(images) * fit.bytes) <= SMALL:
        pixels, chunk = fit_all(0, images, fit)
        return _without_broken(torch.from_numpy(pixels), images, [chunk], fit, notes, broken, folder / key)
    chunks = _prepared(images, fit, folder / key, broken, progress)
    store = Store(folder / key / PIXELS, (len(images), *fit.shape))
    content = hashlib.blake2b(f"{fit.shape} {[c.digest for c in chunks]}".encode(), digest_size=12).hexdigest()
    mapped = Mapped(store, torch.arange(len(images)), content)
    return _without_broken(mapped, images, chunks, fit, notes, broken, folder / key)


def prepared_folder() -> Path:
    """The folder for prepared images, with one subfolder per set."""
    return cache_folder() / "prepared"


# ---- what the images become


def plan(images: Sequence[EncodedImage], size: int | AtMost | None, resize: str) -> tuple[Fit, list[str]]:
    """The common mode and size, from headers, and notes on them. Grey only if all images are grey.

    Raises RequestError for an impossible size or way of resizing.
    """
    if resize not in RESIZE:
        raise unknown("way to resize", resize, RESIZE)
    if isinstance(size, int) and (size < 4 or size % 4):
        raise RequestError(f"The size {size} is not a positive multiple of 4.")
    survey = Survey.of(images)
    seen = survey.headers
    grey = bool(seen) and all(h.grey for h in seen)
    if grey and len(images) > SURVEYED:
        grey = all(h.grey for h in headers(images) if h)
    (width, height), notes = target([h.size for h in seen], size, resize)
    return Fit("L" if grey else "RGB", width, height, resize, survey.white), [*notes, *survey.notes]


def target(sizes: list[tuple[int, int]], size: int | AtMost | None, resize: str) -> tuple[tuple[int, int], list[str]]:
    """The common (width, height), and a note if it differs from that of the images."""
    if isinstance(size, int) or not sizes:
        side = size if isinstance(size, int) else 4
        return (side, side), []
    did = {"crop": "cropped and resized", "pad": "padded and resized", "squash": "squashed"}[resize]
    if isinstance(size, AtMost) and max(_own(sizes, did)[0]) > size.side:
        side, (width, height) = size.side, max(sizes)
        return (side, side), [f"Images of up to {width}×{height} were {did} to {side}×{side} (`size`, `resize`)."]
    return _own(sizes, did)


def _own(sizes: list[tuple[int, int]], did: str) -> tuple[tuple[int, int], list[str]]:
    """The (width, height) that follows from the images' own sizes. did: what becomes of images of another size."""
    kinds = Counter(sizes)
    (width, height), _ = kinds.most_common(1)[0]
    if len(kinds) > 1:
        side = max(4, min(LARGEST_GUESS, int(median(min(s) for s in sizes)) // 4 * 4))
        span = f"{min(sizes)[0]}×{min(sizes)[1]} to {max(sizes)[0]}×{max(sizes)[1]}"
        return (side, side), [f"Images have {len(kinds)} sizes ({span}); {did} to {side}×{side} (`size`, `resize`)."]
    if width % 4 or height % 4:
        wide, high = (max(4, round(side / 4) * 4) for side in (width, height))
        return (wide, high), [f"Images are {width}×{height}; {did} to {wide}×{high}, since sides must divide by 4."]
    return (width, height), []


def _key(images: Sequence[EncodedImage], fit: Fit) -> str:
    """A key that changes with the images, their order, and their target form."""
    digest = hashlib.blake2b(f"{VERSION} {fit}{'' if fit.top == DEEPEST else fit.top}".encode(), digest_size=16)
    for image in images:
        stamp = image.stamp()
        digest.update(len(stamp).to_bytes(4, "little") + stamp)
    return digest.hexdigest()


def fit_all(start: int, images: Sequence[EncodedImage], fit: Fit) -> tuple[Pixels, Chunk]:
    """Pixels uint8 [n, channel, height, width] of images number `start` …. Broken images are zero.

    Raises DataError for an image that may be readable later, since those that are left out are not tried again.
    """
    pixels = np.zeros((len(images), *fit.shape), dtype=np.uint8)
    broken, resized = [], 0
    with strict_decoder():
        for k, image in enumerate(images):
            try:
                pixels[k], changed = fitted(image, fit)
                resized += changed
            except PassingError as error:
                raise DataError(f"{error} Do the same again when it can be read, or take it out of the data.") from None
            except DataError as error:
                broken.append((start + k, str(error)))
    return pixels, Chunk(start, len(images), _digest(pixels.tobytes()), resized, broken)


def _digest(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=16).hexdigest()


# ---- the file in the cache


def _prepared(images: Sequence[EncodedImage], fit: Fit, folder: Path, broken: float, progress: Progress) -> list[Chunk]:
    """The chunks of a folder, prepared now unless it is complete. Waits for another process that prepares it."""
    from filelock import FileLock

    shape = (len(images), *fit.shape)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.with_suffix(".lock")):
            if not complete(folder, shape):
                shutil.rmtree(folder, ignore_errors=True)
                with progress.task("preparing", len(images), unit="images") as task:
                    _make(images, fit, folder, math.prod(shape), broken, task)
            return _chunks(_read_facts(folder)["chunks"])
    except OSError as error:
        reason = error.strerror or error
        raise DataError(
            f"The images cannot be prepared in {folder.parent}: {reason}. Free space or fix its permissions, or "
            "name another folder in CONDGEN_CACHE."
        ) from None


def complete(folder: Path, shape: Sequence[int]) -> bool:
    """Whether a folder contains all images of this shape, prepared, and a list of them without damage."""
    pixels = folder / PIXELS
    return bool(_read_facts(folder)) and pixels.is_file() and pixels.stat().st_size == math.prod(shape)


def verify(folder: Path) -> int:
    """The number of images in a folder of prepared ones. Raises DataError if a bit of them has changed."""
    facts = _read_facts(folder)
    wrong = 0 if facts else 1
    with (folder / PIXELS).open("rb") as file:
        for chunk in _chunks(facts.get("chunks", ())):
            content = file.read(chunk.count * math.prod(facts["shape"][1:]))
            wrong += _digest(content) != chunk.digest
    if wrong:
        raise DataError(f"The prepared images in {folder} are damaged. Delete the folder, and they are prepared again.")
    return int(facts["shape"][0])


def _write_facts(folder: Path, facts: Mapping[str, Any]) -> None:
    text = json.dumps(facts)
    (folder / FACTS).write_text(f"{text}\n{_digest(text.encode())}\n")


def _read_facts(folder: Path) -> dict[str, Any]:
    """The list of prepared images; empty if there is none or it is damaged. Earlier versions wrote no digest."""
    try:
        text, *digest = (folder / FACTS).read_text().split("\n")
        sound = not digest or digest == [_digest(text.encode()), ""]
        return dict(json.loads(text)) if sound else {}
    except (OSError, ValueError):
        return {}


def _make(images: Sequence[EncodedImage], fit: Fit, folder: Path, size: int, broken: float, task: Task) -> None:
    """Prepare the chunks that an earlier attempt has not, then publish the whole folder."""
    partial = folder.with_suffix(".partial")
    partial.mkdir(exist_ok=True)
    pixels = partial / PIXELS
    _make_room(pixels, size)
    chunks = _sound_chunks(partial, fit)
    done = sum(c.count for c in chunks)
    task.move(done)
    with (partial / DONE).open("w") as log:
        for chunk in chunks:
            log.write(json.dumps(asdict(chunk)) + "\n")
        for chunk in _working(images, fit, pixels, {c.start for c in chunks}):
            chunks.append(chunk)
            log.write(json.dumps(asdict(chunk)) + "\n")
            log.flush()
            done += chunk.count
            task.move(done)
    chunks.sort(key=lambda c: c.start)
    _check_share(chunks, len(images), broken)
    facts = {"version": VERSION, "shape": [len(images), *fit.shape], "fit": asdict(fit)}
    _write_facts(partial, facts | {"chunks": [asdict(c) for c in chunks]})
    (partial / DONE).unlink()
    publish(partial, folder)


def _make_room(pixels: Path, size: int) -> None:
    """Create the file at its full size. Raises DataError if the disk is too full."""
    taken = pixels.stat().st_blocks * 512 if pixels.exists() and hasattr(os.stat_result, "st_blocks") else 0
    free = shutil.disk_usage(pixels.parent).free
    if free < size - taken + 64 * 2**20:
        raise DataError(
            f"The prepared images take {size / 1e9:.1f} GB, but {pixels.parent.parent} has only {free / 1e9:.1f} GB "
            "free. Make room, name a folder on another disk in CONDGEN_CACHE, or ask for smaller images (`size`)."
        )
    with pixels.open("ab") as file:
        file.truncate(size)


def _sound_chunks(partial: Path, fit: Fit) -> list[Chunk]:
    """Chunks that an earlier attempt finished and whose pixels on disk match the recorded hash."""
    if not (partial / DONE).is_file():
        return []
    lines = (partial / DONE).read_text().splitlines()
    try:
        found = _chunks(map(json.loads, lines))
    except (ValueError, TypeError):  # killed in the middle of the last line
        found = _chunks(map(json.loads, lines[:-1]))
    with (partial / PIXELS).open("rb") as file:

        def sound(chunk: Chunk) -> bool:
            file.seek(chunk.start * fit.bytes)
            return _digest(file.read(chunk.count * fit.bytes)) == chunk.digest

        return [chunk for chunk in found if sound(chunk)]


def _chunks(found: Any) -> list[Chunk]:
    return [Chunk(**{**c, "broken": [(row, why) for row, why in c["broken"]]}) for c in found]


def _working(images: Sequence[EncodedImage], fit: Fit, pixels: Path, done: set[int]) -> Iterator[Chunk]:
    """Chunks as processes finish them. joblib's processes need no `if __name__ == "__main__"` in the user's script."""
    from concurrent.futures.process import BrokenProcessPool

    from joblib import Parallel, delayed

    count = max(16, min(1_024, CHUNK // fit.bytes))  # little is lost if the process is killed
    starts = [start for start in range(0, len(images), count) if start not in done]
    jobs = (delayed(_write)(pixels, start, list(images[start : start + count]), fit) for start in starts)
    together = Parallel(n_jobs=-1, return_as="generator_unordered", initializer=_end_with, initargs=(os.getpid(),))
    try:
        yield from together(jobs)
    except BrokenProcessPool:
        raise DataError(
            "A process that decoded images was killed, most likely because memory ran out. Do the same again, and "
            "preparation goes on where it stood."
        ) from None


def _end_with(parent: int) -> None:
    """Make this process end soon after its parent, even if the parent is killed before it assigns work."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _write(pixels: Path, start: int, images: list[EncodedImage], fit: Fit) -> Chunk:
    """Decode a chunk into its place. Another process that does the same writes the same bytes."""
    array, chunk = fit_all(start, images, fit)
    with pixels.open("rb+") as file:
        file.seek(start * fit.bytes)
        file.write(array.data)
    return chunk


# ---- what is broken


def _check_share(chunks: Sequence[Chunk], n: int, allowed: float) -> None:
    """Raise DataError if more than the allowed share of images is broken."""
    reasons = [why for chunk in chunks for _, why in chunk.broken]
    if len(reasons) > allowed * n or len(reasons) == n:
        more = f" (and {len(reasons) - 3:,} more)" if len(reasons) > 3 else ""
        raise DataError(
            f"{len(reasons):,} of {n:,} images are unusable, and a share of at most {allowed:.2g} may be left out: "
            f"{' '.join(reasons[:3])}{more} Repair them or take them out, or allow more (`broken`)."
        )


def _without_broken(
    pixels: Tensor | Mapped,
    images: Sequence[EncodedImage],
    chunks: Sequence[Chunk],
    fit: Fit,
    notes: list[str],
    allowed: float,
    folder: Path,
) -> Prepared:
    """The readable images, and a note on the others."""
    n = len(images)
    _check_share(chunks, n, allowed)
    broken = [each for chunk in chunks for each in chunk.broken]
    resized = sum(chunk.resized for chunk in chunks)
    if 0 < resized < n - len(broken) and not any(f"{fit.width}×{fit.height}" in note for note in notes):
        notes = [*notes, f"{resized:,} images of other sizes were resized to {fit.width}×{fit.height} ({fit.resize})."]
    if not broken:
        return Prepared(pixels, torch.arange(n), notes)
    path = folder.with_suffix(".quarantine.csv")
    _quarantine(path, images, broken)
    kept = torch.ones(n, dtype=torch.bool)
    kept[[row for row, _ in broken]] = False
    what = f"{len(broken):,} of {n:,} images are unusable and were left out; {path} says why. The first: {broken[0][1]}"
    return Prepared(pixels[kept], kept.nonzero()[:, 0], [*notes, what])


def _quarantine(path: Path, images: Sequence[EncodedImage], broken: Sequence[tuple[int, str]]) -> None:
    """Write the list of images that are left out, with reasons."""
    with (
        writing(path) as partial,
        partial.open("w", newline="", encoding="utf-8", errors="backslashreplace") as file,
    ):
        table = csv.writer(file)
        table.writerow(["row", "image", "reason"])
        table.writerows([row + 1, images[row].name, reason] for row, reason in broken)
