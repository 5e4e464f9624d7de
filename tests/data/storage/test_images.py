"""Whatever people's files hold becomes pixels or a sentence."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from condgen.data.storage.images import EncodedImage, Fit, fitted, header, pixels, strict_decoder
from condgen.errors import DataError

RGB = Fit("RGB", 8, 8)
GREY = Fit("L", 8, 8)


def encoded(picture: Image.Image, kind: str = "png", **options: Any) -> EncodedImage:
    stream = io.BytesIO()
    picture.save(stream, kind, **options)
    return EncodedImage(f"a.{kind}", stream.getvalue())


def colour(image: EncodedImage, fit: Fit = RGB) -> list[int]:
    return pixels([image], fit)[0, :, fit.height // 2, fit.width // 2].tolist()


def test_what_is_transparent_lies_on_white() -> None:
    assert colour(encoded(Image.new("RGBA", (8, 8), (255, 0, 0, 0)))) == [255, 255, 255]
    assert colour(encoded(Image.new("RGBA", (8, 8), (255, 0, 0, 255)))) == [255, 0, 0]
    assert colour(encoded(Image.new("LA", (8, 8), (0, 0))), GREY) == [255]
    palette = Image.new("P", (8, 8), 1)
    palette.putpalette([0, 0, 0, 0, 0, 255])
    assert colour(encoded(palette)) == [0, 0, 255]
    assert colour(encoded(palette, transparency=1)) == [255, 255, 255]


def test_an_animation_is_its_first_frame() -> None:
    frames = [Image.new("RGB", (8, 8), c) for c in ("red", "blue")]
    for kind in ("gif", "png", "webp"):
        image = encoded(frames[0], kind, save_all=True, append_images=frames[1:])
        assert colour(image) == pytest.approx([255, 0, 0], abs=4)


def test_16_bit_grey_keeps_its_brightness_in_png_tiff_and_pgm() -> None:
    deep = Image.fromarray(np.full((8, 8), 100 * 257, dtype=np.uint16))
    plain = b"P5 8 8 65535\n" + np.full((8, 8), 100 * 257, dtype=">u2").tobytes()
    for image in (encoded(deep), encoded(deep, "tiff"), EncodedImage("a.pgm", plain)):
        assert colour(image, GREY) == [100]


def test_cmyk_and_a_wrong_extension_are_understood(tmp_path: Path) -> None:
    image = encoded(Image.new("RGB", (8, 8), "red").convert("CMYK"), "jpeg")
    file = tmp_path / "really a jpeg.png"
    file.write_bytes(image.content if isinstance(image.content, bytes) else b"")
    assert colour(EncodedImage(str(file), file)) == pytest.approx([254, 0, 0], abs=2)


def bomb() -> EncodedImage:
    """A header that announces 30,000 × 30,000 pixels."""
    small = encoded(Image.new("L", (8, 8))).content
    assert isinstance(small, bytes)
    import zlib

    size = b"IHDR" + (30_000).to_bytes(4, "big") * 2 + small[24:29]
    return EncodedImage("bomb.png", small[:12] + size + zlib.crc32(size).to_bytes(4, "big") + small[33:])


WHOLE = encoded(Image.effect_noise((64, 64), 80).convert("RGB"), "jpeg").content
assert isinstance(WHOLE, bytes)
EPS = encoded(Image.new("RGB", (8, 8)), "eps").content


@pytest.mark.parametrize(
    ("image", "reason"),
    [
        (EncodedImage("a.jpg", WHOLE[: len(WHOLE) // 2]), "truncated"),
        (EncodedImage("a.jpg", b""), "it is empty"),
        (EncodedImage("a.jpg", b"<html>"), "not an image"),
        (encoded(Image.new("RGB", (10_000, 1))), "10000×1 pixels, too few"),
        (encoded(Image.new("RGB", (1, 10_000))), "1×10000 pixels, too few"),
        (bomb(), "too many pixels"),
        (EncodedImage("a.png", Path("/nowhere/ä b.png")), "does not exist"),
        (EncodedImage("a.png", Path("/")), "cannot be read"),
        (encoded(Image.fromarray(np.zeros((8, 8), np.float32)), "tiff"), "32-bit"),
        (encoded(Image.new("RGB", (8, 8)), "eps"), "a PostScript program"),
        (EncodedImage("a.eps", EPS, uploaded=True), "not an image"),
        (EncodedImage("a.tga", encoded(Image.new("RGB", (8, 8)), "tga").content, uploaded=True), "not an image"),
    ],
)
def test_what_is_unusable_is_named_with_a_reason(image: EncodedImage, reason: str) -> None:
    with strict_decoder(), pytest.raises(DataError, match=reason) as caught:
        fitted(image, Fit("RGB", 16, 16))
    assert image.name in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", ["png", "jpeg", "webp", "gif", "bmp", "tiff", "ppm"])
def test_uploads_may_have_the_usual_formats(kind: str) -> None:
    image = EncodedImage("upload", encoded(Image.new("RGB", (8, 8), "red"), kind).content, uploaded=True)
    assert colour(image) == pytest.approx([255, 0, 0], abs=4)


def test_any_bytes_become_pixels_or_a_sentence() -> None:
    """No damage to a file is a traceback."""
    random = np.random.default_rng(0)
    starts = [
        WHOLE,
        *(encoded(Image.new("RGB", (16, 16), "red"), k).content for k in ("png", "gif", "webp", "tiff", "bmp")),
    ]
    with strict_decoder():
        for k in range(300):
            content = bytearray(starts[k % len(starts)])  # type: ignore[arg-type]
            for at in random.integers(0, len(content), 1 + k % 20):
                content[at] = random.integers(256)
            image = EncodedImage(
                "a", bytes(content[: random.integers(1, len(content) + 1)]) if k % 3 else bytes(content)
            )
            header(image)
            try:
                array, _ = fitted(image, RGB)
                assert array.shape == (3, 8, 8)
            except DataError:
                pass


def test_an_image_is_cropped_padded_or_squashed() -> None:
    stripes = Image.new("RGB", (48, 16), "black")
    stripes.paste("red", (0, 0, 16, 16))
    stripes.paste("lime", (16, 0, 32, 16))
    red = {how: pixels([encoded(stripes)], Fit("RGB", 12, 12, how))[0, 0] for how in ("crop", "pad", "squash")}
    assert red["crop"].max() < 60  # only the middle is left
    assert (red["squash"][:, :3] > 250).all()
    assert (red["pad"][5:7, :3] > 250).all()
    assert (red["pad"][:4] == 0).all()


def test_shrinking_is_antialiased() -> None:
    fine = Image.fromarray(np.indices((64, 64)).sum(0).astype(np.uint8) % 2 * 255)
    for how in ("crop", "pad", "squash"):
        assert np.allclose(pixels([encoded(fine)], Fit("L", 8, 8, how)), 127, atol=12)


def test_a_large_photograph_is_decoded_smaller_and_looks_the_same() -> None:
    slope = Image.linear_gradient("L").resize((2048, 2048)).convert("RGB")
    exact = np.asarray(slope.resize((8, 8), Image.Resampling.BOX)).transpose(2, 0, 1)
    assert np.allclose(pixels([encoded(slope, "jpeg", quality=95)], RGB)[0], exact, atol=3)


@pytest.mark.parametrize("kind", ["jpeg", "png", "webp", "tiff"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_photographs_are_upright_and_their_headers_say_so(orientation: int, kind: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = encoded(Image.new("L", (16, 8)), kind, exif=exif)
    found = header(image)
    assert found is not None
    assert found.grey == (kind != "webp")
    assert found.size == ((8, 16) if orientation >= 5 else (16, 8))
    assert not fitted(image, Fit("L", *found.size))[1]
