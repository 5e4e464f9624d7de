"""Images that need more than a change of size: transparent ones, animations, images with more than 8 bits."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from condgen.data.storage.images import DEEPEST, EncodedImage, Header, brightest, header, strict_decoder
from condgen.errors import DataError

SURVEYED = 4_096  # number of images whose headers are read
DECODED = 64  # largest number of decoded images of 16 bits
TOPS = (255, 1_023, 4_095, 16_383, DEEPEST)  # the largest values of 8, 10, 12, 14 and 16 bits


@dataclass(frozen=True)
class Survey:
    """Headers of images spread over all of them, and the value of white in images of 16 bits."""

    headers: list[Header]
    white: int = DEEPEST

    @classmethod
    def of(cls, images: Sequence[EncodedImage]) -> "Survey":
        """The survey of at most `SURVEYED` images. Unreadable ones are skipped."""
        some = [images[k] for k in np.linspace(0, len(images) - 1, min(len(images), SURVEYED)).astype(int).tolist()]
        found = [(image, seen) for image, seen in zip(some, headers(some), strict=True) if seen]
        deep = [image for image, seen in found if seen.deep]
        return cls([seen for _, seen in found], white(deep))

    @property
    def notes(self) -> list[str]:
        """One sentence per kind of unusual images about their treatment."""
        reduced = self.white < DEEPEST
        told = {
            "have transparency, which is laid on white": sum(h.transparent for h in self.headers),
            "are animated or have several pages; the first is used": sum(h.animated for h in self.headers),
            f"have 16 bits and no value above {self.white:,}, which becomes white": reduced
            * sum(h.deep for h in self.headers),
        }
        return [f"{n:,} of {len(self.headers):,} images looked at {what}." for what, n in told.items() if n]


def headers(images: Iterable[EncodedImage]) -> list[Header | None]:
    """The headers of images, None for unreadable ones."""
    with strict_decoder():
        return [header(image) for image in images]


def white(deep: Sequence[EncodedImage]) -> int:
    """The largest value of the smallest number of bits that suffices for images of 16 bits. Cameras often use 12."""
    some = deep[:: -(-len(deep) // DECODED)] if deep else ()
    most = max(map(_brightest, some), default=DEEPEST)
    return next(top for top in TOPS if most <= top)


def _brightest(image: EncodedImage) -> int:
    try:
        return brightest(image)
    except DataError:  # preparation lists the image
        return 0
