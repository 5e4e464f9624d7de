"""Fonts that can draw a text: Pillow's own and, for letters that it lacks, those of the machine.

Pillow's font has the letters of ASCII. DejaVu Sans, which comes with matplotlib, adds accents, Greek, Cyrillic, Hebrew,
Arabic, currencies and signs. Chinese, Japanese, Korean, Indian and other scripts need fonts of their own.
"""

import os
import sys
import unicodedata
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from PIL import ImageFont

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
FILES = {".ttf", ".otf", ".ttc"}
PLAIN_FIRST = ("DejaVuSans", "NotoSans-Regular", "NotoSansCJK-Regular")  # if present, they draw most texts
STYLES = ("bold", "italic", "oblique", "mono", "serif", "condensed", "narrow", "thin", "light", "black")
EMPTY = ("lastresort",)  # fonts whose letters are boxes
VARIANTS = set(map(chr, range(0xFE00, 0xFE10)))  # they change the look of the letter before them
UNASSIGNED = "\uffff"  # no font has it, so it is drawn as the sign for missing letters
INVISIBLE = {"Cc", "Cf", "Zs"}  # kinds of characters that leave no mark


@cache
def font_for(text: str, size: int) -> Font | None:
    """A font that has every letter of a text, plain ones first. None if no font of this machine has them.

    size: in pixels.
    """
    own = own_font(size)
    return own if draws(own, text) else next((f for path in installed() if (f := _opened(path, size, text))), None)


def own_font(size: int) -> Font:
    """Pillow's font, which is always there."""
    return ImageFont.load_default(size=size)


def draws(font: Font, text: str) -> bool:
    """Whether a font has every letter of a text."""
    lacking = _drawn(font, UNASSIGNED)
    letters = {c for c in text if unicodedata.category(c) not in INVISIBLE and c not in VARIANTS}
    return all(_drawn(font, letter) not in (lacking, b"") for letter in letters)


def _drawn(font: Font, letter: str) -> bytes:
    mask = font.getmask(letter)
    return bytes(mask) if any(mask.size) else b""


def _opened(path: Path, size: int, text: str) -> Font | None:
    """The font in a file if it draws a text. None for unreadable files and for fonts of fixed sizes."""
    try:
        font = ImageFont.truetype(path, size, layout_engine=ImageFont.Layout.BASIC)
        return ImageFont.truetype(path, size) if draws(font, text) else None
    except OSError:
        return None


@cache
def installed() -> tuple[Path, ...]:
    """The files of all fonts on this machine, plain ones first."""
    found = [file for folder in folders() for file in folder.rglob("*") if file.suffix.lower() in FILES]
    return tuple(sorted((f for f in found if not f.stem.lower().startswith(EMPTY)), key=_rank))


def _rank(file: Path) -> tuple[int, bool, str]:
    place = PLAIN_FIRST.index(file.stem) if file.stem in PLAIN_FIRST else len(PLAIN_FIRST)
    return place, any(style in file.stem.lower() for style in STYLES), str(file)


def folders() -> Iterator[Path]:
    """The existing folders in which this system and matplotlib keep fonts."""
    home = Path.home()
    if sys.platform == "win32":
        places = [Path(os.environ.get("WINDIR", "C:/Windows"), "Fonts"), home / "AppData/Local/Microsoft/Windows/Fonts"]
    elif sys.platform == "darwin":
        places = [Path("/System/Library/Fonts"), Path("/Library/Fonts"), home / "Library/Fonts"]
    else:
        own = os.environ.get("XDG_DATA_HOME") or str(home / ".local/share")
        shared = os.environ.get("XDG_DATA_DIRS") or "/usr/local/share:/usr/share"
        places = [home / ".fonts", *(Path(place, "fonts") for place in (own, *shared.split(":")))]
    found = find_spec("matplotlib")
    places += [Path(found.origin).parent / "mpl-data/fonts/ttf"] if found and found.origin else []
    return (place for place in places if place.is_dir())
