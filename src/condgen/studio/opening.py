"""The runs that the studio shows if none is named."""

from collections.abc import Iterator
from pathlib import Path

from condgen.errors import CondgenError
from condgen.progress import SILENT, Progress
from condgen.serving.served import Serving

CHECKPOINT = "checkpoint.safetensors"
DEEPEST = 3  # folders below the folder of runs
MOST = 8  # runs that are opened


def add_found(serving: Serving, folder: Path, progress: Progress = SILENT) -> None:
    """Serve the latest runs in a folder. Those that cannot be opened are noted, and left out."""
    latest = sorted(_runs(folder, DEEPEST), key=lambda run: -(run / CHECKPOINT).stat().st_mtime)
    if len(latest) > MOST:
        progress.note(
            f"Of {len(latest):,} runs in {folder}, the studio opens on the latest {MOST}. Name others to see them."
        )
    for run in latest[:MOST]:
        try:
            serving.add(named_below(folder, run), run)
        except CondgenError as error:
            progress.note(f"{run} is left out: {error}")


def named_below(folder: Path, run: Path) -> str:
    """A name for a run in a folder: `cars-long` for `runs/cars/long`."""
    return fitting("-".join(run.relative_to(folder).parts))


def fitting(text: str) -> str:
    """A name like a text that fits into an address."""
    return "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "_" for c in text).lstrip("._-")[:100] or "run"


def _runs(folder: Path, deepest: int) -> Iterator[Path]:
    """The folders of runs in a folder, links left out."""
    if not folder.is_dir():
        return
    for each in sorted(folder.iterdir()):
        if (each / CHECKPOINT).is_file():
            yield each
        elif deepest > 1 and each.is_dir() and not each.is_symlink() and not each.name.startswith("."):
            yield from _runs(each, deepest - 1)
