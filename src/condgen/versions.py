"""The versions with which something was made."""

import sys
from importlib.metadata import version

ENGINES = ("torch", "onnxruntime")


def versions() -> dict[str, str]:
    """The versions of condgen and of the engines in use, for runs, reports and samples."""
    return {name: version(name) for name in ("condgen", *(each for each in ENGINES if each in sys.modules))}
