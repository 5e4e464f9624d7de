"""The place of a run: its folder, and the file of its weights. It is found without PyTorch."""

from pathlib import Path

from condgen.runs import hub
from condgen.stores.address import is_address, local
from condgen.stores.copies import here
from condgen.training.place import FILE, must_exist


def home(path: str | Path) -> Path:
    """The folder of a run, also for the path of its checkpoint. For exported weights, the file.

    A run on the Hub (`hf:owner/name`) or in a store (`s3://bucket/run`) is fetched. In a folder as the Hub has it, the
    file of weights is meant.
    """
    return _home(hub.fetched(str(path)) if hub.is_address(path) else here(path))


def file_of(home: Path) -> Path:
    """The file that holds a run's weights."""
    return home if home.is_file() else home / FILE


def must_hold_a_run(path: str | Path) -> None:
    """Raise RunError if there is no run at a path on this disk. Addresses are left to whoever fetches them."""
    if not hub.is_address(path) and not is_address(path):
        must_exist(file_of(_home(local(path))))


def _home(path: Path) -> Path:
    if path.is_dir() and (path / hub.WEIGHTS).is_file() and not (path / FILE).exists():
        return path / hub.WEIGHTS
    return path.parent if path.is_file() and path.name == FILE else path
