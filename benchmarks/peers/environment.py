"""Environments of peers: a folder each, made by `venv` and filled by `pip` with pinned versions."""

import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
CONSTRAINTS = (HERE.parents[1] / "constraints.txt", HERE / "constraints.txt")
INSTALLED = "installed.txt"  # in the folder of an environment that is complete: the versions of everything in it


class Unavailable(Exception):  # noqa: N818  (a peer that cannot be installed is a row of the table)
    """A peer cannot be installed here. The text says why."""


def cache_folder() -> Path:
    """`condgen-peers` in the user's cache folder."""
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "condgen-peers"


def python_of(name: str, packages: tuple[str, ...], cache: Path) -> Path:
    """The Python of a peer's environment, made at the first call. Raises Unavailable with pip's own words.

    packages: their versions are those of the two files of constraints. Without any, condgen's own Python.
    """
    if not packages:
        return Path(sys.executable)
    folder = cache / name
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if not (folder / INSTALLED).exists():
        print(f"Making the environment of {name} in {folder} …", flush=True)
        _run(sys.executable, "-m", "venv", "--clear", str(folder))
        pinned = [word for file in CONSTRAINTS for word in ("--constraint", str(file))]
        _run(str(python), "-m", "pip", "install", "--quiet", *pinned, "torch", "numpy", *packages)
        (folder / INSTALLED).write_text(_run(str(python), "-m", "pip", "freeze"))
    return python


def version_of(package: str, name: str, cache: Path) -> str:
    """The version of a package in a peer's environment."""
    for line in (cache / name / INSTALLED).read_text().splitlines():
        if line.lower().replace("_", "-").startswith(f"{package.lower()}=="):
            return line.partition("==")[2]
    return ""


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise Unavailable(last_words(done.stderr))
    return done.stdout


def last_words(text: str) -> str:
    """The last line of a program's complaint."""
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1].strip() if lines else "it ended without a word"
