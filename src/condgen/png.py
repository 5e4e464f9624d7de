"""PNG files of pixels (PNG specification, third edition), for thousands of small images in a second.

Libraries for every kind of picture spend four times as long on setting themselves up as on the pixels of a digit.
"""

import struct
import zlib

import numpy as np
from numpy.typing import NDArray

SIGNATURE = b"\x89PNG\r\n\x1a\n"
GREY, COLOUR = 0, 2  # colour types (11.2.1)
NONE, SUB = 0, 1  # filters of rows (9.2)
SMALL = 2048  # bytes up to which pixels are stored as they are: differences of a few would compress no better
LEVEL = 1  # of zlib: higher ones take longer than a model takes for the image

Pixels = NDArray[np.uint8]


def encoded(pixels: Pixels, text: tuple[str, str] | None = None) -> bytes:
    """The file of an image, grey [height, width] or in colour [height, width, 3].

    text: the keyword and the content of an international text chunk.
    """
    height, width = pixels.shape[:2]
    head = struct.pack(">IIBBBBB", width, height, 8, GREY if pixels.ndim == 2 else COLOUR, 0, 0, 0)
    rows = zlib.compress(_filtered(pixels).tobytes(), LEVEL)
    return b"".join((SIGNATURE, _chunk(b"IHDR", head), _text(text), _chunk(b"IDAT", rows), _chunk(b"IEND", b"")))


def _filtered(pixels: Pixels) -> Pixels:
    """Rows of bytes, each behind the number of its filter: large images as differences to the pixel at the left."""
    rows = pixels.reshape(len(pixels), -1)
    found = np.empty((len(rows), 1 + rows.shape[1]), np.uint8)
    found[:, 0], found[:, 1:] = NONE, rows
    if pixels.size > SMALL:
        apart = 1 if pixels.ndim == 2 else pixels.shape[2]
        found[:, 0] = SUB
        found[:, 1 + apart :] -= rows[:, :-apart]
    return found


def _text(text: tuple[str, str] | None) -> bytes:
    """An uncompressed `iTXt` chunk without language (11.3.3.4), or nothing."""
    return b"" if text is None else _chunk(b"iTXt", text[0].encode("latin-1") + bytes(5) + text[1].encode())


def _chunk(kind: bytes, content: bytes) -> bytes:
    """Length, kind, content and check sum (5.3)."""
    return b"".join(
        (struct.pack(">I", len(content)), kind, content, struct.pack(">I", zlib.crc32(content, zlib.crc32(kind))))
    )
