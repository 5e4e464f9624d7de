import cmath
import math

import pytest
import torch
from torch import Tensor
from torch.nn.functional import pad

from condgen.models.gan.augment import AUGMENTATIONS, Augment, affine, color, cutout, translation

SIZES = [(16, 16), (8, 24), (24, 8)]
every_size = pytest.mark.parametrize("size", SIZES, ids=str)
every_change = pytest.mark.parametrize("name", AUGMENTATIONS)


def numbered(n: int, channels: int, height: int, width: int) -> Tensor:
    """Images whose every value differs from all others of the image, and from zero."""
    return (1 + torch.arange(channels * height * width)).float().view(1, channels, height, width).repeat(n, 1, 1, 1)


def shifts(moved: Tensor, original: Tensor) -> list[tuple[int, int]]:
    """How far down and right each image of `numbered` was moved, told by where its middle went."""
    height, width = original.shape[2:]
    middle = original[:, 0, height // 2, width // 2]
    places = (moved[:, 0] == middle[:, None, None]).nonzero()
    assert len(places) == len(moved)
    return [(int(y) - height // 2, int(x) - width // 2) for _, y, x in places]


def shifted(image: Tensor, down: int, right: int) -> Tensor:
    """The image [channel, height, width] moved, with zeros moving in: padded and cropped."""
    height, width = image.shape[1:]
    m = max(abs(down), abs(right))
    return pad(image, (m, m, m, m))[:, m - down : m - down + height, m - right : m - right + width]


@every_size
def test_translation_moves_every_channel_alike_and_what_comes_in_is_black(size: tuple[int, int]) -> None:
    x = numbered(60, 2, *size)
    moved = translation(x)
    expected = [shifted(image, *shift) for image, shift in zip(x, shifts(moved, x), strict=True)]
    torch.testing.assert_close(moved, torch.stack(expected), rtol=0, atol=0)


@every_size
def test_translation_takes_every_shift_within_an_eighth_of_each_side(size: tuple[int, int]) -> None:
    x = numbered(1500, 1, *size)
    found = shifts(translation(x), x)
    for side, axis in zip(size, zip(*found, strict=True), strict=True):
        most = side // 8
        assert set(axis) == set(range(-most, most + 1))
        assert sum(axis) / len(axis) == pytest.approx(0, abs=0.3)
    assert torch.corrcoef(torch.tensor(found).T.float())[0, 1].abs() < 0.1


def test_translation_moves_even_tiny_images() -> None:
    x = numbered(100, 1, 4, 4)
    assert set(shifts(translation(x), x)) == {(a, b) for a in (-1, 0, 1) for b in (-1, 0, 1)}


def test_translation_moves_a_single_bright_pixel_and_never_more_than_one() -> None:
    x = torch.zeros(200, 1, 16, 16)
    x[:, :, 8, 3] = 1
    moved = translation(x)
    assert (moved.sum((1, 2, 3)) == 1).all()
    assert not torch.equal(moved, x)
    x = torch.zeros(200, 1, 16, 16)
    x[:, :, 0, 15] = 1
    assert set(translation(x).sum((1, 2, 3)).tolist()) == {0, 1}  # at the corner it may fall off the image


@every_size
def test_cutout_blackens_one_rectangle_of_at_most_its_share(size: tuple[int, int]) -> None:
    black = cutout(torch.ones(400, 2, *size)) == 0
    assert torch.equal(black[:, 0], black[:, 1])
    rows, columns = black[:, 0].any(2), black[:, 0].any(1)
    assert torch.equal(black[:, 0], rows[:, :, None] & columns[:, None, :])
    for covered, side in ((rows, size[0]), (columns, size[1])):
        lengths = covered.sum(1)
        starts = (covered.int().diff(dim=1) == 1).sum(1) + covered[:, 0].int()
        assert (starts == 1).all()
        assert abs(lengths.max().item() - 0.4 * side) < 1
        assert abs(lengths.min().item() - 0.2 * side) < 1


@every_size
def test_cutout_covers_each_place_as_often_as_a_uniform_centre_does(size: tuple[int, int]) -> None:
    rows = (cutout(torch.ones(6000, 1, *size)) == 0)[:, 0].any(2).float().mean(0)
    place, side = torch.arange(size[0]) + 0.5, size[0]
    reach = (place + 0.2 * side).clamp(max=side) - (place - 0.2 * side).clamp(min=0)
    torch.testing.assert_close(rows, reach / side, rtol=0, atol=0.035)


def test_cutout_leaves_what_it_does_not_cover() -> None:
    x = torch.rand(50, 3, 8, 8) + 0.1
    y = cutout(x)
    assert torch.equal(y, x.where(y != 0, 0))
    assert 0 < (y == 0).float().mean() < 0.2


def drawing(monkeypatch: pytest.MonkeyPatch, *numbers: float) -> None:
    """Makes affine draw these numbers in [−1, 1]: turn, slant and the logarithms of both stretches."""
    drawn = (torch.tensor(numbers)[:, None] + 1) / 2
    monkeypatch.setattr(torch, "rand", lambda size, **options: drawn.expand(size))


def dot(height: int, width: int, y: int, x: int) -> Tensor:
    """A bright disc around a place."""
    rows, columns = torch.arange(height)[:, None] - y, torch.arange(width) - x
    return (-(rows**2 + columns**2) / 8.0).exp()[None, None]


def place(image: Tensor) -> tuple[float, float]:
    """Where the brightness of an image [1, 1, height, width] is, down and right of the middle."""
    height, width = image.shape[2:]
    rows, columns = torch.arange(height) + 0.5 - height / 2, torch.arange(width) + 0.5 - width / 2
    total = image.sum()
    return float((image[0, 0] * rows[:, None]).sum() / total), float((image[0, 0] * columns).sum() / total)


@every_size
def test_an_affine_change_by_nothing_is_none(size: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    x = torch.rand(3, 2, *size)
    drawing(monkeypatch, 0, 0, 0, 0)
    torch.testing.assert_close(affine(x), x, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("size", [(48, 48), (32, 64), (64, 32)], ids=str)
@pytest.mark.parametrize("spot", [(9, 4), (-8, 7), (2, -12)], ids=str)
def test_affine_turns_by_its_angle_in_pixels_whatever_the_sides(
    size: tuple[int, int], spot: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    x = dot(*size, size[0] // 2 + spot[0], size[1] // 2 + spot[1])
    before = complex(*place(x))
    for turn in (1.0, -0.5):
        drawing(monkeypatch, turn, 0, 0, 0)
        after = complex(*place(affine(x)))
        assert abs(after) == pytest.approx(abs(before), abs=0.05)
        assert abs(cmath.phase(after / before)) == pytest.approx(0.25 * abs(turn), abs=0.01)


@pytest.mark.parametrize("size", [(48, 48), (32, 64), (64, 32)], ids=str)
def test_affine_stretches_each_axis_and_shears_rows_in_pixels(
    size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    x = dot(*size, size[0] // 2 + 6, size[1] // 2 + 6)
    down, right = place(x)
    drawing(monkeypatch, 0, 0, 1, 0)
    assert place(affine(x)) == pytest.approx((down, right / math.exp(0.2)), abs=0.05)
    drawing(monkeypatch, 0, 0, 0, -1)
    assert place(affine(x)) == pytest.approx((down * math.exp(0.2), right), abs=0.05)
    drawing(monkeypatch, 0, 1, 0, 0)
    assert place(affine(x)) == pytest.approx((down, right - 0.3 * down), abs=0.05)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_affine_moves_pixels_exactly_in_mixed_precision(dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    drawing(monkeypatch, 0.9, 0.6, -0.3, 0.5)
    slope = (torch.arange(256) - 128.0).expand(1, 1, 256, 256)  # the value says the place, exactly in half precision
    exact = affine(slope)
    with torch.autocast("cpu", torch.bfloat16):
        mixed = affine(slope.to(dtype))
    assert mixed.dtype == dtype
    torch.testing.assert_close(mixed.float(), exact.to(dtype).float(), rtol=0, atol=0)


@every_size
def test_affine_keeps_most_of_a_middle_and_lets_black_in_at_the_borders(size: tuple[int, int]) -> None:
    y = affine(torch.ones(400, 1, *size))
    assert y.min() == 0
    assert y.max() <= 1 + 1e-4
    middle = y[:, 0, size[0] // 2 - 1 : size[0] // 2 + 1, size[1] // 2 - 1 : size[1] // 2 + 1]
    torch.testing.assert_close(middle, torch.ones_like(middle), rtol=0, atol=1e-4)
    assert (y[:, 0, 0, 0] < 0.5).float().mean() > 0.2


def is_uniform(numbers: Tensor, low: float, high: float) -> bool:
    """Whether many numbers have the range, the mean and the spread of a uniform distribution."""
    width = high - low
    within = bool(numbers.min() >= low - 1e-4) and bool(numbers.max() <= high + 1e-4)
    mean, std = float(numbers.mean()) - (low + high) / 2, float(numbers.std()) - width / 12**0.5
    return within and abs(mean) < 0.05 * width and abs(std) < 0.03 * width


def parts(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Mean brightness [batch], deviations of the grey image from it, deviations of the colours from the grey image."""
    grey = x.mean(1, keepdim=True)
    mean = x.mean((1, 2, 3), keepdim=True)
    return mean.flatten(), grey - mean, x - grey


def test_color_draws_brightness_contrast_and_saturation_uniformly_and_independently() -> None:
    x = torch.rand(1, 3, 8, 12).repeat(3000, 1, 1, 1)
    (mean, grey, tint), (new_mean, new_grey, new_tint) = parts(x), parts(color(x))
    contrast = (new_grey * grey).sum((1, 2, 3)) / grey.square().sum((1, 2, 3))
    both = (new_tint * tint).sum((1, 2, 3)) / tint.square().sum((1, 2, 3))
    torch.testing.assert_close(new_grey, contrast.view(-1, 1, 1, 1) * grey, atol=1e-4, rtol=1e-3)
    torch.testing.assert_close(new_tint, both.view(-1, 1, 1, 1) * tint, atol=1e-4, rtol=1e-3)
    assert is_uniform(new_mean - mean, -0.5, 0.5)
    assert is_uniform(contrast, 0.5, 1.5)
    assert is_uniform(both / contrast, 0, 2)
    drawn = torch.stack([new_mean, contrast, both / contrast])
    assert (torch.corrcoef(drawn) - torch.eye(3)).abs().max() < 0.08


def test_color_of_a_grey_image_changes_brightness_and_contrast_only() -> None:
    x = torch.rand(20, 1, 8, 8)
    y = color(x)
    slope = (y - y.mean((2, 3), keepdim=True)) / (x - x.mean((2, 3), keepdim=True))
    torch.testing.assert_close(slope, slope[:, :, :1, :1].expand_as(slope), rtol=1e-2, atol=1e-3)


@every_change
def test_gradients_flow_through_every_change(name: str) -> None:
    x = torch.rand(40, 3, 8, 8, requires_grad=True)
    y = AUGMENTATIONS[name](x)
    (y * torch.randn_like(y)).sum().backward()
    assert x.grad is not None
    assert x.grad.isfinite().all()
    assert (x.grad != 0).float().mean() > 0.5
    assert (x.grad != 0).flatten(1).any(1).all()


@every_change
@pytest.mark.parametrize("channels", [1, 3])
@every_size
def test_the_shape_is_kept(name: str, channels: int, size: tuple[int, int]) -> None:
    assert AUGMENTATIONS[name](torch.rand(2, channels, *size)).shape == (2, channels, *size)


@pytest.mark.parametrize(
    ("name", "dtype"),
    [
        *[(name, dtype) for name in AUGMENTATIONS for dtype in (torch.float32, torch.float64)],
        *[(name, torch.bfloat16) for name in AUGMENTATIONS if name != "color"],
        pytest.param("color", torch.bfloat16),
    ],
    ids=str,
)
def test_the_dtype_is_kept(name: str, dtype: torch.dtype) -> None:
    x = torch.rand(3, 1, 8, 8, dtype=dtype)
    assert AUGMENTATIONS[name](x).dtype == Augment((name,))(x).dtype == dtype


@every_change
def test_every_image_is_changed_in_its_own_way_from_the_global_generator(name: str) -> None:
    x = numbered(8, 3, 16, 16) / 768
    torch.manual_seed(1)
    once = AUGMENTATIONS[name](x)
    torch.manual_seed(1)
    assert torch.equal(AUGMENTATIONS[name](x), once)
    assert len({tuple(y.flatten().tolist()) for y in once}) >= 6
    assert not torch.equal(AUGMENTATIONS[name](x), once)


@pytest.mark.parametrize("names", [(), tuple(AUGMENTATIONS)], ids=str)
def test_without_a_name_or_a_chance_nothing_changes(names: tuple[str, ...]) -> None:
    x = torch.rand(20, 3, 8, 8)
    assert torch.equal(Augment(names, 0.0 if names else 1.0)(x), x)


@pytest.mark.parametrize("chance", [0.3, 0.7, 1.0])
def test_each_change_is_made_with_its_chance_independently_of_the_others(chance: float) -> None:
    x = numbered(3000, 1, 8, 8)
    y = Augment(("cutout", "color"), chance)(x)
    cut = (y.flatten(1).mode(1).values[:, None] == y.flatten(1)).sum(1) > 1  # black places share a value, others none
    middle = y.flatten(1) - x.flatten(1)
    coloured = (middle.where(y.flatten(1) != 0, 0).abs() > 1e-3).any(1)
    assert cut.float().mean().item() == pytest.approx(chance, abs=0.03)
    assert coloured.float().mean().item() == pytest.approx(chance, abs=0.03)
    assert (cut & coloured).float().mean().item() == pytest.approx(chance**2, abs=0.04)


def test_changes_are_made_in_the_order_of_their_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(AUGMENTATIONS, "color", lambda x: x + 1)
    monkeypatch.setitem(AUGMENTATIONS, "cutout", lambda x: 3 * x)
    x = torch.zeros(2, 1, 4, 4)
    assert (Augment(("color", "cutout"), 1.0)(x) == 3).all()
    assert (Augment(("cutout", "color"), 1.0)(x) == 1).all()


def test_vectors_are_left_alone_without_names() -> None:
    x = torch.randn(5, 3)
    assert torch.equal(Augment()(x), x)


@every_change
def test_vectors_are_left_alone(name: str) -> None:
    x = torch.randn(5, 3)
    assert torch.equal(Augment((name,), 1.0)(x), x)
