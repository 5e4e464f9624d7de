"""Grids with labels in every script."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from condgen import fonts
from condgen.errors import CondgenWarning
from condgen.fonts import font_for, own_font
from condgen.pictures import grid, pil_image, rows_of

X = torch.zeros(4, 1, 8, 8)


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine without fonts."""
    font_for.cache_clear()
    monkeypatch.setattr(fonts, "installed", lambda: ())
    yield
    font_for.cache_clear()


@pytest.mark.usefixtures("bare")
def test_a_label_that_no_font_draws_is_replaced_by_its_number_and_told() -> None:
    with pytest.warns(CondgenWarning, match="row 2 is color=红. Install a font") as told:
        picture = grid(X, 2, ["color=red", "color=红"])
    assert len(told) == 1
    assert np.array_equal(np.asarray(picture), np.asarray(grid(X, 2, ["color=red", "row 2"])))


@pytest.mark.usefixtures("bare")
def test_heads_of_columns_too() -> None:
    with pytest.warns(CondgenWarning, match="column 1 is 红"):
        picture = grid(X, 2, heads=["红", "b"])
    assert np.array_equal(np.asarray(picture), np.asarray(grid(X, 2, heads=["column 1", "b"])))


@pytest.mark.usefixtures("bare")
def test_of_many_labels_the_first_are_told() -> None:
    with pytest.warns(CondgenWarning, match=r"row 8 is 红8; …\. Install"):
        grid(torch.zeros(9, 1, 8, 8), 1, [f"红{k}" for k in range(1, 10)])


def test_an_accent_of_its_own_is_drawn_with_its_letter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("condgen.pictures.font_for", lambda text, size: own_font(size) if len(text) == 1 else None)
    assert np.array_equal(np.asarray(grid(X, 2, ["e\u0301", "a"])), np.asarray(grid(X, 2, ["é", "a"])))


@pytest.mark.usefixtures("bare")
def test_signs_of_condgens_own_labels_are_drawn_everywhere() -> None:
    assert np.array_equal(np.asarray(grid(X, 2, ["a → b", "[0 …]"])), np.asarray(grid(X, 2, ["a -> b", "[0 ...]"])))


@pytest.mark.parametrize("channels", [1, 3])
def test_arrays_of_either_library_make_the_same_picture(channels: int) -> None:
    tensors = torch.rand(5, channels, 8, 8)
    arrays = tensors.numpy()
    assert pil_image(arrays[0]).tobytes() == pil_image(tensors[0]).tobytes()
    found, expected = rows_of([arrays[:3], arrays[3:]], ["a", "b"]), rows_of([tensors[:3], tensors[3:]], ["a", "b"])
    assert found.tobytes() == expected.tobytes()
    assert found.getpixel((found.width - 5, found.height - 5)) == (255, 255, 255)  # the short row ends in white
