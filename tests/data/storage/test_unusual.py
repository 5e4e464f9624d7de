"""Transparency, animations and 16 bits: used in a sensible way, which is told once."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import condgen
from condgen.data import load
from condgen.data.storage.images import EncodedImage, fitted
from condgen.data.storage.prepare import plan, prepare
from condgen.data.storage.unusual import Survey, white
from condgen.errors import DataError
from condgen.progress import SILENT

SIDE = (8, 8)


def encoded(image: Image.Image, kind: str = "PNG", **how: Any) -> EncodedImage:
    file = io.BytesIO()
    image.save(file, kind, **how)
    return EncodedImage("an image", file.getvalue())


def deep(*values: int, kind: str = "PNG") -> EncodedImage:
    """A grey image of 16 bits with these values, the rest black."""
    pixels = np.zeros(SIDE, dtype=np.uint16)
    pixels[0, : len(values)] = values
    return encoded(Image.fromarray(pixels), kind)


def animation(kind: str = "GIF") -> EncodedImage:
    red, blue = (Image.new("RGB", SIDE, color) for color in ("red", "blue"))
    return encoded(red, kind, save_all=True, append_images=[blue])


PLAIN = encoded(Image.new("RGB", SIDE, "red"))
CLEAR = encoded(Image.new("RGBA", SIDE, (255, 0, 0, 0)))


@pytest.mark.parametrize(
    ("brightest", "top"),
    [(200, 255), (1_000, 1_023), (4_095, 4_095), (4_096, 16_383), (20_000, 65_535), (65_535, 65_535)],
)
def test_white_is_the_largest_value_of_the_bits_that_are_used(brightest: int, top: int) -> None:
    assert white([deep(3), deep(brightest, 1)]) == top


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_images_of_12_bits_are_scaled_and_it_is_told(kind: str) -> None:
    images = [deep(0, 2_000, kind=kind), deep(4_095, kind=kind)]
    found = prepare(images)
    assert [int(x.max()) for x in found.images] == [round(2_000 / 4_095 * 255), 255]
    assert found.notes == ["2 of 2 images looked at have 16 bits and no value above 4,095, which becomes white."]


def test_images_of_16_bits_are_as_they_were_and_nothing_is_told() -> None:
    found = prepare([deep(65_535), deep(257 * 100)])
    assert [int(x.max()) for x in found.images] == [255, 100]
    assert found.notes == []


def test_a_brighter_image_that_was_not_looked_at_is_an_error_that_says_so() -> None:
    fit, _ = plan([deep(4_000)], None, "crop")
    with pytest.raises(DataError, match="values up to 5,000, and the images looked at first none above 4,095"):
        fitted(deep(5_000), fit)


def test_transparency_is_laid_on_white_and_it_is_told() -> None:
    found = prepare([PLAIN, CLEAR])
    assert found.images[:, 1].float().mean((1, 2)).tolist() == [0, 255]
    assert found.notes == ["1 of 2 images looked at have transparency, which is laid on white."]


@pytest.mark.parametrize("kind", ["GIF", "PNG", "TIFF", "WEBP"])
def test_of_an_animation_the_first_frame_is_used_and_it_is_told(kind: str) -> None:
    found = prepare([PLAIN, animation(kind)])
    assert found.images[1, :, 0, 0].tolist()[0] > 250
    assert found.notes == ["1 of 2 images looked at are animated or have several pages; the first is used."]


def test_a_photograph_with_a_preview_of_itself_is_no_animation() -> None:
    assert Survey.of([animation("MPO")]).notes == []


def test_loading_and_inspecting_tell_the_same_once(tmp_path: Path) -> None:
    told = "30 of 60 images looked at have transparency, which is laid on white."
    for k in range(60):
        folder = tmp_path / ("clear" if k % 2 else "plain")
        folder.mkdir(exist_ok=True)
        content = (CLEAR if k % 2 else PLAIN).content
        assert isinstance(content, bytes)
        (folder / f"{k}.png").write_bytes(content)
    assert load(str(tmp_path), progress=SILENT).notes.count(told) == 1
    assert condgen.inspect(str(tmp_path)).notes.count(told) == 1


def test_arrays_with_a_fourth_channel_are_told_of_too() -> None:
    images = np.full((60, 8, 8, 4), 100, dtype=np.uint8)
    assert "60 of 60 images looked at have transparency" in " ".join(load(images, labels=[0, 1] * 30).notes)
