"""Generators by their path or address."""

from collections.abc import Callable
from pathlib import Path

from condgen.lazy import in_bulk
from condgen.registry import Registry
from condgen.runs.generator import Generator
from condgen.runs.place import file_of, home, must_hold_a_run
from condgen.stores.address import is_address
from condgen.stores.copies import here

SERVERS = ("http://", "https://")
FILES = (".onnx", ".safetensors")  # of models, which a server may also hand out as they are

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
    (`hf:owner/name`) or in a store (`s3://…`), an exported model on the Hub (`hf:owner/name/FILE.onnx`), or a served
    model (`http://…`).

    Raises RunError if there is none.
    """
    place = str(path)
    if is_address(place) and (not place.startswith(SERVERS) or place.endswith(FILES)):
        place = str(here(place))
    for name in OPENERS:
        if (place.casefold().endswith(name) and not _is_run(place)) or place.startswith(name):
            return OPENERS[name](place)
    must_hold_a_run(place)  # before the import of PyTorch
    with in_bulk():
        from condgen.runs.run import Run
    return Run.open(place)


def _is_run(place: str) -> bool:
    """Whether a path is the folder of a run, which may be called `model.onnx`."""
    return Path(place).is_dir() and file_of(home(place)).is_file()
