"""PNG files as Pillow, which checks their sums, reads them."""

import io

import numpy as np
import pytest
from PIL import Image

from condgen.png import SMALL, encoded


def read(content: bytes) -> Image.Image:
    with Image.open(io.BytesIO(content), formats=["PNG"]) as image:
        image.load()
    return image


@pytest.mark.parametrize("shape", [(8, 8), (28, 20), (64, 48), (8, 8, 3), (40, 64, 3), (1, 1), (1, 4000)])
def test_pixels_come_back(shape: tuple[int, ...]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    image = read(encoded(pixels))
    assert image.mode == ("L" if len(shape) == 2 else "RGB")
    assert (np.asarray(image) == pixels).all()


def test_a_text_comes_back_in_any_script() -> None:
    pixels = np.zeros((8, 8), np.uint8)
    image = read(encoded(pixels, ("condgen", '{"hair":"brünett 黒"}')))
    assert image.info["condgen"] == '{"hair":"brünett 黒"}'
    assert "condgen" not in read(encoded(pixels)).info


def test_large_pictures_are_stored_as_differences() -> None:
    slope = np.broadcast_to(np.arange(64, dtype=np.uint8)[:, None] * np.uint8(3), (64, 64))
    rising = np.ascontiguousarray((slope + slope.T * 5).astype(np.uint8))
    assert rising.size > SMALL
    assert len(encoded(rising)) < 400  # each row is one number, repeated


def test_the_same_pixels_and_text_give_the_same_bytes() -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    assert encoded(pixels, ("a", "b")) == encoded(pixels.copy(), ("a", "b"))
