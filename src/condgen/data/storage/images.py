"""From one encoded image to uint8 pixels: decoding, orientation, channels, size."""

import hashlib
import io
import os
from abc import abstractmethod
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path
from typing import Any, overload
from warnings import catch_warnings, filterwarnings, simplefilter

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError
from PIL.TiffImagePlugin import IMAGELENGTH, IMAGEWIDTH

from condgen.arrays import Array, UInt8
from condgen.data.storage.archives import Cell, Member
from condgen.data.storage.faults import passing
from condgen.errors import DataError

RESIZE = ("crop", "pad", "squash")
Pixels = np.ndarray[tuple[int, ...], np.dtype[np.uint8]]

ENLARGED = 8  # largest factor by which an image may be enlarged
ORIENTATION = 0x0112  # the EXIF tag
SIDEWAYS = (5, 6, 7, 8)  # its values for images that are stored lying on a side
DEEPEST = 65_535  # the largest value of a pixel with 16 bits
TRANSPARENT = {"LA", "La", "PA", "RGBA", "RGBa"}
GREY = {"1", "L", "LA", "I;16", "I;16B", "I;16L", "I"}
UPLOADED = ("PNG", "JPEG", "WEBP", "AVIF", "GIF", "BMP", "TIFF", "PPM")  # Pillow's names of formats
PROGRAM = "EPS"  # a format that is a program, for which Pillow starts Ghostscript


def netpbm(pixels: Pixels) -> bytes:
    """Bytes [height, width] or [height, width, channel] as PGM (1 channel) or PPM (3): one header line and the bare
    values.
    """
    height, width, *channels = pixels.shape
    kind = 6 if channels == [3] else 5
    return f"P{kind} {width} {height} 255\n".encode() + pixels.tobytes()


class PassingError(DataError):
    """An image that cannot be read now, and may be later."""


@dataclass(frozen=True, slots=True)
class EncodedImage:
    """An encoded image, as bytes, as a file, or inside an archive or table, and its name for messages.

    uploaded: whether somebody else sent it. It must then have one of the usual formats.
    """

    name: str
    content: bytes | Path | Member | Cell
    uploaded: bool = False

    def read(self) -> bytes:
        """The encoded bytes. Raises OSError for a missing file, and other errors for a damaged archive."""
        if isinstance(self.content, bytes):
            return self.content
        return self.content.read_bytes() if isinstance(self.content, Path) else self.content.read()

    def stamp(self) -> bytes:
        """A stamp that changes with the image: a hash of its bytes, or its file's path, size and time of change.

        For an image in an archive or table it includes the place there.
        """
        if isinstance(self.content, bytes):
            return hashlib.blake2b(self.content, digest_size=16).digest()
        try:
            found = os.stat(self.file)
        except OSError:
            return f"{self.content} is not there".encode(errors="surrogateescape")
        return f"{self.content}\0{found.st_size}\0{found.st_mtime_ns}".encode(errors="surrogateescape")

    @property
    def file(self) -> Path:
        """The file that holds the image, alone or with others."""
        assert not isinstance(self.content, bytes)
        return self.content if isinstance(self.content, Path) else self.content.archive

    def encoded_size(self) -> int:
        """The encoded size in bytes. 0 for a missing file."""
        if isinstance(self.content, bytes):
            return len(self.content)
        if isinstance(self.content, Cell):
            return self.content.length
        if isinstance(self.content, Member) and self.content.span is not None:
            return self.content.span[1]
        return os.stat(self.file).st_size if self.file.is_file() else 0


class Images(Sequence[EncodedImage]):
    """Images that are not made before they are asked for, since there may be millions; slices of them, too."""

    @overload
    def __getitem__(self, index: int) -> EncodedImage: ...
    @overload
    def __getitem__(self, index: slice) -> "Images": ...
    def __getitem__(self, index: int | slice) -> "EncodedImage | Images":
        places = range(len(self))[index]
        return Chosen(self, places) if isinstance(places, range) else self._image(places)

    @abstractmethod
    def _image(self, place: int) -> EncodedImage:
        """The image at a place, counted from 0."""


class Chosen(Images):
    """Some images of others, by their places there."""

    def __init__(self, images: Sequence[EncodedImage], places: Sequence[int]):
        self._images, self._places = images, places

    def __len__(self) -> int:
        return len(self._places)

    def _image(self, place: int) -> EncodedImage:
        return self._images[self._places[place]]


