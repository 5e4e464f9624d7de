"""Codecs that others trained: the autoencoders of Stable Diffusion and its relatives, by the package diffusers.

AutoencoderKL is that of latent diffusion (Rombach et al. 2022), AutoencoderTiny a small one with the same latents
(TAESD, Bohan 2023). Their latents have about the variance one. Here they are brought to [0, 1], and values beyond
`REACH` are cut off.
"""

import json
from collections.abc import Mapping
from contextlib import suppress
from inspect import signature
from pathlib import Path
from typing import Any

from torch import nn

from condgen.errors import RunError
from condgen.extras import explained
from condgen.feature_networks import IMAGENET, FeatureNetwork
from condgen.models.latents.codec import Codec, Images, Latents

KINDS = ("AutoencoderKL", "AutoencoderTiny")
CONFIG = "config.json"
PIPELINE = "vae"  # the folder of the autoencoder in that of a whole pipeline
REACH = 4.0  # standard deviations of latents that are kept


class PublishedCodec(Codec):
    """An autoencoder of diffusers, frozen. Raises MissingExtraError without that package."""

    def __init__(self, kind: str, config: Mapping[str, Any], module: nn.Module | None = None):
        of_kind = autoencoder(kind)
        known = {name: config[name] for name in signature(of_kind.__init__).parameters if name in config}
        made = module or of_kind.from_config(known)
        halvings = len(known.get("block_out_channels") or known["encoder_block_out_channels"]) - 1
        super().__init__(known["in_channels"], known["latent_channels"], 2**halvings, {"kind": kind, "config": known})
        self.module = made
        self.kind = kind
        self.scale = float(known.get("scaling_factor") or 1.0)
        self.shift = float(known.get("shift_factor") or 0.0) if kind == "AutoencoderKL" else 0.0

    def encode(self, x: Images) -> Latents:
        """The latents of images: the mean of their distribution, where it is one."""
        found: Any = self.module.encode(2 * x - 1)  # type: ignore[operator]
        z: Latents = found.latent_dist.mode() if self.kind == "AutoencoderKL" else found.latents
        return ((z - self.shift) * self.scale / (2 * REACH) + 0.5).clamp(0, 1)

    def decode(self, z: Latents) -> Images:
        """The images of latents."""
        unbounded = (z - 0.5) * (2 * REACH) / self.scale + self.shift
        y: Images = self.module.decode(unbounded).sample  # type: ignore[operator]
        return ((y + 1) / 2).clamp(0, 1)

    @property
    def trained_against(self) -> tuple[FeatureNetwork, ...]:
        """The perceptual loss by which such autoencoders learn, in features of ImageNet's labels."""
        return (FeatureNetwork(f"the perceptual loss of {self.kind}", ("LPIPS", IMAGENET)),)


def autoencoder(kind: str) -> Any:
    """The class of this name in diffusers. Raises MissingExtraError without that package."""
    with explained():
        import diffusers

        return getattr(diffusers, kind)


def published(folder: Path) -> Path | None:
    """The folder of an autoencoder, in the form of diffusers: this one or, of a pipeline, the one in it. None if there
    is none.
    """
    for place in (folder, folder / PIPELINE):
        with suppress(OSError, ValueError, AttributeError):
            if json.loads((place / CONFIG).read_text(encoding="utf-8")).get("_class_name") in KINDS:
                return place
    return None


def opened(folder: Path) -> PublishedCodec:
    """The autoencoder in a folder that `published` found. Raises RunError if it cannot be read."""
    config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    kind = config["_class_name"]
    try:
        module = autoencoder(kind).from_pretrained(folder, use_safetensors=True, local_files_only=True)
        return PublishedCodec(kind, json.loads(json.dumps(dict(module.config), default=str)), module)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(f"The autoencoder in {folder} cannot be read: {error}") from None
