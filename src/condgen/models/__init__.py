"""The families of models, by name. Names are imported on first use, because listing families needs no model code."""

from typing import TYPE_CHECKING

from condgen.lazy import listing, on_first_use

if TYPE_CHECKING:
    from condgen.models.base import Model
    from condgen.models.flow.flow import Flow
    from condgen.models.flow.meanflow import MeanFlow
    from condgen.models.gan.gan import GAN
    from condgen.models.gan.infogan import InfoGAN
    from condgen.models.registry import FAMILIES, Family, Practice, build, rebuild, used_arguments
    from condgen.models.vae.vae import VAE, Autoencoder

_HOME = {
    "FAMILIES": "registry",
    "GAN": "gan.gan",
    "VAE": "vae.vae",
    "Autoencoder": "vae.vae",
    "Family": "registry",
    "Flow": "flow.flow",
    "InfoGAN": "gan.infogan",
    "MeanFlow": "flow.meanflow",
    "Model": "base",
    "Practice": "registry",
    "build": "registry",
    "used_arguments": "registry",
    "rebuild": "registry",
}

__all__ = [
    "FAMILIES",
    "GAN",
    "VAE",
    "Autoencoder",
    "Family",
    "Flow",
    "InfoGAN",
    "MeanFlow",
    "Model",
    "Practice",
    "build",
    "rebuild",
    "used_arguments",
]


__getattr__ = on_first_use(__name__, _HOME)
__dir__ = listing(__all__)
