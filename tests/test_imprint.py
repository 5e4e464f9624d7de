"""Pictures as PNG, with the facts about what made them."""

import io

import numpy as np
import pytest
from PIL import Image

from condgen.imprint import SMALL, imprint_of, imprinted, png

FACTS = {"request": "Farbe=grün, größe>3", "seed": 1}
SHAPES = [(28, 28), (8, 8, 3), (1, 1), (3, 5, 3), (1, SMALL), (SMALL + 1, 1), (64, 64, 3)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("facts", [None, {}, FACTS])
def test_pixels_come_back_with_their_facts(shape: tuple[int, ...], facts: dict[str, object] | None) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    content = imprinted(pixels, facts)
    with Image.open(io.BytesIO(content)) as image:
        image.verify()  # the checksums
    with Image.open(io.BytesIO(content)) as image:
        assert image.mode == ("L" if len(shape) == 2 else "RGB")
        assert (np.asarray(image) == pixels).all()
    assert imprint_of(content) == facts
    assert content == imprinted(pixels, facts)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_picture_has_the_chunks_that_pillow_writes(shape: tuple[int, ...]) -> None:
    pixels = np.zeros(shape, np.uint8)
    own, usual = (chunks(content) for content in (imprinted(pixels, FACTS), png(Image.fromarray(pixels), FACTS)))
    assert [*own] == [*usual]
    assert all(own[kind] == usual[kind] for kind in own if kind != b"IDAT")


def test_pixels_need_not_lie_together_in_memory() -> None:
    pixels = np.arange(24, dtype=np.uint8).reshape(2, 3, 4).transpose(1, 2, 0)[..., [0, 1, 0]][:, ::2]
    with Image.open(io.BytesIO(imprinted(pixels))) as image:
        assert (np.asarray(image) == pixels).all()


def chunks(content: bytes) -> dict[bytes, bytes]:
    """The contents of a PNG's chunks by kind, in their order."""
    found, at = {}, 8
    while at < len(content):
        length = int.from_bytes(content[at : at + 4])
        found[content[at + 4 : at + 8]] = content[at + 8 : at + 8 + length]
        at += length + 12
    return found
