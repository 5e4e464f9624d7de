"""Pictures: arrays as images, grids of them with a label per row."""

import unicodedata
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from condgen.arrays import Array, Float, UInt8, to_numpy
from condgen.errors import CondgenWarning, RunError
from condgen.files import writing
from condgen.fonts import Font, font_for, own_font
from condgen.pixels import as_uint8

SIGNS = str.maketrans({"→": "->", "…": "...", "−": "-", "–": "-", "×": "x"})  # replacements that every font has
MOST_TOLD = 8  # largest number of listed labels that cannot be drawn
CELL = 56  # smallest side in pixels of an image in a grid


def pil_image(x: Float[Array, "channel height width"]) -> Image.Image:
    """An image with values in [0, 1] as a PIL image, grey or colour."""
    return Image.fromarray(pixels_of(x[None])[0])


def pixels_of(x: Float[Array, "n channel height width"]) -> UInt8[np.ndarray, "n height width ..."]:
    """Images with values in [0, 1] as levels of 8 bits: grey [n, height, width], colour [n, height, width, 3]."""
    levels = to_numpy(as_uint8(x))
    return levels[:, 0] if levels.shape[1] == 1 else np.ascontiguousarray(levels.transpose(0, 2, 3, 1))


def grid(
    x: Float[Array, "n channel height width"], columns: int, labels: Sequence[str] = (), heads: Sequence[str] = ()
) -> Image.Image:
    """Images row by row. Small ones are enlarged without smoothing.

    labels: written in front of the rows.
    heads: written above the columns, and cut if they are wider.

    A text that no font of this machine can draw is replaced by the number of its row or column, and a CondgenWarning
    says which.
    """
    height, width = x.shape[2:]
    zoom = max(1, -(-CELL // min(height, width)))
    before, above = _lettered(labels, 15, "row"), _lettered(heads, 11, "column")
    margin = 0 if not labels else int(max(font.getlength(label) for label, font in before)) + 20
    rows, gap, top = -(-len(x) // columns), 2, 20 if heads else 0
    size = (margin + columns * (width * zoom + gap), top + rows * (height * zoom + gap))
    sheet = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(sheet)
    for k, image in enumerate(x):
        row, column = divmod(k, columns)
        corner = margin + column * (width * zoom + gap), top + row * (height * zoom + gap)
        sheet.paste(pil_image(image).resize((width * zoom, height * zoom), Image.Resampling.NEAREST), corner)
    for row, (label, font) in enumerate(before):
        draw.text((10, top + row * (height * zoom + gap) + height * zoom / 2), label, "black", font, anchor="lm")
    for column, (head, font) in enumerate(above):
        place = margin + column * (width * zoom + gap) + width * zoom / 2, top / 2
        draw.text(place, _cut(head, width * zoom, font), "black", font, anchor="mm")
    return sheet


def _lettered(texts: Sequence[str], size: int, kind: str) -> list[tuple[str, Font]]:
    """Each text with a font that draws it, or its number if no font does."""
    composed = [unicodedata.normalize("NFC", text).translate(SIGNS) for text in texts]
    fonts = [font_for(text, size) for text in composed]
    numbers = {f"{kind} {k}": text for k, (text, font) in enumerate(zip(texts, fonts, strict=True), 1) if font is None}
    if numbers:
        first = [f"{number} is {text}" for number, text in numbers.items()][:MOST_TOLD]
        shown = "; ".join([*first, *(["…"] if len(numbers) > len(first) else [])])
        warnings.warn(
            f"No font on this machine has all letters of some labels, so the picture shows their numbers: {shown}. "
            "Install a font for that script, such as one of the Noto fonts; for letters with accents, Greek, Cyrillic, "
            "Arabic, Hebrew and signs, `pip install 'condgen[plots]'` is enough.",
            CondgenWarning,
            stacklevel=3,
        )
    numbered = [(f"{kind} {k}", own_font(size)) for k in range(1, len(texts) + 1)]
    return [
        number if font is None else (text, font) for number, text, font in zip(numbered, composed, fonts, strict=True)
    ]


def _cut(text: str, width: int, font: Font) -> str:
    """The end of a text, as much as fits. Neighbouring texts differ at their end."""
    while len(text) > 1 and font.getlength(text) > width:
        text = text[1:]
    return text


def rows_of(rows: Sequence[Float[Array, "_ channel height width"]], labels: Sequence[str]) -> Image.Image:
    """A grid with one labelled row per batch of images. Short rows are filled with white."""
    columns, images = max(map(len, rows)), [to_numpy(row) for row in rows]
    blanks = (np.ones((columns - len(row), *row.shape[1:]), row.dtype) for row in images)
    whole: Any = np.concatenate([part for pair in zip(images, blanks, strict=True) for part in pair])
    return grid(whole, columns, labels)


def save_picture(picture: Image.Image, path: Path) -> None:
    """Write a PNG. Raises RunError if the path cannot be written."""
    try:
        with writing(path) as partial:
            picture.save(partial, compress_level=1)
    except OSError as error:
        raise RunError(f"The picture {path} cannot be written: {error.strerror or error}.") from None