class Joined(Images):
    """The images of several sequences, one after the other."""

    def __init__(self, parts: Sequence[Sequence[EncodedImage]]):
        self._parts = parts
        self._ends = [*accumulate(map(len, parts))]

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def _image(self, place: int) -> EncodedImage:
        part = bisect_right(self._ends, place)
        return self._parts[part][place - self._ends[part] + len(self._parts[part])]


@dataclass(frozen=True)
class Fit:
    """The target form of all images: mode (L or RGB), size in pixels, and the way of resizing.

    resize: crop (the centre in the target's proportions), pad (the whole image on black), or squash (changes the
        proportions).
    top: the value that becomes white in images of 16 bits.
    """

    mode: str
    width: int
    height: int
    resize: str = "crop"
    top: int = field(default=DEEPEST, repr=False)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(channel, height, width)."""
        return (1 if self.mode == "L" else 3, self.height, self.width)

    @property
    def bytes(self) -> int:
        """The size of one image in bytes."""
        channels, height, width = self.shape
        return channels * height * width


@dataclass(frozen=True)
class Header:
    """The facts in an image's first bytes: whether it is grey, and its upright (width, height).

    transparent, animated: whether it has transparency, several frames or pages.
    deep: whether it has 16 bits a pixel.
    """

    grey: bool
    size: tuple[int, int]
    transparent: bool = False
    animated: bool = False
    deep: bool = False


@contextmanager
def strict_decoder() -> Iterator[None]:
    """Treat decompression bombs as errors, and ignore warnings about odd metadata."""
    with catch_warnings():
        simplefilter("ignore")
        filterwarnings("error", category=Image.DecompressionBombWarning)
        yield


def header(image: EncodedImage) -> Header | None:
    """The facts in an image's header, without decoding it. None if it cannot be read."""
    try:
        with opened(image) as found:
            return Header(
                found.mode in GREY,
                upright_size(found),
                transparent=_transparent(found),
                animated=found.format != "MPO" and getattr(found, "is_animated", False),
                deep=_deep(found),
            )
    except Exception:  # decoders of damaged files raise anything; decoding will say what
        return None


def upright_size(image: Image.Image) -> tuple[int, int]:
    """The (width, height) of an image that is opened and not yet decoded, turned as its EXIF orientation says."""
    # Pillow 11 and later give a TIFF's size turned already, and its tags the stored one.
    stored = getattr(image, "tag_v2", None)
    width, height = (stored[IMAGEWIDTH], stored[IMAGELENGTH]) if stored else image.size
    return (height, width) if image.getexif().get(ORIENTATION, 1) in SIDEWAYS else (width, height)


def upright(image: Image.Image) -> Image.Image:
    """The image turned as its EXIF orientation says."""
    return ImageOps.exif_transpose(image) if image.getexif().get(ORIENTATION, 1) != 1 else image


def fitted(image: EncodedImage, fit: Fit) -> tuple[Pixels, bool]:
    """The image as uint8 [channel, height, width], and whether its size had to change. Raises DataError."""
    with _readable(image):
        picture = _decoded(image, 2 * max(fit.width, fit.height), fit.top)
        array = np.asarray(_resized(picture.convert(fit.mode), fit), dtype=np.uint8)
        return array.reshape(fit.height, fit.width, -1).transpose(2, 0, 1), picture.size != (fit.width, fit.height)


def decode(image: EncodedImage, longest: int | None = None) -> Image.Image:
    """The image, upright, grey (mode L) or colour (mode RGB). Raises DataError that names it.

    longest: its sides may be reduced as long as one keeps so many pixels, which is fast for photographs.
    """
    with strict_decoder(), _readable(image):
        return _decoded(image, longest)


@contextmanager
def _readable(image: EncodedImage) -> Iterator[None]:
    """Turn any error of reading an image into a DataError that names it, PassingError if it says nothing of the
    image.
    """
    try:
        yield
    except FileNotFoundError:
        raise DataError(f"The image {image.name} does not exist.") from None
    except Exception as error:  # decoders of damaged files raise anything
        kind = PassingError if passing(error) else DataError
        raise kind(f"The image {image.name} cannot be read: {reason(error)}.") from None


def pixels(images: Sequence[EncodedImage], fit: Fit) -> UInt8[Array, "n channel height width"]:
    """The pixels of a few images, as NumPy holds them. Raises DataError that names the first unreadable one."""
    with strict_decoder():
        stacked: Any = np.stack([fitted(image, fit)[0] for image in images])
    return stacked


