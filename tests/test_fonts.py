"""Which font draws which text."""

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from PIL.ImageFont import FreeTypeFont

from condgen import fonts
from condgen.fonts import draws, font_for, own_font

ASCII, SIGNS, CHINESE = "price=5, glasses", "5 € ≥ naïve имя", "color=红"


@pytest.fixture(autouse=True)
def _forgotten() -> Iterator[None]:
    """What was found on this machine is found anew."""
    yield
    font_for.cache_clear()


@pytest.fixture
def dejavu(monkeypatch: pytest.MonkeyPatch) -> Path:
    """The one font of a machine that has no more than this."""
    found = find_spec("matplotlib")
    if found is None or found.origin is None:
        pytest.skip("needs the extra 'plots': pip install -e '.[plots]'")
    font_for.cache_clear()
    path = Path(found.origin).parent / "mpl-data/fonts/ttf/DejaVuSans.ttf"
    monkeypatch.setattr(fonts, "installed", lambda: (path,))
    return path


def test_the_own_font_draws_ascii_and_lacks_the_rest() -> None:
    assert [draws(own_font(15), text) for text in (ASCII, "", "a b", SIGNS, CHINESE)] == [
        True,
        True,
        True,
        False,
        False,
    ]


def test_letters_that_it_lacks_come_from_a_font_of_the_machine(dejavu: Path) -> None:
    own, found = font_for(ASCII, 15), font_for(SIGNS + "\ufe0f", 15)
    assert isinstance(own, FreeTypeFont)
    assert isinstance(found, FreeTypeFont)
    assert (own.getname(), str(found.path)) == (own_font(15).getname(), str(dejavu))
    assert font_for(CHINESE, 15) is None


def test_files_that_are_no_fonts_are_passed_over(dejavu: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken.ttf").write_bytes(b"no font")
    monkeypatch.setattr(fonts, "installed", lambda: (tmp_path / "broken.ttf", dejavu))
    assert font_for("€", 15) is not None


def test_plain_fonts_come_first_and_empty_ones_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = ["LastResort.otf", "Aa-Bold.ttf", "Zz.TTF", "deep/NotoSans-Regular.ttf", "DejaVuSans.ttf", "read.me"]
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    monkeypatch.setattr(fonts, "folders", lambda: iter([tmp_path]))
    fonts.installed.cache_clear()
    found = [path.name for path in fonts.installed()]
    fonts.installed.cache_clear()
    assert found == ["DejaVuSans.ttf", "NotoSans-Regular.ttf", "Zz.TTF", "Aa-Bold.ttf"]
