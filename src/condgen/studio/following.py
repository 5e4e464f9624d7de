"""Following a job: its progress, and what its run has written since the last look."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from condgen.studio.spelling import spell
from condgen.training.log import LOG
from condgen.training.place import FILE, HEADER, before

EVENTS = "events.jsonl"
MOST_NOTES = 20
ERROR = "Error: "


@dataclass
class Tail:
    """The lines that are added to a file. `again` is set when the file was written anew, and is read from its start."""

    position: int = 0
    inode: int = 0
    again: bool = False

    def lines(self, path: Path) -> list[str]:
        """The whole lines since the last call."""
        if not path.exists():
            return []
        with path.open("rb") as file:
            inode = path.stat().st_ino
            self.again = bool(self.inode) and inode != self.inode
            self.inode, self.position = inode, 0 if self.again else self.position
            file.seek(self.position)
            content = file.read()
        whole = content[: content.rfind(b"\n") + 1]
        self.position += len(whole)
        return whole.decode("utf-8", "replace").splitlines()


@dataclass
class Said:
    """The things that a job has said so far: notes, the alarm that holds, its tasks, outermost first, and its error."""

    notes: list[str] = field(default_factory=list)
    alarm: str = ""
    tasks: list[dict[str, Any]] = field(default_factory=list)
    error: str = ""
    tail: Tail = field(default_factory=Tail)

    def read(self, events: Path) -> None:
        """Take in the lines that are new."""
        for line in self.tail.lines(events):
            self._take(_event(line))

    def _take(self, event: dict[str, Any]) -> None:
        match event:
            case {"note": str(text)}:
                self.notes = [*self.notes, text][-MOST_NOTES:]
            case {"alarm": str(text)}:
                self.alarm = text
            case {"error": str(text)}:
                self.error = text
            case {"task": str(title)}:
                before = [task for task in self.tasks if task["task"] != title]
                self.tasks = before if event.get("ended") else [*before, event]

    def as_dict(self) -> dict[str, Any]:
        """The progress as plain data, in the words of the page."""
        return {"notes": list(map(spell, self.notes)), "alarm": spell(self.alarm), "tasks": self.tasks}


def _event(line: str) -> dict[str, Any]:
    """A line as an event. Text that is no JSON is a note, or the error with which the job ended."""
    try:
        event = json.loads(line)
    except ValueError:
        event = None
    if isinstance(event, dict):
        return event
    return {"error": line.removeprefix(ERROR)} if line.startswith(ERROR) else {"note": line.removeprefix("Note: ")}


def _shown(entry: dict[str, Any]) -> dict[str, Any]:
    """An entry of a log with its warning in the words of the page."""
    return entry | {"warning": spell(entry["warning"])} if "warning" in entry else entry


class Growing:
    """The log and the pictures of a run that is trained, as they grow."""

    def __init__(self, run: Path):
        self.run = run
        self._log = Tail()
        self._pictures: set[str] = set()

    def news(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """New entries of the log, and the names of new pictures: ("log", {entries, again}), ("pictures", {names})."""
        lines = self._log.lines(self.run / LOG)
        if lines:
            entries = [_shown(each) for each in map(_event, lines) if "images" in each]
            yield "log", {"entries": entries, "again": self._log.again}
        names = sorted({path.stem for path in (self.run / "samples").glob("[0-9]*.png")} - self._pictures)
        if names:
            self._pictures |= set(names)
            yield "pictures", {"names": names}


def config(run: Path) -> dict[str, Any]:
    """The header of a run, from its checkpoint or, before there is one, its config.json. Empty if neither can be read.

    The checkpoint is all that a run needs. Its weights are not read.
    """
    return _of_checkpoint(run / FILE) or _of_checkpoint(before(run / FILE)) or _of_config(run / "config.json")


def _of_checkpoint(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        with safe_open(path, "np") as file:
            header = _mapping((file.metadata() or {}).get(HEADER, ""))
    except (OSError, SafetensorError):
        return {}
    recipe = header.get("recipe")
    return (recipe if isinstance(recipe, dict) else {}) | header


def _of_config(path: Path) -> dict[str, Any]:
    try:
        return _mapping(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def _mapping(text: str) -> dict[str, Any]:
    """An object in JSON. Empty for any other text."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
