"""Cache of pictures that are slow to draw: `$CONDGEN_CACHE/worlds`, or `~/.cache/condgen/worlds`."""

from collections.abc import Callable
from contextlib import suppress

from jaxtyping import UInt8
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from condgen.data.storage.cache import cache_folder
from condgen.files import writing

Images = UInt8[Tensor, "n channel height width"]


def kept(key: str, draw: Callable[[], Images]) -> Images:
    """The images cached under a key, or drawn and cached. A cache that cannot be written is skipped."""
    file = cache_folder() / "worlds" / f"{key}.safetensors"
    with suppress(OSError, SafetensorError, KeyError):
        return load_file(file)["x"]
    images = draw()
    with suppress(OSError, SafetensorError), writing(file) as partial:
        save_file({"x": images.contiguous()}, partial)
    return images