def reason(error: Exception) -> str:
    """The reason why an image cannot be read, in a few words, from the error of its decoder or the system."""
    if isinstance(error, FileNotFoundError):
        return "it does not exist"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if isinstance(error, MemoryError):
        return "memory ran out"
    if isinstance(error, UnidentifiedImageError):
        return "it is not an image"
    if isinstance(error, Image.DecompressionBombError | Image.DecompressionBombWarning):
        return "it has too many pixels to be a photograph (a decompression bomb?)"
    return " ".join(str(error).split()).rstrip(".") or "it is damaged"


def opened(image: EncodedImage) -> Image.Image:
    """The image with its header read and nothing decoded."""
    content = image.content if isinstance(image.content, Path) else image.read()
    if not (content.stat().st_size if isinstance(content, Path) else content):
        raise ValueError("it is empty")
    formats = _known(UPLOADED) if image.uploaded else None
    found = Image.open(content if isinstance(content, Path) else io.BytesIO(content), formats=formats)
    if found.format == PROGRAM:
        found.close()
        raise ValueError("it is a PostScript program; save it as PNG")
    return found


def _known(formats: Sequence[str]) -> list[str]:
    """Those of the formats that this version of Pillow reads."""
    Image.init()
    return [each for each in formats if each in Image.OPEN]


def brightest(image: EncodedImage) -> int:
    """The largest value of a pixel, before anything is scaled. Raises DataError."""
    with strict_decoder(), _readable(image), opened(image) as found:
        return int(np.asarray(found).max())


def _decoded(image: EncodedImage, longest: int | None, top: int = DEEPEST) -> Image.Image:
    """The decoded image, upright, grey or colour. Its sides may be reduced as long as one keeps `longest` pixels."""
    with opened(image) as found:
        if longest is not None:
            found.draft(None, (longest, longest))  # decodes a much larger JPEG at a fraction of its size
        deep = _deep(found)  # before rotation, which loses the format
        return _scaled(upright(found), top) if deep else _eight_bits(upright(found))


def _deep(image: Image.Image) -> bool:
    """Whether an image has 16 bits a pixel."""
    return image.mode.startswith("I;16") or (image.mode == "I" and image.format == "PPM")


def _transparent(image: Image.Image) -> bool:
    return image.mode in TRANSPARENT or "transparency" in image.info


def _scaled(image: Image.Image, top: int) -> Image.Image:
    """An image of 16 bits with 8, where `top` becomes white. Raises ValueError for brighter pixels."""
    values = np.asarray(image).astype(np.uint16)
    if (most := int(values.max())) > top:
        raise ValueError(
            f"it has values up to {most:,}, and the images looked at first none above {top:,}, so that they were taken "
            "for white; save all with 8 bits"
        )
    return Image.fromarray((values / (top / 255)).round().astype(np.uint8))


def _eight_bits(image: Image.Image) -> Image.Image:
    """The image in grey (mode L) or colour (mode RGB). Raises ValueError if its range of brightness is unknown."""
    if image.mode in ("I", "F"):
        raise ValueError("its pixels are 32-bit numbers; save it with 8 or 16 bits")
    if _transparent(image):
        return _on_white(image.convert("RGBA")).convert("L" if image.mode in GREY else "RGB")
    return image.convert("L" if image.mode in GREY else "RGB")


def _on_white(image: Image.Image) -> Image.Image:
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)


def too_small(size: tuple[int, int], fit: Fit) -> bool:
    """Whether resizing from (width, height) would leave hardly any original pixel."""
    scales = fit.width / size[0], fit.height / size[1]
    return min(size) * min(scales) < 1 if fit.resize == "pad" else max(scales) > ENLARGED


def _resized(image: Image.Image, fit: Fit) -> Image.Image:
    """The image at the target's size, antialiased. Raises ValueError if it is too small for it."""
    target = (fit.width, fit.height)
    if image.size == target:
        return image
    if too_small(image.size, fit):
        raise ValueError(f"it has only {image.width}×{image.height} pixels, too few for {fit.width}×{fit.height}")
    if fit.resize == "squash":
        return image.resize(target, Image.Resampling.LANCZOS)
    return {"crop": ImageOps.fit, "pad": ImageOps.pad}[fit.resize](image, target, Image.Resampling.LANCZOS)
