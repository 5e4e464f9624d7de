"""Autoencoders of the package diffusers as codecs, tiny ones with random weights."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from condgen.errors import RequestError, RunError
from condgen.extras import MissingExtraError
from condgen.feature_networks import IMAGENET
from condgen.models import build, rebuild
from condgen.models.latents import published
from condgen.models.latents.codec import Codec
from condgen.models.latents.kinds import rebuilt
from condgen.models.latents.within import in_latents
from condgen.runs.latents import codec_at
from condgen.testing.worlds import conditions

WIDTHS = (8, 8, 8)
KINDS: dict[str, dict[str, Any]] = {
    "AutoencoderTiny": {
        "encoder_block_out_channels": WIDTHS,
        "decoder_block_out_channels": WIDTHS,
        "num_encoder_blocks": (1, 1, 1),
        "num_decoder_blocks": (1, 1, 1),
        "latent_channels": 2,
    },
    "AutoencoderKL": {
        "block_out_channels": WIDTHS,
        "down_block_types": ("DownEncoderBlock2D",) * 3,
        "up_block_types": ("UpDecoderBlock2D",) * 3,
        "norm_num_groups": 4,
        "layers_per_block": 1,
        "latent_channels": 3,
        "scaling_factor": 2.0,
        "shift_factor": 0.1,
    },
}
every_kind = pytest.mark.parametrize("kind", KINDS)
IMAGES = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))


def saved(kind: str, folder: Path) -> Any:
    """A random autoencoder, written to a folder by diffusers itself."""
    diffusers = pytest.importorskip("diffusers", reason="needs diffusers: pip install 'condgen[diffusers]'")
    torch.manual_seed(0)
    made = getattr(diffusers, kind)(**KINDS[kind]).eval()
    made.save_pretrained(folder)
    return made


@every_kind
@torch.no_grad()
def test_it_decodes_as_diffusers_does(kind: str, tmp_path: Path) -> None:
    made, codec = saved(kind, tmp_path), codec_at(tmp_path).eval()
    z = codec.encode(IMAGES)
    assert z.shape[1:] == codec.latent_shape((3, 16, 16)) == (codec.channels, 4, 4)
    assert z.min() >= 0
    assert z.max() <= 1
    found = made.encode(2 * IMAGES - 1)
    latents = found.latents if kind == "AutoencoderTiny" else found.latent_dist.mode()
    expected = (made.decode(latents).sample + 1) / 2
    assert torch.allclose(codec.decode(z), expected.clamp(0, 1), atol=1e-4)


@every_kind
def test_the_autoencoder_of_a_pipeline_is_found(kind: str, tmp_path: Path) -> None:
    saved(kind, tmp_path / "vae")
    assert codec_at(tmp_path).recipe["kind"] == kind


@every_kind
@torch.no_grad()
def test_a_model_in_its_latents_is_built_again_without_the_folder(kind: str, tmp_path: Path) -> None:
    saved(kind, tmp_path)
    codec, condition = codec_at(tmp_path), conditions("all", 2)
    inner = build("projection", condition.schema, codec.latent_shape((3, 16, 16)), channels=8, patch=1)
    model = in_latents(inner, codec, (3, 16, 16))
    again = rebuild(json.loads(json.dumps(model.recipe)), condition.schema, (3, 16, 16))
    again.load_state_dict(model.state_dict())
    assert isinstance(again.codec, Codec)
    assert again.codec.encode(IMAGES).equal(codec.encode(IMAGES))
    assert IMAGENET in [origin for each in model.trained_against for origin in each.origins]


def test_damaged_weights_are_refused(tmp_path: Path) -> None:
    saved("AutoencoderTiny", tmp_path)
    weights = tmp_path / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:100])
    with pytest.raises(RunError, match="cannot be read"):
        codec_at(tmp_path)


def test_without_the_package_its_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "diffusers", None)
    with pytest.raises(MissingExtraError, match=r"condgen\[diffusers\]"):
        rebuilt({"kind": "AutoencoderTiny", "config": {}})


@pytest.mark.parametrize("config", [None, {}, {"in_channels": 3, "latent_channels": "4"}])
def test_a_recipe_that_makes_no_sense_is_refused(config: object, tmp_path: Path) -> None:
    pytest.importorskip("diffusers", reason="needs diffusers: pip install 'condgen[diffusers]'")
    with pytest.raises(RequestError, match="cannot be built"):
        rebuilt({"kind": "AutoencoderKL", "config": config})


def test_other_folders_hold_none(tmp_path: Path) -> None:
    assert published.published(tmp_path) is None
    (tmp_path / "config.json").write_text('{"_class_name": "UNet2DModel"}')
    assert published.published(tmp_path) is None
    with pytest.raises(RunError):
        codec_at(tmp_path)
