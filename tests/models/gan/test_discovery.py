import math
from contextlib import nullcontext

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import affine_grid, grid_sample, normalize

from condgen.models.gan.discovery import (
    SAME,
    Gallery,
    contrast,
    directions,
    likeness,
    point,
    shared_information,
    upright,
)


def bar(slant: float = 0.0, right: int = 0, down: int = 0, size: int = 28) -> Tensor:
    """A vertical bar, [1, 1, size, size], slanting and moved."""
    rows = torch.arange(size, dtype=torch.float32) - (size - 1) / 2
    middle = slant * (rows - down) + right
    x = (1.5 - (rows[None] - middle[:, None]).abs()).clamp(0, 1)
    return (x * ((rows - down).abs() < 7)[:, None])[None, None]


def slant_of(x: Tensor) -> float:
    """Columns per row of what is bright."""
    place = torch.arange(x.shape[2]) - (x.shape[2] - 1) / 2
    mass = x[0, 0] / x.sum()
    row, column = mass.sum(1) @ place, mass.sum(0) @ place
    down, right = (place - row)[:, None], (place - column)[None]
    return float((mass * down * right).sum() / (mass * down**2).sum())


@pytest.mark.parametrize("slant", [-0.4, -0.2, 0.0, 0.4])
def test_upright_undoes_slant_and_place(slant: float) -> None:
    x = bar(slant, right=3, down=-2)
    assert slant_of(x) == pytest.approx(slant, abs=0.05)
    assert slant_of(upright(x)) == pytest.approx(0, abs=0.03)
    assert (upright(x) - bar()).abs().mean() < 0.3 * (x - bar()).abs().mean()


def test_what_stands_upright_stays_and_the_empty_image_is_survived() -> None:
    torch.testing.assert_close(upright(bar()), bar(), atol=1e-4, rtol=0)
    assert not upright(torch.zeros(2, 1, 28, 28)).any()
    assert likeness(torch.zeros(2, 3, 8, 12)).isfinite().all()


def test_images_are_compared_whatever_their_slant_place_and_brightness_and_vectors_as_they_are() -> None:
    keys = likeness(torch.cat([bar(), 0.5 * bar(0.4, right=4), bar().transpose(2, 3)]))
    torch.testing.assert_close(keys.norm(dim=1), torch.ones(3))
    assert keys[0] @ keys[1] > 0.95 > 0.7 > keys[0] @ keys[2]
    x = torch.randn(4, 3)
    assert likeness(x) is x


@pytest.mark.parametrize("shape", [(1, 8, 8), (3,)], ids=["image", "vector"])
def test_a_gallery_finds_the_nearest_but_not_the_same_among_the_last(shape: tuple[int, ...]) -> None:
    gallery, x = Gallery(30), 0.2 + torch.rand(50, *shape)
    assert torch.equal(gallery.neighbours(x[:4]), x[:4])
    for part in x.split(10):
        gallery.add(part)
    kept = x[20:]
    torch.testing.assert_close(gallery.observations(x[:1]), kept, atol=1e-3, rtol=1e-3)
    distances = torch.cdist(likeness(kept), likeness(kept)).fill_diagonal_(torch.inf)
    assert distances.min() > 2 * SAME * likeness(kept).norm(dim=1).max() or len(shape) == 1
    found = gallery.neighbours(kept)
    nearest = kept[distances.argmin(1)]
    right = ((found - nearest).flatten(1).abs().amax(1) < 1e-3).float().mean()
    assert right > 0.9
    assert ((found - kept).flatten(1).abs().amax(1) > 1e-3).all()


def test_a_gallery_grows_in_bf16() -> None:
    gallery, x = Gallery(8), torch.rand(4, 1, 8, 8)
    with torch.autocast("cpu", torch.bfloat16):
        gallery.add(x)
        gallery.add(x)
    assert len(gallery.rows) == 8
    assert gallery.rows.dtype is torch.half


def test_a_galleries_state_is_all_of_it() -> None:
    gallery, other, x = Gallery(10), Gallery(10), torch.rand(8, 1, 8, 8)
    gallery.add(x)
    other.load_state_dict(gallery.state_dict())
    assert torch.equal(gallery.neighbours(x.flip(0)), other.neighbours(x.flip(0)))
    assert Gallery(10).state_dict().keys() == gallery.state_dict().keys()


