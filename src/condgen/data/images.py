"""From encoded images to one uint8 array: decoding, orientation, channels, size."""

import io
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from condgen.data.members import Member
from condgen.errors import DataError, RequestError

LARGEST_GUESS = 64  # side that images of different sizes get when none is asked for


@dataclass(frozen=True)
class EncodedImage:
    """An encoded image, as bytes, as a file or inside an archive, and the name to call it by in messages."""

    name: str
    content: bytes | Path | Member


def decode(image: EncodedImage) -> Image.Image:
    """The image, upright, grey (mode L) or colour (mode RGB). Raises DataError that names it."""
    try:
        content = image.content.read() if isinstance(image.content, Member) else image.content
        stream = content if isinstance(content, Path) else io.BytesIO(content)
        with Image.open(stream) as opened:
            return _eight_bits(ImageOps.exif_transpose(opened))
    except FileNotFoundError:
        raise DataError(f"The image {image.name} does not exist.") from None
    except Exception as error:  # decoders of damaged files raise anything
        reason = "it is not an image" if isinstance(error, UnidentifiedImageError) else str(error) or "it is damaged"
        raise DataError(f"The image {image.name} cannot be read: {reason}. Repair it or take it out.") from None


def _eight_bits(image: Image.Image) -> Image.Image:
    """Grey (mode L) or colour (mode RGB). Raises ValueError for a range of brightness that the file does not tell."""
    if image.mode.startswith("I;16"):
        return Image.fromarray((np.asarray(image).astype(np.uint16) / 257).round().astype(np.uint8))
    if image.mode in ("I", "F"):
        raise ValueError("its pixels are 32-bit numbers; save it with 8 or 16 bits")
    if image.mode in ("1", "L", "LA"):
        return image.convert("L")
    return (image.convert("RGBA") if "transparency" in image.info else image).convert("RGB")


def load_images(images: Sequence[EncodedImage], size: int | tuple[int, int] | None) -> tuple[Tensor, list[str]]:
    """All images as uint8 [n, channel, height, width], and notes on what was done to them.

    size: the side of the square, or the width and height, that every image is cropped (centred) and resized to. Without
    it, images of one size stay as they are, unless a side is not divisible by 4; images of different sizes become
    squares.
    """
    with ThreadPoolExecutor(2) as pool:
        decoded = list(pool.map(decode, images))
    mode = "L" if all(image.mode == "L" for image in decoded) else "RGB"
    target, notes = _target([image.size for image in decoded], size)
    array = np.stack([_fitted(image.convert(mode), target) for image in decoded])
    if array.ndim == 3:
        array = array[..., None]
    return torch.from_numpy(array).permute(0, 3, 1, 2).contiguous(), notes


def _target(sizes: list[tuple[int, int]], size: int | tuple[int, int] | None) -> tuple[tuple[int, int], list[str]]:
    """The common (width, height), and a note if it is not simply that of the images."""
    if isinstance(size, tuple):
        return size, []
    if size is not None:
        if size < 4 or size % 4:
            raise RequestError(f"The size {size} is not a positive multiple of 4.")
        return (size, size), []
    kinds = Counter(sizes)
    (width, height), _ = kinds.most_common(1)[0]
    if len(kinds) > 1:
        short = median(min(s) for s in sizes)
        side = max(4, min(LARGEST_GUESS, int(short) // 4 * 4))
        span = f"{min(sizes)[0]}×{min(sizes)[1]} to {max(sizes)[0]}×{max(sizes)[1]}"
        return (side, side), [
            f"Images have {len(kinds)} sizes ({span}); cropped and resized to {side}×{side} (--size)."
        ]
    if width % 4 or height % 4:
        fitted = max(4, round(width / 4) * 4), max(4, round(height / 4) * 4)
        return fitted, [
            f"Images are {width}×{height}; resized to {fitted[0]}×{fitted[1]}, since sides must divide by 4."
        ]
    return (width, height), []


def _fitted(image: Image.Image, target: tuple[int, int]) -> "np.ndarray[tuple[int, ...], np.dtype[np.uint8]]":
    """The image's centre in the target's proportions, at the target's size, antialiased."""
    fitted = image if image.size == target else ImageOps.fit(image, target, Image.Resampling.LANCZOS)
    return np.asarray(fitted, dtype=np.uint8)
