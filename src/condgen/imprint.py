"""The imprint: facts about a generated image that its PNG carries, from which a sample can be asked for again.

It is an international text chunk (`iTXt`, PNG specification 11.3.3.4) with the keyword `condgen` that holds JSON. Every
reader of pictures passes over it.
"""

import io
import json
import struct
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from PIL.PngImagePlugin import PngInfo

KEYWORD = "condgen"
SMALL = 4096  # bytes of pixels up to which PIL takes far longer for everything else than for compressing them
COMPRESSION = 1  # more makes these pictures hardly smaller
GREY, COLOUR = 0, 2  # types of colour
TEXT = f"{KEYWORD}\0\0\0\0\0".encode()  # neither compressed nor translated (PNG specification 11.3.3.4)
SIGNATURE = b"\x89PNG\r\n\x1a\n"
AS_JSON = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode
Pixels = NDArray[np.uint8]
Samples = Any  # a `condgen.Samples`, which knows how to save itself and so imports this file


@dataclass(frozen=True)
class Origin:
    """The origin of samples, as far as it is known.

    requests: the text of each request, by its index.
    sampling: the settings that were given.
    originals: the names of the files that were edited, if these are edits, whose requests are the changes.
    """

    requests: Sequence[str] = ()
    model: str = ""
    fingerprint: str = ""
    sampling: Mapping[str, Any] = field(default_factory=dict)
    originals: Sequence[str] = ()

    def imprints(self, samples: Samples, first: int = 0) -> Iterator[dict[str, Any]]:
        """The imprint of each sample. first: the number of the first one."""
        known = {"model": self.model, "fingerprint": self.fingerprint}
        known = {name: text for name, text in known.items() if text}
        rows = zip(samples.request.tolist(), samples.condition.rows(), samples.seeds.tolist(), strict=True)
        for k, (request, condition, seed) in enumerate(rows, first):
            text = self.requests[request] if request < len(self.requests) else None
            if self.originals:
                facts = {"edit_of": self.originals[k], "change": text, "condition": condition}
            else:
                facts = {"request": text, "condition": condition, "seed": seed, "sampling": dict(self.sampling)}
            yield {**known, **{name: fact for name, fact in facts.items() if fact is not None}}


def png(picture: Image.Image, imprint: Mapping[str, Any] | None = None) -> bytes:
    """A picture as PNG. The same picture with the same imprint gives the same bytes."""
    file, chunks = io.BytesIO(), PngInfo()
    if imprint is not None:
        chunks.add_itxt(KEYWORD, AS_JSON(imprint))
    picture.save(file, "PNG", compress_level=COMPRESSION, pnginfo=chunks)
    return file.getvalue()


def imprinted(pixels: Pixels, imprint: Mapping[str, Any] | None = None) -> bytes:
    """Pixels, grey [height, width] or in colour [height, width, 3], as PNG."""
    return unfiltered(pixels, imprint) if pixels.size <= SMALL else png(Image.fromarray(pixels), imprint)


def unfiltered(pixels: Pixels, imprint: Mapping[str, Any] | None = None) -> bytes:
    """Pixels as PNG whose rows are compressed as they are (filter type 0, PNG specification 9.2).

    Small pictures are not larger for it, and there are five times as many a second.
    """
    height, width = pixels.shape[:2]
    header = struct.pack(">IIBBBBB", width, height, 8, GREY if pixels.ndim == 2 else COLOUR, 0, 0, 0)
    rows = np.zeros((height, 1 + pixels.size // height), np.uint8)  # each begins with its filter type
    rows[:, 1:] = pixels.reshape(height, -1)
    facts = b"" if imprint is None else _chunk(b"iTXt", TEXT + AS_JSON(imprint).encode())
    data = _chunk(b"IDAT", zlib.compress(rows.tobytes(), COMPRESSION))
    return SIGNATURE + _chunk(b"IHDR", header) + facts + data + _chunk(b"IEND", b"")


def _chunk(kind: bytes, content: bytes) -> bytes:
    """Length, kind, content and checksum (PNG specification 5.3)."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(content, zlib.crc32(kind)))


def imprint_of(content: bytes) -> dict[str, Any] | None:
    """The imprint in a PNG, or None if it has none that can be read."""
    try:
        with Image.open(io.BytesIO(content), formats=["PNG"]) as image:
            image.load()  # a chunk may stand behind the pixels
            found = json.loads(image.info.get(KEYWORD, "null"))
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError):
        return None
    return found if isinstance(found, dict) else None