@pytest.mark.parametrize("temperature", [0.5, 0.1])
def test_contrast_is_the_published_sum(temperature: float) -> None:
    n = 4
    h = normalize(torch.randn(2 * n, 5), dim=1)
    total = 0.0
    for i in range(2 * n):
        j = (i + n) % (2 * n)
        others = [math.exp(float(h[i] @ h[k]) / temperature) for k in range(2 * n) if k != i]
        total -= math.log(math.exp(float(h[i] @ h[j]) / temperature) / sum(others))
    assert contrast(3 * h[:n], 7 * h[n:], temperature).item() == pytest.approx(total / (2 * n), rel=1e-4)


def test_shared_information_is_that_of_the_joint_distribution() -> None:
    codes, others = torch.eye(4)[torch.arange(48) % 4], torch.eye(4)[torch.arange(48) // 4 % 4]
    assert shared_information(codes, codes).item() == pytest.approx(math.log(4), abs=1e-4)
    assert shared_information(codes, others).item() == pytest.approx(0, abs=1e-3)
    assert shared_information(codes, codes.roll(1, 1)).item() == pytest.approx(math.log(2), abs=1e-4)  # symmetrised


def groups(n: int = 90, k: int = 3, features: int = 6) -> tuple[Tensor, Tensor]:
    """Features around k directions, of any length, and whose they are."""
    whose = torch.arange(n) % k
    h = torch.eye(features)[:k][whose] + 0.1 * torch.randn(n, features)
    return h * (0.5 + torch.rand(n, 1)), whose


def test_directions_find_groups_whatever_the_length_of_features() -> None:
    h, _ = groups()
    means = directions(h, 3)
    torch.testing.assert_close(means.norm(dim=1), torch.ones(3))
    assert (means @ torch.eye(6)[:3].T).amax(0).min() > 0.98


def test_the_length_of_features_decides_nothing() -> None:
    h, _ = groups()
    torch.manual_seed(1)
    means = directions(h, 5)
    torch.manual_seed(1)
    torch.testing.assert_close(
        directions(h * (0.1 + 10 * torch.rand(len(h), 1, generator=torch.Generator())), 5), means
    )


def test_the_best_of_the_restarts_is_taken() -> None:
    h, _ = groups(300, 8, 12)

    def value(restarts: int) -> float:
        torch.manual_seed(1)
        return float((normalize(h) @ directions(h, 8, restarts).T).amax(1).sum())

    first, best = value(1), value(20)
    assert best >= first
    assert best > 0.9 * len(h)


def test_a_layer_is_pointed_at_the_groups() -> None:
    h, whose = groups()
    layer = nn.Linear(6, 3)
    point(layer, h)
    read = layer(h).argmax(1)
    assert len({(int(a), int(b)) for a, b in zip(whose, read, strict=True)}) == 3
    assert not layer.bias.any()
    assert 7 < layer(h).amax(1).mean() < 11
    assert layer.weight.requires_grad


def test_shear_is_undone_in_images_that_are_not_square() -> None:
    x = torch.zeros(1, 1, 16, 28)
    x[:, :, 3:13, 12:16] = 1
    matrix = torch.tensor([[[1.0, 0.4 * 16 / 28, 0.1], [0.0, 1.0, 0.0]]])
    slanted = grid_sample(x, affine_grid(matrix, [1, 1, 16, 28], align_corners=False), align_corners=False)
    assert (upright(slanted) - upright(x)).abs().mean() < 0.35 * (slanted - x).abs().mean()


def test_rows_of_a_checkpoint_follow_to_the_device_of_the_batch_whatever_is_asked_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    elsewhere = torch.device("meta")  # stands for a GPU, but has no autocast
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: nullcontext())
    x, saved = torch.rand(4, 3, device=elsewhere), torch.rand(5, 6)

    def restored() -> Gallery:
        gallery = Gallery(8)
        gallery.set_extra_state(saved)
        return gallery

    assert restored().observations(x).device == elsewhere
    assert restored().neighbours(x).device == elsewhere
    gallery = restored()
    gallery.add(x)
    assert gallery.rows.device == elsewhere
    assert gallery.rows.shape == (8, 6)
