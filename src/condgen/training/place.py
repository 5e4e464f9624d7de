"""The file of a run's checkpoint, and of the one before it."""

from pathlib import Path

from condgen.errors import RunError
from condgen.files import former

FILE = "checkpoint.safetensors"
HEADER = "condgen"  # the text in a checkpoint's metadata that holds its header


def before(path: Path) -> Path:
    """The path of the checkpoint that this one replaced, while it is kept."""
    return former(path)


def must_exist(path: Path) -> None:
    """Raise RunError if there is no checkpoint."""
    if not path.is_file() and not before(path).is_file():
        raise RunError(f"There is no checkpoint at {path}. Is this the folder of a run?")
