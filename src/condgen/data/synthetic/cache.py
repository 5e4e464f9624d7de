"""Pictures that take a while to draw are kept: `$CONDGEN_CACHE/worlds`, or `~/.cache/condgen/worlds`."""

import os
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from jaxtyping import UInt8
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from condgen.data.storage.cache import cache_folder

Images = UInt8[Tensor, "n channel height width"]


def kept(key: str, draw: Callable[[], Images]) -> Images:
    """The images kept under a key, or else drawn and kept; a cache that cannot be written is done without."""
    file = cache_folder() / "worlds" / f"{key}.safetensors"
    with suppress(OSError, SafetensorError, KeyError):
        return load_file(file)["x"]
    images = draw()
    with suppress(OSError, SafetensorError):
        _write(images, file)
    return images


def _write(images: Images, file: Path) -> None:
    """Whole or not at all, also when several do it at once."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=file.parent) as folder:
        partial = Path(folder) / file.name
        save_file({"x": images.contiguous()}, partial)
        os.replace(partial, file)
