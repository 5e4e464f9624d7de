"""Codecs: images to smaller ones of more channels and back, of any size, built again from their recipe."""

import json
from typing import Any

import pytest
import torch

from condgen.errors import RequestError
from condgen.models import build
from condgen.models.latents.alone import DecoderAlone
from condgen.models.latents.codec import SpatialCodec
from condgen.models.latents.kinds import rebuilt
from condgen.schema import Schema
from condgen.testing.worlds import conditions, observations

TINY = {"latent": 3, "channels": 8, "depth": 1}


def images(*shape: int) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("factor", [4, 8, 16])
@pytest.mark.parametrize("outputs", ["pixels", "deblocked", "spectrum"])
@torch.no_grad()
def test_latents_are_smaller_images_in_0_to_1(factor: int, outputs: str) -> None:
    codec = SpatialCodec(3, factor=factor, outputs=outputs, **TINY)
    for height, width in ((16, 32), (32, 32)):
        x = images(2, 3, height, width)
        z = codec.encode(x)
        assert z.shape[1:] == codec.latent_shape((3, height, width)) == (3, height // factor, width // factor)
        assert z.min() >= 0
        assert z.max() <= 1
        y = codec.decode(z)
        assert y.shape == x.shape
        assert y.min() >= 0
        assert y.max() <= 1


@torch.no_grad()
def test_a_latent_is_about_its_own_place() -> None:
    codec = SpatialCodec(1, factor=4, **TINY)
    x = images(1, 1, 64, 64)
    changed = x.clone()
    changed[:, :, :4, :4] = 1 - changed[:, :, :4, :4]
    moved = (codec.encode(x) != codec.encode(changed)).any(1)[0].nonzero()
    assert len(moved)
    assert moved.max() < 8


def test_it_remembers_by_whose_features_it_learned() -> None:
    learning: Any = build("codec", Schema(attributes=()), (3, 32, 32), perceptual_features="efficientnet", **TINY)
    names = [each.name for each in learning.trained_against]
    assert names == ["its own critic of patches", "efficientnet"]
    again = rebuilt(json.loads(json.dumps(learning.codec.recipe)))
    assert [each.name for each in again.trained_against] == ["its own codec's critic of patches", "efficientnet"]


def test_it_is_built_again_from_its_recipe() -> None:
    codec = SpatialCodec(3, factor=4, noise=0.1, **TINY)
    again = rebuilt(json.loads(json.dumps(codec.recipe)))
    again.load_state_dict(codec.state_dict())
    x = images(2, 3, 16, 16)
    assert again.decode(again.encode(x)).equal(codec.decode(codec.encode(x)))
    assert again.recipe == codec.recipe


@pytest.mark.parametrize(
    "recipe", [{}, {"kind": "else"}, {"kind": "spatial", "images": "3"}, {"kind": "spatial", "images": 10**9}]
)
def test_a_recipe_that_makes_no_sense_is_refused(recipe: dict[str, object]) -> None:
    with pytest.raises(RequestError, match="knows no codec"):
        rebuilt(recipe)


def test_what_it_cannot_take_is_refused() -> None:
    codec = SpatialCodec(3, factor=8, **TINY)
    with pytest.raises(RequestError, match="images of 3 channels, and the data has the shape 1×16×16"):
        codec.latent_shape((1, 16, 16))
    with pytest.raises(RequestError, match="sides that 8 divides, not for 20×16"):
        codec.latent_shape((3, 20, 16))
    with pytest.raises(RequestError, match="for images, and these are vectors"):
        build("codec", Schema(attributes=()), (3,))
    with pytest.raises(RequestError, match="the factor must be 4, 8 or 16, not 12"):
        build("codec", Schema(attributes=()), (3, 24, 24), factor=12)


def test_latents_are_decoded_under_noise_in_training() -> None:
    condition = conditions("all", 8)
    x = observations(condition, "image")
    for noise, alike in ((0.0, True), (0.3, False)):
        torch.manual_seed(0)
        model = build("codec", condition.schema, (1, 8, 8), factor=4, noise=noise, perceptual=0.0, **TINY)
        torch.nn.init.normal_(model.codec.decoder.stem.weight)
        first, second = (model(x, condition)["loss"].item() for _ in range(2))
        assert (first == second) == alike


def test_the_critic_of_patches_waits_for_a_picture() -> None:
    condition = conditions("all", 8)
    x = observations(condition, "image")
    arguments = {"factor": 4, "adversarial": 0.5, "adversarial_from": 16, **TINY}
    model = build("codec", condition.schema, (1, 8, 8), **arguments).train()
    learned, fooling = [], []
    for _ in range(3):
        learned.append("wins" in model(x, condition, "critic"))
        fooling.append("fooling" in model(x, condition, "model"))
    assert learned == [False, False, True]  # from 90 % of the 16 images on
    assert fooling == [False, True, True]
    assert "critic" not in build("codec", condition.schema, (1, 8, 8), factor=4, **TINY).players()


def test_in_the_end_the_decoder_alone_learns() -> None:
    condition = conditions("all", 8)
    x = observations(condition, "image")
    arguments = {"factor": 4, "perceptual": 0.0, "decoder_from": 8, "decoder_noise": 0.3, "noise": 0.0, **TINY}
    model = build("codec", condition.schema, (1, 8, 8), **arguments).train()
    torch.nn.init.normal_(model.codec.decoder.stem.weight)
    before, end = model(x, condition), model(x, condition)
    for terms, encoder_learns in ((before, True), (end, False)):
        model.zero_grad()
        terms["loss"].backward()
        assert (model.codec.encoder.stem.weight.grad is not None) == encoder_learns
        assert model.codec.decoder.stem.weight.grad.any()
    again = build("codec", condition.schema, (1, 8, 8), **arguments).train()
    again.load_state_dict(model.state_dict())
    assert again.alone.begun
    assert model(x, condition)["loss"] != model(x, condition)["loss"]  # there was no noise before


def test_the_noise_of_the_end_is_of_another_strength_for_each_image() -> None:
    found = DecoderAlone(0, 0.2).strengths(torch.zeros(4_000, 3, 2, 2))
    assert found.shape == (4_000, 1, 1, 1)
    assert found.min() >= 0
    assert found.square().mean().sqrt() == pytest.approx(0.2, rel=0.1)
    assert found.std() > 0.1
