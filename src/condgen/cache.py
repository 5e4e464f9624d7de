"""The folder for files that condgen can make or fetch again."""

import os
from pathlib import Path


def cache_folder() -> Path:
    """$CONDGEN_CACHE, or `condgen` in the user's cache folder."""
    default = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "condgen"
    return Path(os.environ.get("CONDGEN_CACHE", default))
