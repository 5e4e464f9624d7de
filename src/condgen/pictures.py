"""Pictures: tensors as images, grids of them with a label per row."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from condgen.data import as_uint8
from condgen.errors import RunError
from condgen.files import writing

CELL = 56  # smallest side in pixels of an image in a grid


def pil_image(x: Float[Tensor, "channel height width"]) -> Image.Image:
    """An image with values in [0, 1] as a PIL image, grey or colour."""
    array = as_uint8(x).cpu().numpy()
    return Image.fromarray(array[0] if len(array) == 1 else np.ascontiguousarray(array.transpose(1, 2, 0)))


def grid(
    x: Float[Tensor, "n channel height width"], columns: int, labels: Sequence[str] = (), heads: Sequence[str] = ()
) -> Image.Image:
    """Images row by row. Small ones are enlarged without smoothing.

    labels: written in front of the rows.
    heads: written above the columns, and cut if they are wider.
    """
    height, width = x.shape[2:]
    zoom = max(1, -(-CELL // min(height, width)))
    font, small = ImageFont.load_default(size=15), ImageFont.load_default(size=11)
    margin = 0 if not labels else int(max(font.getlength(label) for label in labels)) + 20
    rows, gap, top = -(-len(x) // columns), 2, 20 if heads else 0
    size = (margin + columns * (width * zoom + gap), top + rows * (height * zoom + gap))
    sheet = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(sheet)
    for k, image in enumerate(x):
        row, column = divmod(k, columns)
        corner = margin + column * (width * zoom + gap), top + row * (height * zoom + gap)
        sheet.paste(pil_image(image).resize((width * zoom, height * zoom), Image.Resampling.NEAREST), corner)
    for row, label in enumerate(labels):
        draw.text((10, top + row * (height * zoom + gap) + height * zoom / 2), label, "black", font, anchor="lm")
    for column, head in enumerate(heads):
        place = margin + column * (width * zoom + gap) + width * zoom / 2, top / 2
        draw.text(place, _cut(head, width * zoom, small), "black", small, anchor="mm")
    return sheet


def _cut(text: str, width: int, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> str:
    """The end of a text, as much as fits. Neighbouring texts differ at their end."""
    while len(text) > 1 and font.getlength(text) > width:
        text = text[1:]
    return text


def save_picture(picture: Image.Image, path: Path) -> None:
    """Write a PNG. Raises RunError if the path cannot be written."""
    try:
        with writing(path) as partial:
            picture.save(partial, compress_level=1)
    except OSError as error:
        raise RunError(f"The picture {path} cannot be written: {error.strerror or error}.") from None
