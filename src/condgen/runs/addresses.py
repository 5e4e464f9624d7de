"""Generators by their path or address."""

from collections.abc import Callable
from pathlib import Path

from condgen.lazy import in_bulk
from condgen.registry import Registry
from condgen.runs.generator import Generator

# What opens other generators than runs: by the end of a file's name, or by the beginning of an address.
OPENERS: Registry[Callable[[str], Generator]] = Registry(
    "kind of generator",
    "condgen.generators",
    {
        ".onnx": "condgen.runtime.generator:OnnxGenerator.open",
        "http://": "condgen.runs.remote:Client",
        "https://": "condgen.runs.remote:Client",
    },
    accepts=callable,
    wanted="function from a path or an address to a condgen.runs.generator.Generator",
)


def open_generator(path: str | Path) -> Generator:
    """The generator at a path or an address: the run in a folder, exported weights, an exported model, a run on the Hub
    (`hf:owner/name`), an exported model there (`hf:owner/name/FILE.onnx`), or a served model (`http://…`).

    Raises RunError if there is none.
    """
    place = str(path)
    for name in OPENERS:
        if place.casefold().endswith(name) or place.startswith(name):
            return OPENERS[name](place)
    with in_bulk():
        from condgen.runs.run import Run
    return Run.open(path)
