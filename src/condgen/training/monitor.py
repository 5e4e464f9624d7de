"""What a person sees of training, and what is kept of it: progress, log.jsonl, TensorBoard."""

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from condgen.files import log_line, read_log, write_text

Values = dict[str, float]


@runtime_checkable
class Monitor(Protocol):
    """Told what happens while a model trains."""

    def start(self, images: int, total: int | None) -> None:
        """Training begins, or goes on, after this many images."""

    def progress(self, images: int, total: int | None, rate: float, values: Values) -> None:
        """Mean losses since the last call; `rate` in images per second."""

    def note(self, text: str) -> None:
        """Something a person should know."""

    def alarm(self, text: str) -> None:
        """What is going wrong at the moment; empty when nothing is."""

    def close(self) -> None:
        """Training ended."""


class Silent:
    """Shows nothing."""

    def start(self, images: int, total: int | None) -> None:
        """Nothing."""

    def progress(self, images: int, total: int | None, rate: float, values: Values) -> None:
        """Nothing."""

    def note(self, text: str) -> None:
        """Nothing."""

    def alarm(self, text: str) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""


class Terminal:
    """A progress bar with live losses, images per second and time left; one plain line at times if not a terminal.

    spell: applied to every note and alarm, for an interface that spells settings its own way; see `condgen.messages`.
    """

    def __init__(self, spell: Callable[[str], str] = str) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        self.console = Console(stderr=True, markup=False, emoji=False, highlight=False)
        columns = (
            TextColumn("{task.fields[seen]} images"),
            BarColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[alarm]}{task.fields[rate]}  {task.fields[values]}", markup=False),
        )
        self.bar = Progress(*columns, console=self.console, refresh_per_second=4)
        self.task = self.bar.add_task("", total=None, seen="0", rate="", values="", alarm="")
        self.plain_at = 0.0
        self.alarmed = ""
        self.spell = spell

    def start(self, images: int, total: int | None) -> None:
        """Show the bar."""
        self.bar.update(self.task, completed=images, total=total)
        if self.console.is_terminal:
            self.bar.start()

    def progress(self, images: int, total: int | None, rate: float, values: Values) -> None:
        """Move the bar, or print a line at every tenth of the way."""
        shown = "  ".join(f"{k} {v:.4g}" for k, v in values.items())
        seen = f"{images:,}" + (f" / {total:,}" if total else "")
        if self.console.is_terminal:
            fields: dict[str, Any] = {"seen": seen, "rate": f"{rate:,.0f} images/s", "values": shown}
            self.bar.update(self.task, completed=images, total=total, **fields)
        elif total and images / total >= self.plain_at:
            self.console.print(f"{seen} images  {rate:,.0f} images/s  {shown}", soft_wrap=True)
            self.plain_at = images / total + 0.1

    def note(self, text: str) -> None:
        """Print a line above the bar."""
        self.console.print(self.spell(text), soft_wrap=True)

    def alarm(self, text: str) -> None:
        """Print a warning above the bar, once if only its numbers change, and mark the bar for as long as it holds."""
        kind = re.sub(r"[\d.%]+", "", text)
        if text and kind != self.alarmed:
            self.note(f"WARNING: {text}")
        self.alarmed = kind
        self.bar.update(self.task, alarm="FAILING  " if text else "")

    def close(self) -> None:
        """Take the bar down."""
        if self.console.is_terminal:
            self.bar.stop()


class Log:
    """log.jsonl (one JSON object a line) and TensorBoard event files in a run folder.

    Counted in images seen. When training resumes, what was logged beyond that point is taken back first, and what was
    logged at that point is not logged again.
    """

    def __init__(self, folder: Path, images: int):
        from torch.utils.tensorboard import SummaryWriter

        self.path = folder / "log.jsonl"
        kept = [entry for entry in read_log(self.path) if entry.get("images", math.inf) <= images]
        self.best = max((entry.get("diversity", 0.0) for entry in kept), default=0.0)
        self.last = {tuple(entry) for entry in kept if entry["images"] == images}
        self.said = {entry.get("warning") for entry in kept if entry["images"] == images}
        self.images = images
        write_text(self.path, "".join(map(log_line, kept)))
        self.board = SummaryWriter(str(folder / "tensorboard"), purge_step=images + 1 if images else None)

    def write(self, images: int, values: Values) -> None:
        """Log values at this many images."""
        entry = {"images": images, **values}
        if images == self.images and tuple(entry) in self.last:
            return
        with self.path.open("a", encoding="utf-8") as file:
            file.write(log_line(entry))
        for name, value in values.items():
            self.board.add_scalar(name, value, images)

    def warn(self, images: int, text: str) -> None:
        """Log a warning at this many images."""
        if images == self.images and text in self.said:
            return
        with self.path.open("a", encoding="utf-8") as file:
            file.write(log_line({"images": images, "warning": text}))
        self.board.add_text("warning", text, images)

    def close(self) -> None:
        """Finish the event file."""
        self.board.close()
