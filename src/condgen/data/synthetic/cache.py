"""Cache of pictures that are slow to draw: `$CONDGEN_CACHE/worlds`, or `~/.cache/condgen/worlds`."""

from collections.abc import Callable
from contextlib import suppress

from jaxtyping import UInt8
from safetensors import SafetensorError
from torch import Tensor

from condgen import sealed
from condgen.cache import cache_folder
from condgen.files import writing

Images = UInt8[Tensor, "n channel height width"]


def kept(key: str, draw: Callable[[], Images]) -> Images:
    """The images cached under a key, or drawn and cached. A cache that cannot be written is skipped."""
    file = cache_folder() / "worlds" / f"{key}.safetensors"
    with suppress(OSError, sealed.DamagedError, KeyError):
        return sealed.read(file)[1]["x"]
    images = draw()
    with suppress(OSError, SafetensorError), writing(file) as partial:
        sealed.write(partial, {"x": images}, {})
    return images
