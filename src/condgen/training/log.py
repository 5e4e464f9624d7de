"""The log of a run: log.jsonl and TensorBoard."""

import math
from pathlib import Path

from condgen.files import log_line, read_log, write_text
from condgen.progress import Values

LOG, BOARD = "log.jsonl", "tensorboard"


class Log:
    """log.jsonl (one JSON object per line) and TensorBoard event files in a run folder.

    Time is counted in images seen. When training resumes, later entries are removed first, and entries at that point
    are not repeated.
    """

    def __init__(self, folder: Path, images: int):
        from torch.utils.tensorboard import SummaryWriter

        self.path = folder / LOG
        kept = [entry for entry in read_log(self.path) if entry.get("images", math.inf) <= images]
        self.best = max((entry.get("diversity", 0.0) for entry in kept), default=0.0)
        self.last = {tuple(entry) for entry in kept if entry["images"] == images}
        self.said = {entry.get("warning") for entry in kept if entry["images"] == images}
        self.images = images
        write_text(self.path, "".join(map(log_line, kept)))
        self.board = SummaryWriter(str(folder / BOARD), purge_step=images + 1 if images else None)

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


class Unwritten:
    """The log of a process that does not write, since the first of several does."""

    def write(self, images: int, values: Values) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""
