"""The power fails: the disk holds what was flushed and, of the rest, any part.

The order of condgen's calls is recorded, and at each of them disks are made as a failure might leave them. A file holds
what it held when it was last flushed, or something of what came since. A folder lists what it listed when it was
last flushed, or what it listed after any later call. So nothing may rest on the order in which a disk writes.
"""

import os
import random
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any
from unittest import mock

from condgen.files import write_text
from condgen.runs.generator import save_answers
from condgen.runs.run import Run
from condgen.training import checkpoint

from .world import World, same_files

CALLS = ("fsync", "replace", "mkdir", "link", "unlink", "rmdir")
Names = dict[str, int]  # the number of the file or folder of every name in a folder


@dataclass
class Disk:
    """What a power failure may leave of a folder. listings: of every folder, since it was last flushed."""

    root: Path
    flushed: dict[int, bytes] = field(default_factory=dict)
    contents: dict[int, bytes] = field(default_factory=dict)
    listings: dict[int, list[Names]] = field(default_factory=dict)
    numbers: dict[tuple[int, bool], int] = field(default_factory=dict)
    count: Iterator[int] = field(default_factory=count)

    def look(self) -> None:
        """Note what every file holds and every folder lists."""
        found = {each: self._inode(each) for each in (self.root, *self.root.rglob("*"))}
        known = self.numbers  # an inode that is free again may become another file
        self.numbers = {inode: known[inode] if inode in known else next(self.count) for inode in found.values()}
        for path, inode in found.items():
            if inode[1]:
                names = {each.name: self.numbers[found[each]] for each in found if each.parent == path}
                self.listings.setdefault(self.numbers[inode], [{}]).append(names)
            else:
                self.contents[self.numbers[inode]] = path.read_bytes()

    def _inode(self, path: Path) -> tuple[int, bool]:
        return path.stat().st_ino, path.is_dir()

    def flush(self, path: Path) -> None:
        """A file or folder is on the disk as it is now."""
        number = self.numbers[self._inode(path)]
        if path.is_dir():
            self.listings[number] = self.listings[number][-1:]
        else:
            self.flushed[number] = path.read_bytes()

    def flush_all(self) -> None:
        """Everything is on the disk as it is now."""
        self.flushed |= self.contents
        self.listings = {number: listings[-1:] for number, listings in self.listings.items()}

    def fail(self, chance: random.Random, into: Path) -> Path:
        """Make a folder as the disk might have it after a power failure now."""
        self._restore(self.numbers[self._inode(self.root)], chance, into)
        return into

    def _restore(self, number: int, chance: random.Random, path: Path) -> None:
        if number not in self.listings:
            path.write_bytes(self._content(number, chance))
            return
        path.mkdir()
        for name, inner in chance.choice(self.listings[number]).items():
            self._restore(inner, chance, path / name)

    def _content(self, number: int, chance: random.Random) -> bytes:
        safe, new = self.flushed.get(number, b""), self.contents[number]
        if safe == new:
            return safe
        part = new[: chance.randrange(len(new) + 1)]
        return chance.choice([safe, part, part.ljust(len(new), b"\0"), new])


@contextmanager
def recorded(root: Path, failing: Callable[[Disk], None], at_once: bool = False) -> Iterator[None]:
    """Call `failing` after every call that changes or flushes what is below a folder.

    at_once: a folder's whole file system is flushed in one call, as condgen does for folders of many files. Otherwise
        each file is.
    """
    disk = Disk(root)
    disk.look()
    for path in (root, *root.rglob("*")):
        disk.flush(path)

    def watched(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def done(*arguments: Any, **options: Any) -> Any:
            disk.look()
            failing(disk)
            result = call(*arguments, **options)
            disk.look()
            if name == "fsync":
                path = Path(os.readlink(f"/proc/self/fd/{arguments[0]}"))
                if path.is_relative_to(root):
                    disk.flush(path)
            failing(disk)
            return result

        return done

    def flushed_at_once(folder: Path) -> bool:
        disk.look()
        failing(disk)
        if at_once:
            disk.flush_all()
            failing(disk)
        return at_once

    flushing = mock.patch.multiple("condgen.files", WAITING=1, MANY=1, flushed_at_once=flushed_at_once)
    with flushing, mock.patch.multiple(os, **{name: watched(name, getattr(os, name)) for name in CALLS}):
        yield


class Power:
    """Power failures while condgen writes a checkpoint, a text or a folder of samples."""

    def __init__(self, world: World):
        self.run = Run.open(world.run)
        info, tensors = checkpoint.load(world.run / checkpoint.FILE)
        self.info, self.tensors = info, {name: tensors[name] for name in sorted(tensors)[:3]}

    def checkpoints(self, chance: random.Random, place: Path) -> int:
        """Once `advance` has returned, its checkpoint stays; until then the previous one does."""
        root, done, failures = place / "disk", 0, 0
        (root / "run").mkdir(parents=True)
        path = root / "run" / checkpoint.FILE
        checkpoint.advance(path, self._at(0), self.tensors)

        def failing(disk: Disk) -> None:
            nonlocal failures
            with _left(disk, chance, place) as left:
                assert checkpoint.load(left / "run" / checkpoint.FILE)[0].images >= done
            failures += 1

        with recorded(root, failing):
            for images in (1, 2, 3):
                checkpoint.advance(path, self._at(images), self.tensors)
                done = images
            checkpoint.settle(path)
        return failures

    def _at(self, images: int) -> checkpoint.Info:
        self.info.images = images
        return self.info

    def texts(self, chance: random.Random, place: Path) -> int:
        """A text is the old one or the new one, and the new one once `write_text` has returned."""
        root, failures = place / "disk", 0
        root.mkdir()
        texts = [str(k) * 99 for k in range(4)]
        path, allowed = write_text(root / "a" / "b.txt", texts[0]), texts[:2]

        def failing(disk: Disk) -> None:
            nonlocal failures
            with _left(disk, chance, place) as left:
                assert (left / "a" / "b.txt").read_text() in allowed
            failures += 1

        with recorded(root, failing):
            for k, text in enumerate(texts[1:], 1):
                write_text(path, text)
                allowed = texts[k : k + 2]
        return failures

    def samples(self, chance: random.Random, place: Path) -> int:
        """A folder of samples is whole or has another name, and continues to the same."""
        root, failures = place / "disk", 0
        root.mkdir()
        asked = self.run.requests("digit=3|4")
        save_answers(self.run, asked, 3, 0, place / "whole", batch=2)

        def failing(disk: Disk) -> None:
            nonlocal failures
            with _left(disk, chance, place) as left:
                if not (left / "out").exists() and chance.random() < 0.2:
                    save_answers(self.run, asked, 3, 0, left / "out", batch=2)
                if (left / "out").exists():
                    same_files(left / "out", place / "whole")
            failures += 1

        with recorded(root, failing, at_once=chance.random() < 0.5):
            save_answers(self.run, asked, 3, 0, root / "out", batch=2)
        return failures


@contextmanager
def _left(disk: Disk, chance: random.Random, place: Path) -> Iterator[Path]:
    """What a power failure left; the calls on it are not recorded."""
    with mock.patch.multiple(os, **REAL), mock.patch("condgen.files.flushed_at_once", return_value=False):
        left = disk.fail(chance, place / "left")
        try:
            yield left
        finally:
            shutil.rmtree(left)


REAL = {name: getattr(os, name) for name in CALLS}
