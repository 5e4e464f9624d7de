"""Edits by generators that cannot encode."""

from typing import Any

import pytest
import torch
from torch import Tensor

from condgen.models import abilities, build
from condgen.models.gan.conditional import STARTS, ConditionalGAN, agreed
from condgen.runs.editing import EditOptions, edited
from condgen.schema import Condition, Flag, Schema

SCHEMA = Schema(attributes=(Flag(name="bright"),))
SHAPES = [(1, 8, 8), (3,)]
either_shape = pytest.mark.parametrize("shape", SHAPES, ids=["image", "vector"])


def model(shape: tuple[int, ...], name: str = "projection", **settings: Any) -> ConditionalGAN:
    torch.manual_seed(0)
    built = build(name, SCHEMA, shape, latent=4, channels=8, **settings)
    assert isinstance(built, ConditionalGAN)
    with torch.no_grad():
        for p in built.parameters():
            p.add_(0.2 * torch.randn_like(p))
    return built.eval()


def asked(n: int, bright: int) -> Condition:
    return Condition.of(SCHEMA, [{"bright": bright}] * n)


@torch.no_grad()
def observations(one: ConditionalGAN, n: int = 6) -> Tensor:
    """Samples of the model under `bright=0`."""
    torch.manual_seed(3)
    return one.generator(torch.randn(n, 4), asked(n, 0))


@either_shape
def test_latents_are_found_whose_images_resemble_the_observations(shape: tuple[int, ...]) -> None:
    one = model(shape)
    x, c = observations(one), one.condition_encoder(asked(6, 0))
    found = one.from_noise(one.to_noise(x, c), c)
    mean = x.mean(0, keepdim=True)
    assert (found - x).square().mean() < 0.5 * (mean - x).square().mean()


@either_shape
def test_an_edit_shows_the_latents_under_the_other_condition(shape: tuple[int, ...], monkeypatch: Any) -> None:
    one = model(shape)
    monkeypatch.setattr("condgen.models.gan.conditional.DOUBT", 0.0)
    x, (a, b) = observations(one), (asked(6, 0), asked(6, 1))
    noise = one.to_noise(x, one.condition_encoder(a))
    torch.testing.assert_close(one.edit(x, a, b), one.from_noise(noise, one.condition_encoder(b)))
    torch.testing.assert_close(one.edit(x, a, a), one.from_noise(noise, one.condition_encoder(a)))


def test_a_change_is_kept_as_far_as_latents_agree_on_it() -> None:
    signs = torch.tensor([1.0, -1.0]).repeat(STARTS // 2)
    changes = torch.stack([torch.ones(STARTS), signs, 1 + 0.1 * signs], 1)[None]  # [1, start, 3]
    kept = agreed(changes)[0]
    torch.testing.assert_close(kept[:2], torch.tensor([1.0, 0.0]))
    assert 0.9 < kept[2] < 1
    image = torch.zeros(1, STARTS, 3, 32, 32)
    image[..., :16, :] = 1
    image[..., 16:, :] = signs[:, None, None, None]
    assert agreed(image)[0, :, :12].min() > 0.9
    assert agreed(image)[0, :, 20:].abs().max() < 0.1


@either_shape
def test_an_observation_is_edited_alike_in_any_batch_and_under_inference(shape: tuple[int, ...]) -> None:
    one = model(shape)
    x, a, b = observations(one), asked(6, 0), asked(6, 1)
    whole = edited(one, x, a, b, EditOptions())
    assert not whole.requires_grad
    torch.testing.assert_close(edited(one, x, a, b, EditOptions(), batch=4), whole, rtol=1e-3, atol=1e-4)
    assert all(p.grad is None for p in one.parameters())
    if len(shape) == 3:
        torch.testing.assert_close(edited(one, x, a, a, EditOptions()), x)


def test_latents_are_looked_for_once_for_edits_of_the_same_observations() -> None:
    one = model((1, 8, 8))
    x, looked = observations(one), []
    found = one._descended
    one._descended = lambda *given: looked.append(len(given[0])) or found(*given)  # type: ignore[method-assign,func-returns-value]
    for target in (asked(6, 1), asked(6, 0)):
        edited(one, x, asked(6, 0), target, EditOptions())
    assert looked == [6]
    edited(one, x + 0.1, asked(6, 0), asked(6, 1), EditOptions())
    edited(one, x + 0.1, asked(6, 1), asked(6, 0), EditOptions())
    assert looked == [6, 6, 6]


def test_latents_are_looked_for_again_after_training() -> None:
    one = model((1, 8, 8))
    x, c = observations(one), one.condition_encoder(asked(6, 0))
    before = one.to_noise(x, c)
    one.train()
    with torch.no_grad():
        for p in one.generator.parameters():
            p.add_(0.2 * torch.randn_like(p))
    assert not torch.equal(one.eval().to_noise(x, c), before)


@pytest.mark.parametrize("name", ["cgan", "acgan", "projection", "infogan"])
def test_conditional_families_edit_and_an_unconditional_one_does_not(name: str) -> None:
    assert isinstance(build(name, SCHEMA, (3,)), abilities.Edits)
    assert not isinstance(build("gan", SCHEMA, (3,)), abilities.Edits)
